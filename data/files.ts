/**
 * Reading files: from a folder, from beside a module, over HTTP; gzipped or not. The file system is imported on demand,
 * so that a browser can load this file.
 *
 * @module
 */

import { DataError } from "./dataset.ts";

/**
 * Reads a file that belongs to a module: over HTTP where the module came from there, else from the file system.
 *
 * @throws {DataError} when it is not there.
 */
export async function readUrl(url: URL): Promise<Uint8Array> {
  if (url.protocol === "file:") {
    const { fileURLToPath } = await import("node:url");
    return await readPath(fileURLToPath(url));
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new DataError(`${url}: the server answered ${response.status} ${response.statusText}`);
  }
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * Reads a file by its path.
 *
 * @throws {DataError} when it cannot be read.
 */
export async function readPath(path: string): Promise<Uint8Array> {
  const { readFile } = await import("node:fs/promises");
  try {
    return await readFile(path);
  } catch (error) {
    throw failed(path, "read", error);
  }
}

/**
 * The names in a folder.
 *
 * @throws {DataError} when there is no such folder.
 */
export async function listFolder(path: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  try {
    return await readdir(path);
  } catch (error) {
    throw new DataError(`${path}: there is no such folder, or it cannot be read (${reason(error)})`, {
      cause: error,
    });
  }
}

/** Why a file or a server could not be reached: the system's code where there is one. */
export function reason(error: unknown): string {
  return error instanceof Error ? (error as Error & { code?: string }).code ?? error.message : String(error);
}

/** The error for a file that cannot be `done` (read, written, deleted). */
export function failed(path: string, done: string, error: unknown): DataError {
  return new DataError(`${path}: cannot be ${done} (${reason(error)})`, { cause: error });
}

/**
 * The content of a file, unpacked if its first bytes say that it is gzipped.
 *
 * @throws {DataError} when the gzip data are damaged or cut off.
 */
export async function decompress(file: Uint8Array, name: string): Promise<Uint8Array> {
  if (file[0] !== 0x1f || file[1] !== 0x8b) return file;
  // A copy with a buffer of its own, which the stream's types ask for.
  const stream = new Blob([Uint8Array.from(file)]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw new DataError(`${name}: the gzip data are damaged or truncated`, { cause: error });
  }
}
