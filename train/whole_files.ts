/**
 * Writing so that a file or a folder is there as a whole or not at all, whenever the process is killed or the power fails:
 * under a temporary name, synced, renamed. Temporary names end in `.tmp`; what is left of them is swept away.
 *
 * @module
 */

import { DataError } from "../data/mod.ts";
import { failed, temporaryName, writeAll } from "../data/part_file.ts";
import type { FileNote } from "./manifest.ts";

/** Bytes that are hashed and written in one go: between two, training has its turn. */
const CHUNK = 1 << 22;

/** Cuts bytes into chunks. */
export function* chunksOf(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

/** Writes a new file and syncs it. */
export async function writeFile(path: string, parts: Iterable<Uint8Array>): Promise<FileNote> {
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

/** Makes a folder that `fill` fills; it gets its name when all in it is on the disk. Where one was, it takes its place. */
export async function makeFolder<T>(path: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const { mkdir, rename, rm } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const temporary = await temporaryName(path);
  try {
    await mkdir(temporary);
    const result = await fill(temporary);
    await syncFolder(temporary);
    await putAside(path);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    await removeFolder(`${path}${ASIDE}`);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {/* What went wrong first is told. */});
    throw error instanceof DataError ? error : failed(path, "written", error);
  }
}

/** A folder cannot be renamed over another one: that one is put aside for the moment in between. */
const ASIDE = ".aside";

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
 * @param isOurs whether a name is one that `makeFolder` was asked for; nothing else is touched
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
