/**
 * Writing shards. A shard has everything that is known of its images in it, so that one renaming puts it all there at once:
 * whoever finds a file under a shard's name finds a whole one.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";
import { failed } from "../files.ts";
import { giveName, temporaryName, writeAll } from "../whole_files.ts";
import type { Crc32 } from "./crc.ts";
import { encodeHeader, HEADER_BYTES, hex, parseHeader, type ShardEntry } from "./format.ts";
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
  /** The CRC-32 of the tensor `sums`, in hexadecimal. */
  readonly sums: string;
}

/** A shard that is there. */
export interface Shard {
  readonly entry: ShardEntry;
  readonly record: ShardRecord;
  readonly sums: Int32Array;
}

/** A shard that is being written, under a temporary name. */
export class ShardWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #crc32: Crc32;
  readonly #shape: readonly [number, number, number];
  readonly #sums: Sums;
  readonly #labels: number[] = [];
  readonly #crcs: number[] = [];
  readonly #broken: Broken[] = [];

  private constructor(
    path: string,
    temporary: string,
    handle: FileHandle,
    crc32: Crc32,
    shape: readonly [number, number, number],
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#crc32 = crc32;
    this.#shape = shape;
    this.#sums = new Sums(shape[0] * shape[1] * shape[2]);
  }

  /** Begins a shard. */
  static async begin(
    path: string,
    shape: readonly [number, number, number],
    crc32: Crc32,
  ): Promise<ShardWriter> {
    const { open } = await import("node:fs/promises");
    const temporary = await temporaryName(path);
    try {
      return new ShardWriter(path, temporary, await open(temporary, "wx"), crc32, shape);
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
      sums: hex(this.#crc32(sumBytes)),
    };
    const images = this.#labels.length;
    const recordBytes = encodeRecord(record);
    const header = encodeHeader({
      images: [images, ...this.#shape],
      labels: [images],
      crc32: [images],
      record: [recordBytes.length],
      sums: this.#shape,
    });
    const tail = [bytesOf(Int32Array.from(this.#labels)), bytesOf(Uint32Array.from(this.#crcs)), recordBytes];
    let position = HEADER_BYTES + images * sums.length;
    for (const bytes of [...tail, sumBytes]) {
      await this.#write(bytes, position);
      position += bytes.length;
    }
    await this.#write(header, 0);
    await this.#name();
    const crc = [header, ...tail].reduce((before, bytes) => this.#crc32(bytes, before), 0);
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
 * Reads what a shard says of itself: everything but the images.
 *
 * @returns null where there is no such file
 * @throws {DataError} when it cannot be read.
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
    const parsed = JSON.parse(
      new TextDecoder().decode(tail.subarray(record.begin - labels.begin)),
    ) as ShardRecord;
    if (hex(crc32(sumBytes)) !== parsed.sums) throw new Error("its sums are damaged");
    const crc = hex(crc32(tail, crc32(header)));
    return {
      entry: { file: baseName(path), images: images.shape[0]!, crc32: crc },
      record: parsed,
      sums: new Int32Array(sumBytes.buffer, 0, sumBytes.length / 4),
    };
  } catch (error) {
    throw failed(path, "read", error);
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

/** As JSON, filled up with blanks so that numbers after it are aligned. */
function encodeRecord(record: ShardRecord): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(record));
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
