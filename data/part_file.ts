/**
 * The part of a download that has arrived. Its first line says what it is a part of, so the two cannot be separated, and
 * parts of different files are never joined.
 *
 * Two processes may fetch the same file at once. A part that is there is only ever made longer, with the bytes that belong
 * to its first line, each at its place: whoever writes them writes the same. Who must start over puts a new file under the
 * name; the other one goes on with the old one, which it has open.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";
import { DataError } from "./dataset.ts";
import { failed } from "./files.ts";
import { temporaryName, writeAll } from "./whole_files.ts";

/** Which file a part is a part of. */
export interface Origin {
  /** Where it comes from. */
  readonly url: string;
  /** The server's ETag or date; with the same one the bytes are the same. */
  readonly validator: string | null;
  /** How long the whole is. */
  readonly length: number | null;
}

/** The first line is no longer than this. */
const HEADER_LIMIT = 4096;
const CHUNK = 1 << 18;

/** A part on the disk. */
export class PartFile {
  /** Its place; the file under this name may by now be another process's. */
  readonly path: string;
  /** What it is a part of; nothing is there without it. */
  origin: Origin | undefined;
  /** How many bytes are there. */
  size = 0;
  /** How often bytes that were there had to be given up. */
  losses = 0;
  /** Whether all bytes came with one answer of the server. */
  fromOneAnswer = true;
  #handle: FileHandle | undefined;
  #start = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens the part that an earlier run has left, if there is one. */
  static async open(path: string): Promise<PartFile> {
    const { open } = await import("node:fs/promises");
    const part = new PartFile(path);
    try {
      part.#handle = await open(path, "r+");
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return part;
      throw failed(path, "opened", error);
    }
    await part.#onDisk("read", async (handle) => {
      const head = new Uint8Array(HEADER_LIMIT);
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      const end = head.subarray(0, bytesRead).indexOf(10);
      const origin = parseOrigin(new TextDecoder().decode(head.subarray(0, Math.max(end, 0))));
      if (origin === undefined) return;
      part.origin = origin;
      part.#start = end + 1;
      part.size = (await handle.stat()).size - part.#start;
      part.fromOneAnswer = false;
    });
    return part;
  }

  /** Whether every byte is there. */
  get complete(): boolean {
    return this.origin !== undefined && this.origin.length !== null && this.size >= this.origin.length;
  }

  /** Begins anew with a file of its own, which takes the name. */
  async begin(origin: Origin): Promise<void> {
    const { open, rename } = await import("node:fs/promises");
    await this.#forget();
    const header = new TextEncoder().encode(JSON.stringify(origin) + "\n");
    const temporary = await temporaryName(this.path);
    try {
      this.#handle = await open(temporary, "wx+");
      await writeAll(this.#handle, header, 0);
      await rename(temporary, this.path);
    } catch (error) {
      throw failed(this.path, "written", error);
    }
    this.origin = origin;
    this.#start = header.length;
  }

  /** Adds the bytes that come next. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#onDisk("written", (handle) => writeAll(handle, bytes, this.#start + this.size));
    this.size += bytes.length;
  }

  /** Reads what is there. */
  async *content(): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < this.size;) {
      const bytes = new Uint8Array(Math.min(CHUNK, this.size - at));
      const count = await this.#onDisk("read", async (handle) => {
        return (await handle.read(bytes, 0, bytes.length, this.#start + at)).bytesRead;
      });
      if (count === 0) throw new DataError(`${this.path}: has become shorter while it was read`);
      yield bytes.subarray(0, count);
      at += count;
    }
  }

  /** Leaves the part where it is. */
  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Deletes the part. */
  async remove(): Promise<void> {
    const { rm } = await import("node:fs/promises");
    await this.#forget();
    await rm(this.path, { force: true }).catch((error) => {
      throw failed(this.path, "deleted", error);
    });
  }

  async #forget(): Promise<void> {
    await this.close();
    if (this.size > 0) this.losses++;
    this.origin = undefined;
    this.size = 0;
    this.fromOneAnswer = true;
  }

  async #onDisk<T>(done: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    try {
      return await work(this.#handle!);
    } catch (error) {
      throw failed(this.path, done, error);
    }
  }
}

function parseOrigin(line: string): Origin | undefined {
  try {
    const { url, validator, length } = JSON.parse(line) as { [K in keyof Origin]: unknown };
    const good = typeof url === "string" && (validator === null || typeof validator === "string") &&
      (length === null || typeof length === "number");
    return good ? { url, validator, length } : undefined;
  } catch {
    return undefined;
  }
}
