/**
 * Files whose content is known beforehand, by size and SHA-256, and that are fetched once and kept. Only what has been
 * checked gets its name: it is written under a temporary one, hashed on its way there, and renamed.
 *
 * @module
 */

import { DataError } from "./dataset.ts";
import { download, type DownloadOptions } from "./download.ts";
import { failed } from "./files.ts";
import type { PartFile } from "./part_file.ts";
import { giveName, temporaryName, writeAll } from "./whole_files.ts";

/** A file, by its content. */
export interface KnownFile {
  /** Its name in the folder. */
  readonly name: string;
  /** Bytes, unpacked. */
  readonly size: number;
  /** Of the unpacked content, in hexadecimal. */
  readonly sha256: string;
}

/** Temporary files that nothing was written to for so long are left over from a process that was killed. */
const LEFT_OVER_MS = 60_000;

/**
 * Sees to it that a folder has the file, unpacked and with the right content.
 *
 * @param url where it is fetched from if need be, gzipped or not
 * @throws {DataError} when it cannot be had.
 */
export async function keepFile(
  file: KnownFile,
  url: string,
  folder: string,
  options: DownloadOptions = {},
): Promise<void> {
  const { rm } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const { log, signal } = options;
  const path = join(folder, file.name);
  const partPath = `${path}.gz.part`;
  const flaw = await flawOf(path, file, signal);
  // A part may be left from a process that was killed just after it had renamed the file.
  if (flaw === null) return await rm(partPath, { force: true });
  if (flaw !== "missing") {
    log?.(`${path}: is damaged (${flaw}), fetching it again`);
    await rm(path, { force: true }).catch((error) => {
      throw failed(path, "deleted", error);
    });
  }
  // Packing makes data that cannot be packed longer, by less than this.
  const limit = file.size + Math.ceil(file.size / 1000) + 1024;
  for (let again = false;; again = true) {
    const part = await download(url, partPath, { ...options, limit });
    try {
      const wrong = await unpack(part, path, file, signal);
      const { fromOneAnswer } = part;
      await part.remove();
      if (wrong === null) return;
      if (fromOneAnswer || again) {
        throw new DataError(`${url}: is not the published ${file.name}: ${wrong}`);
      }
      log?.(`${url}: the parts do not belong together (${wrong}), fetching the whole`);
    } finally {
      await part.close();
    }
  }
}

/** Deletes what processes that were killed have left in the folder. */
export async function sweep(folder: string, files: readonly KnownFile[]): Promise<void> {
  const { readdir, rm, stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".tmp") || !files.some((file) => name.startsWith(`${file.name}.`))) continue;
    const path = join(folder, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > LEFT_OVER_MS) await rm(path, { force: true });
    } catch {
      // Another process was faster, or it is not ours to delete.
    }
  }
}

/** What is wrong with a file on the disk; null if nothing is. */
async function flawOf(
  path: string,
  file: KnownFile,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const { open } = await import("node:fs/promises");
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size !== file.size) return wrongSize(size, file);
      const check = await Check.begin(file);
      const chunk = new Uint8Array(1 << 18);
      for (let at = 0; at < size;) {
        stopIf(signal);
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) break;
        check.add(chunk.subarray(0, bytesRead));
        at += bytesRead;
      }
      return check.flaw();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return "missing";
    throw error instanceof DataError ? error : failed(path, "read", error);
  }
}

/** Unpacks a part into the file, and gives it its name if the content is right; else says what is wrong. */
async function unpack(
  part: PartFile,
  path: string,
  file: KnownFile,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const { open, rm } = await import("node:fs/promises");
  const temporary = await temporaryName(path);
  const check = await Check.begin(file);
  try {
    const handle = await open(temporary, "wx");
    try {
      let size = 0;
      for await (const bytes of unpacked(part.content())) {
        stopIf(signal);
        if (size + bytes.length > file.size) return `it has more than ${file.size} bytes`;
        check.add(bytes);
        await writeAll(handle, bytes, size);
        size += bytes.length;
      }
      const flaw = check.flaw();
      if (flaw !== null) return flaw;
      // Without it a machine that loses power may come back with the name, but not the content.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await giveName(temporary, path);
    return null;
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (isGzipError(error)) return `the gzip data are damaged or truncated (${error.message})`;
    throw failed(path, "written", error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The content, unpacked if it begins as gzip data do; servers that say they packed it have had it unpacked on the way. */
async function* unpacked(content: AsyncGenerator<Uint8Array, void, void>): AsyncGenerator<Uint8Array> {
  const { pipeline, Readable } = await import("node:stream");
  const { createGunzip } = await import("node:zlib");
  const first = await content.next();
  if (first.done) return;
  const whole = async function* () {
    yield first.value;
    yield* content;
  };
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) return yield* whole();
  yield* pipeline(Readable.from(whole()), createGunzip({ chunkSize: 1 << 18 }), () => {});
}

function isGzipError(error: unknown): error is Error {
  return error instanceof Error && ((error as { code?: string }).code?.startsWith("Z_") ?? false);
}

/** Counts and hashes bytes as they go by. */
class Check {
  readonly #file: KnownFile;
  readonly #hash: import("node:crypto").Hash;
  #size = 0;

  private constructor(file: KnownFile, hash: import("node:crypto").Hash) {
    this.#file = file;
    this.#hash = hash;
  }

  static async begin(file: KnownFile): Promise<Check> {
    const { createHash } = await import("node:crypto");
    return new Check(file, createHash("sha256"));
  }

  add(bytes: Uint8Array): void {
    this.#size += bytes.length;
    this.#hash.update(bytes);
  }

  /** What is wrong with the bytes; null if nothing is. */
  flaw(): string | null {
    if (this.#size !== this.#file.size) return wrongSize(this.#size, this.#file);
    const sha256 = this.#hash.digest("hex");
    return sha256 === this.#file.sha256 ? null : `its SHA-256 is ${sha256}, wants ${this.#file.sha256}`;
  }
}

function wrongSize(size: number, file: KnownFile): string {
  return `it has ${size} bytes, wants ${file.size}`;
}

function stopIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new DataError("interrupted");
}
