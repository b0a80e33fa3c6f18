/**
 * What happened in a run, event by event, in a file beside its checkpoints: `history.jsonl`. It grows with each checkpoint,
 * which knows how much of it is its own; a run that goes on from a checkpoint cuts off the rest, so no event is there twice.
 *
 * @module
 */

import type { Hash } from "node:crypto";
import { DataError } from "../data/mod.ts";
import { failed } from "../data/files.ts";
import { chunksOf, type FileNote, writeAll } from "../data/whole_files.ts";
import type { TrainEvent } from "./events.ts";

/** Its name in the folder of the checkpoints. */
export const HISTORY = "history.jsonl";

/** A history that is being written. */
export class History {
  readonly #path: string;
  readonly #hash: Hash;
  #bytes = 0;
  #waiting: string[] = [];

  private constructor(path: string, hash: Hash) {
    this.#path = path;
    this.#hash = hash;
  }

  /** Begins an empty history. */
  static async begin(path: string): Promise<History> {
    const { createHash } = await import("node:crypto");
    return new History(path, createHash("sha256"));
  }

  /**
   * Opens a history that goes on after what belongs to a checkpoint. Nothing is written yet, nothing cut off.
   *
   * @throws {DataError} when that is not what the file begins with.
   */
  static async open(path: string, own: FileNote): Promise<History> {
    const history = await History.begin(path);
    for await (const chunk of readStart(path, own.bytes)) history.#add(chunk);
    const { bytes, sha256 } = history.#note();
    if (bytes < own.bytes) {
      throw new DataError(`${path}: is truncated: it has ${bytes} bytes, the checkpoint's are ${own.bytes}`);
    }
    if (sha256 !== own.sha256) {
      throw new DataError(
        `${path}: is damaged: its SHA-256 up to the checkpoint is ${sha256}, wants ${own.sha256}`,
      );
    }
    return history;
  }

  /** Gives the file that was there another name, where it is lost to this history. */
  async putLostAside(): Promise<void> {
    const { rename } = await import("node:fs/promises");
    await rename(this.#path, this.#path.replace(/(\.\w+)?$/, ".lost$1")).catch((error) => {
      if ((error as { code?: string }).code !== "ENOENT") throw failed(this.#path, "renamed", error);
    });
  }

  /** Adds an event, with the next `take`. */
  record(event: TrainEvent): void {
    this.#waiting.push(JSON.stringify(event) + "\n");
  }

  /** The events since the last time, to be handed to `append`. */
  take(): Uint8Array {
    const text = this.#waiting.join("");
    this.#waiting = [];
    return new TextEncoder().encode(text);
  }

  /** Writes what `take` gave where the history ends, which cuts off what a process that was killed had written there. */
  async append(bytes: Uint8Array): Promise<FileNote> {
    const { open } = await import("node:fs/promises");
    try {
      const handle = await open(this.#path, this.#bytes === 0 ? "w" : "r+");
      try {
        await handle.truncate(this.#bytes);
        for (const chunk of chunksOf(bytes)) {
          await writeAll(handle, chunk, this.#bytes);
          this.#add(chunk);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw failed(this.#path, "written", error);
    }
    return this.#note();
  }

  #add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  #note(): FileNote {
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest("hex") };
  }
}

/**
 * The events of a run, from the folder with its checkpoints.
 *
 * @param bytes how much of the file is meant, default: all, but for a line that a process that was killed left unfinished
 * @throws {DataError} when there is no history, or a line of it is no event.
 */
export async function readHistory(folder: string, bytes: number = Infinity): Promise<TrainEvent[]> {
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const path = join(folder, HISTORY);
  const file = await readFile(path).catch((error) => {
    throw failed(path, "read", error);
  });
  const lines = new TextDecoder().decode(file.subarray(0, bytes)).split("\n").slice(0, -1);
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as TrainEvent;
    } catch {
      throw new DataError(`${path}: line ${i + 1} is no event`);
    }
  });
}

async function* readStart(path: string, bytes: number): AsyncGenerator<Uint8Array, void, void> {
  const { open } = await import("node:fs/promises");
  try {
    const handle = await open(path, "r");
    try {
      for (let at = 0; at < bytes;) {
        const chunk = new Uint8Array(Math.min(1 << 20, bytes - at));
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failed(path, "read", error);
  }
}
