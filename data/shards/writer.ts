/**
 * Writing shards. A shard has everything that is known of its images in it, so that one renaming puts it all there at once:
 * whoever finds a file under a shard's name finds a whole one.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";
import { DataError } from "../dataset.ts";
import { failed, reason } from "../files.ts";
import { giveName, temporaryName, writeAll } from "../whole_files.ts";
import type { Crc32 } from "./crc.ts";
import { damaged, encodeHeader, HEADER_BYTES, hex, parseHeader, type ShardEntry } from "./format.ts";
import { Sums } from "./statistics.ts";

/** A file of the source that is no image. */
export interface Broken {
  readonly file: string;
  readonly reason: string;
}

/** Where in the source the next shard begins; what the numbers mean is the source's affair. */
export type Position = readonly number[];

/** What a shard says of how it was made. */
export interface ShardRecord {
  /** How many files of the source went into it, broken ones included. */
  readonly files: number;
  /** Where the next one begins. */
  readonly after: Position;
  /** How much of the source is behind it, in the source's own unit. */
  readonly done: number;
  readonly broken: readonly Broken[];
  /** One more than the largest label. */
  readonly classes: number;
  /** `Sums.products` */
  readonly products: readonly number[];
  /** The checksum of the plan by which it was made: shards of different ones do not belong together. */
  readonly plan: string;
}

/** A shard that is there. */
export interface Shard {
  readonly entry: ShardEntry;
  readonly record: ShardRecord;
  readonly sums: Int32Array;
}

/** What a shard is made with. */
export interface ShardOptions {
  /** Of an image. */
  readonly shape: readonly [number, number, number];
  /** The checksum of the plan. */
  readonly plan: string;
  readonly crc32: Crc32;
}

/** A shard that is being written, under a temporary name. */
export class ShardWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #crc32: Crc32;
  readonly #plan: string;
  readonly #shape: readonly [number, number, number];
  readonly #sums: Sums;
  readonly #labels: number[] = [];
  readonly #crcs: number[] = [];
  readonly #broken: Broken[] = [];

  private constructor(
    path: string,
    temporary: string,
    handle: FileHandle,
    { shape, plan, crc32 }: ShardOptions,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#crc32 = crc32;
    this.#plan = plan;
    this.#shape = shape;
    this.#sums = new Sums(shape[0] * shape[1] * shape[2]);
  }

  /** Begins a shard. */
  static async begin(path: string, options: ShardOptions): Promise<ShardWriter> {
    const { open } = await import("node:fs/promises");
    const temporary = await temporaryName(path);
    try {
      return new ShardWriter(path, temporary, await open(temporary, "wx"), options);
    } catch (error) {
      throw failed(path, "written", error);
    }
  }

  /** How many files it is made from so far. */
  get files(): number {
    return this.#labels.length + this.#broken.length;
  }

  /** Adds an image. */
  async add(image: Uint8Array, label: number): Promise<void> {
    const size = this.#sums.pixels.length;
    const position = HEADER_BYTES + this.#labels.length * size;
    this.#labels.push(label);
    this.#crcs.push(this.#crc32(image));
    this.#sums.add(image);
    await this.#write(image, position);
  }

  /** Adds a file that is no image. */
  addBroken(broken: Broken): void {
    this.#broken.push(broken);
  }

  /** Completes the shard and gives it its name. */
  async commit(after: Position, done: number): Promise<Shard> {
    const sums = this.#sums.pixels;
    const sumBytes = bytesOf(sums);
    const record: ShardRecord = {
      files: this.files,
      after,
      done,
      broken: this.#broken,
      classes: this.#labels.reduce((most, label) => Math.max(most, label + 1), 0),
      products: this.#sums.products,
      plan: this.#plan,
    };
    const images = this.#labels.length;
    const header = encodeHeader({
      images: [images, ...this.#shape],
      labels: [images],
      crc32: [images],
      record: [encodeRecord(record, 0).length],
      sums: this.#shape,
    });
    const [labels, crcs] = [bytesOf(Int32Array.from(this.#labels)), bytesOf(Uint32Array.from(this.#crcs))];
    const ownCrc = checksum(this.#crc32, [header, labels, crcs, sumBytes, textOf(record)]);
    const tail = [labels, crcs, encodeRecord(record, ownCrc)];
    let position = HEADER_BYTES + images * sums.length;
    for (const bytes of [...tail, sumBytes]) {
      await this.#write(bytes, position);
      position += bytes.length;
    }
    await this.#write(header, 0);
    await this.#name();
    const crc = checksum(this.#crc32, [header, ...tail]);
    return { entry: { file: baseName(this.#path), images, crc32: hex(crc) }, record, sums };
  }

  /** Gives up. */
  async abandon(): Promise<void> {
    const { rm } = await import("node:fs/promises");
    await this.#handle.close();
    await rm(this.#temporary, { force: true });
  }

  async #name(): Promise<void> {
    try {
      // Without it a machine that loses power may come back with the name, but not the content.
      await this.#handle.sync();
      await this.#handle.close();
      await giveName(this.#temporary, this.#path);
    } catch (error) {
      throw failed(this.#path, "written", error);
    }
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      await writeAll(this.#handle, bytes, position);
    } catch (error) {
      throw failed(this.#path, "written", error);
    }
  }
}

/**
 * Reads what a shard says of itself: everything but the images. It is checked.
 *
 * @returns null where there is no such file
 * @throws {DataError} when it cannot be read, or is damaged.
 */
export async function readShard(path: string, crc32: Crc32): Promise<Shard | null> {
  const { open } = await import("node:fs/promises");
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw failed(path, "read", error);
  }
  try {
    const header = await readRange(handle, 0, HEADER_BYTES);
    const { images, labels, record, sums } = parseHeader(header, path);
    const tail = await readRange(handle, labels.begin, record.end);
    const sumBytes = await readRange(handle, sums.begin, sums.end);
    const { crc32: wanted, ...parsed } = JSON.parse(
      new TextDecoder().decode(tail.subarray(record.begin - labels.begin)),
    ) as ShardRecord & { readonly crc32: string };
    if (parsed.plan === undefined) throw new Error("an earlier version of this program has made it");
    const numbers = tail.subarray(0, record.begin - labels.begin);
    const own = hex(checksum(crc32, [header, numbers, sumBytes, textOf(parsed)]));
    if (own !== wanted) throw new Error(`its checksum is ${own}, wants ${wanted}`);
    return {
      entry: { file: baseName(path), images: images.shape[0]!, crc32: hex(checksum(crc32, [header, tail])) },
      record: parsed,
      sums: new Int32Array(sumBytes.buffer, 0, sumBytes.length / 4),
    };
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw (error as { code?: string }).code
      ? failed(path, "read", error)
      : damaged(path, reason(error), error);
  } finally {
    await handle.close();
  }
}

async function readRange(handle: FileHandle, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, begin + at);
    if (bytesRead === 0) throw new Error("it is truncated");
    at += bytesRead;
  }
  return bytes;
}

/** The record as it goes into the shard's checksum; the order of the keys survives writing and reading. */
function textOf(record: ShardRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** Of several pieces, one after the other. */
function checksum(crc32: Crc32, pieces: readonly Uint8Array[]): number {
  return pieces.reduce((before, bytes) => crc32(bytes, before), 0);
}

/** As JSON with the shard's checksum, filled up with blanks so that numbers after it are aligned. */
function encodeRecord(record: ShardRecord, crc: number): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify({ ...record, crc32: hex(crc) }));
  const bytes = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  bytes.set(text);
  return bytes;
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
