/**
 * Tar archives as streams that can begin at any of their files.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { extract, type Header } from "tar-stream";
import { DataError } from "../../dataset.ts";
import { reason } from "../../files.ts";

/** A file in an archive. The places are those in the file that holds the archive. */
export interface TarFile {
  readonly name: string;
  /** Where its header begins. */
  readonly at: number;
  /** Where its content begins. */
  readonly content: number;
  readonly size: number;
  /** Where the next header begins. */
  readonly after: number;
  /** Reads the content; only before the next file is asked for. */
  bytes(): Promise<Uint8Array>;
}

const BLOCK = 512;
const CHUNK = 1 << 20;

/** Which bytes of a file are the archive, or the rest of it. */
export interface TarRange {
  readonly start?: number;
  /** Behind the last one; default: the end of the file. */
  readonly end?: number;
}

/**
 * Goes through the files of an archive; folders and links are passed over.
 *
 * @throws {DataError} when it is damaged or truncated.
 */
export async function* tarFiles(
  path: string,
  { start = 0, end = Infinity }: TarRange = {},
): AsyncGenerator<TarFile, void, void> {
  if (start >= end) return;
  const stream = createReadStream(path, { start, end: end - 1, highWaterMark: CHUNK });
  const archive = extract();
  let failure: unknown;
  pipeline(stream, archive, (error) => failure ??= error);
  // Long names have a header of their own, before the one that says where the content begins.
  let at = start;
  const damaged = (error: unknown) =>
    new DataError(`${path}: is damaged or truncated behind byte ${at} (${reason(failure ?? error)})`, {
      cause: error,
    });
  try {
    for await (const entry of archive) {
      const { name, type, size = 0, byteOffset } = entry.header as Header & { readonly byteOffset: number };
      const content = start + byteOffset;
      const after = content + Math.ceil(size / BLOCK) * BLOCK;
      let isRead = false;
      const bytes = () => {
        isRead = true;
        return contentOf(entry as AsyncIterable<Uint8Array>, size).catch((error) => {
          throw damaged(error);
        });
      };
      if (type === "file" || type === "contiguous-file") yield { name, at, content, size, after, bytes };
      if (!isRead) { for await (const _ of entry); }
      at = after;
    }
    if (failure) throw failure;
  } catch (error) {
    throw damaged(error);
  } finally {
    stream.destroy();
  }
}

async function contentOf(entry: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const content = new Uint8Array(size);
  let at = 0;
  for await (const piece of entry) {
    content.set(piece, at);
    at += piece.length;
  }
  return content;
}

/** The file whose header begins at a place; undefined at the archive's end. Its content is not to be read. */
export async function tarFileAt(path: string, start: number): Promise<Omit<TarFile, "bytes"> | undefined> {
  for await (const file of tarFiles(path, { start })) return file;
  return undefined;
}
