/**
 * Writing so that a file or a folder is there as a whole or not at all, whenever the process is killed or the power fails:
 * under a temporary name, synced, renamed. Temporary names end in `.tmp`; what is left of them is swept away.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";
import { DataError } from "./dataset.ts";
import { failed } from "./files.ts";

/** How long a file is, and what is in it. */
export interface FileNote {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** A name beside `path` that no other process uses. */
export async function temporaryName(path: string): Promise<string> {
  const { randomUUID } = await import("node:crypto");
  return `${path}.${randomUUID().slice(0, 8)}.tmp`;
}

/** Writes all bytes at a place. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Bytes that are hashed and written in one go: between two, others have their turn. */
const CHUNK = 1 << 22;

/** Cuts bytes into chunks. */
export function* chunksOf(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

/** Writes a new file and syncs it. */
export async function writeNew(path: string, parts: Iterable<Uint8Array>): Promise<FileNote> {
  const { createHash } = await import("node:crypto");
  const { open } = await import("node:fs/promises");
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const handle = await open(path, "wx");
    try {
      for (const part of parts) {
        for (const chunk of chunksOf(part)) {
          hash.update(chunk);
          await writeAll(handle, chunk, bytes);
          bytes += chunk.length;
        }
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failed(path, "written", error);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Sees to it that the names in a folder are on the disk. Windows, which cannot, does so by itself. */
export async function syncFolder(path: string): Promise<void> {
  const { default: process } = await import("node:process");
  if (process.platform === "win32") return;
  const { open } = await import("node:fs/promises");
  try {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failed(path, "written", error);
  }
}

/**
 * Gives a file that was synced its name, for good: without the folder's sync a machine that loses power may come back without
 * it. Where a file had that name, it takes its place.
 */
export async function giveName(temporary: string, path: string): Promise<void> {
  const { rename } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/**
 * Writes a file at once; where one was, it takes its place.
 *
 * @throws {DataError} when it cannot be written; nothing is left of it then.
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const { rm } = await import("node:fs/promises");
  const temporary = await temporaryName(path);
  try {
    await writeNew(temporary, [typeof content === "string" ? new TextEncoder().encode(content) : content]);
    await giveName(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {/* What went wrong first is told. */});
    throw failed(path, "written", error instanceof DataError ? error.cause : error);
  }
}

/** Writes a small file of JSON. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeWhole(path, JSON.stringify(value, null, 2) + "\n");
}

/** Makes a folder that `fill` fills; it gets its name when all in it is on the disk. Where one was, it takes its place. */
export async function makeFolder<T>(path: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const { mkdir, rm } = await import("node:fs/promises");
  const temporary = await temporaryName(path);
  try {
    await mkdir(temporary);
    const result = await fill(temporary);
    await syncFolder(temporary);
    await putAside(path);
    await giveName(temporary, path);
    await removeFolder(`${path}${ASIDE}`);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {/* What went wrong first is told. */});
    throw error instanceof DataError ? error : failed(path, "written", error);
  }
}

/** A folder cannot be renamed over another one: that one is put aside for the moment in between, by this ending. */
export const ASIDE = ".aside";

async function putAside(path: string): Promise<void> {
  const { rename } = await import("node:fs/promises");
  await rename(path, `${path}${ASIDE}`).catch((error) => {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  });
}

/** Deletes a folder, which loses its name first: what is left by a process that is killed is no half folder. */
export async function removeFolder(path: string): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  const temporary = await temporaryName(path);
  try {
    await rename(path, temporary);
    await rm(temporary, { recursive: true });
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw failed(path, "deleted", error);
  }
}

/**
 * Deletes what processes that were killed have left in a folder, and takes back what they had put aside.
 *
 * @param isOurs whether a name is one that `makeFolder` or `writeWhole` was asked for; nothing else is touched
 */
export async function sweep(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  const { readdir, rename, rm } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const names = await readdir(folder);
  for (const name of names) {
    const [, own = "", ending = ""] = name.match(/^(.+?)(\.aside|(?:\.aside)?\.[0-9a-f]{8}\.tmp)$/) ?? [];
    if (!isOurs(own)) continue;
    const path = join(folder, name);
    if (ending !== ASIDE) await rm(path, { recursive: true, force: true });
    else if (names.includes(own)) await removeFolder(path);
    else await rename(path, join(folder, own));
  }
}
