/**
 * What a folder of shards consists of; docs/shards.md says it in words.
 *
 * @module
 */

import { DataError } from "../dataset.ts";

/** The file that says what is in the folder; it is written last. */
export const INDEX = "index.json";
/** The files with the mean image and the colours' covariance. */
export const STATISTICS = "statistics.safetensors";
/** The list of files that could not be decoded: a line each, the name, a tab, and the reason. */
export const BROKEN = "broken.txt";
/** What the shards are made from, as long as there is no index that says it. */
export const PLAN = "plan.json";
/** The first bytes of a shard are its header, so that the images begin at the start of a page. */
export const HEADER_BYTES = 4096;

/** Which images: to learn from, or to be tested with. */
export type Part = "train" | "test";

/** A shard, as the index has it. */
export interface ShardEntry {
  readonly file: string;
  /** How many images are in it. */
  readonly images: number;
  /** The CRC-32, in hexadecimal, of its header, labels, checksums and record, in this order. */
  readonly crc32: string;
}

/** The shards of a part. */
export interface PartEntry {
  readonly images: number;
  /** How many files could not be decoded, and are in no shard. */
  readonly broken: number;
  readonly shards: readonly ShardEntry[];
}

/** What the shards were made from, and how. Only a run with the same plan may go on with them. */
export interface Plan {
  /** Which layout of files was found. */
  readonly source: string;
  /** What decoded the images; another one, or another version, gives other pixels. */
  readonly decoder: string;
  /** Height and width of the images. */
  readonly size: number;
  /** How many files of the source go into a shard. */
  readonly filesPerShard: number;
  /** The SHA-256 of what it is made from: the classes, names, and of each file a checksum, or size and time. */
  readonly train: string;
  /** The same of the images to be tested with. */
  readonly test: string;
}

/** `index.json`. */
export interface ShardIndex {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** channels, height, width */
  readonly shape: readonly [number, number, number];
  /** The classes' names by label. */
  readonly classes: readonly string[];
  readonly train: PartEntry;
  readonly test: PartEntry;
  /** Of the training images. */
  readonly statistics: {
    readonly file: string;
    /** The CRC-32 of the whole file, in hexadecimal. */
    readonly crc32: string;
  };
  readonly plan: Plan;
}

export const FORMAT = "fermi-shards";
export const VERSION = 2;

/** Whether a name is one that a file of shards has. */
export function isShardFile(name: string): boolean {
  return [INDEX, STATISTICS, BROKEN, PLAN].includes(name) || isShardName(name);
}

/** Whether a name is a shard's. */
export function isShardName(name: string): boolean {
  return /^(train|test)-\d{5,}\.safetensors$/.test(name);
}

/** The name of a shard. */
export function shardName(part: Part, number: number): string {
  return `${part}-${String(number).padStart(5, "0")}.safetensors`;
}

/** The error for a shard, or what belongs to shards, that is not what was written. */
export function damaged(path: string, why: string, cause?: unknown): DataError {
  return new DataError(`${path}: is damaged: ${why}; delete it and prepare the shards again`, { cause });
}

/** A checksum as text. */
export function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

/** A tensor's place in a shard: the offsets are of the file. */
export interface Place {
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The tensors of a shard. */
export interface ShardHeader {
  readonly images: Place;
  readonly labels: Place;
  readonly crc32: Place;
  readonly record: Place;
  readonly sums: Place;
}

const DTYPES: { readonly [K in keyof ShardHeader]: readonly [dtype: string, bytes: number] } = {
  images: ["U8", 1],
  labels: ["I32", 4],
  crc32: ["U32", 4],
  record: ["U8", 1],
  sums: ["I32", 4],
};

/** The header of a shard: that of a safetensors file, filled up with blanks. */
export function encodeHeader(shapes: { readonly [K in keyof ShardHeader]: readonly number[] }): Uint8Array {
  const tensors: Record<string, unknown> = {};
  let end = 0;
  for (const [name, [dtype, bytes]] of Object.entries(DTYPES)) {
    const shape = shapes[name as keyof ShardHeader];
    const begin = end;
    end += shape.reduce((product, extent) => product * extent, bytes);
    tensors[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const header = new Uint8Array(HEADER_BYTES).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(HEADER_BYTES - 8), true);
  header.set(new TextEncoder().encode(JSON.stringify(tensors)), 8);
  return header;
}

/**
 * Reads the header of a shard.
 *
 * @throws {DataError} when it is none.
 */
export function parseHeader(header: Uint8Array, name: string): ShardHeader {
  try {
    const tensors: Record<keyof ShardHeader, Place & { readonly data_offsets: [number, number] }> = JSON
      .parse(new TextDecoder().decode(header.subarray(8)));
    // Nothing is believed but what `encodeHeader` writes of images like these.
    const { images: { shape: [count, ...shape] }, record } = tensors;
    const written = encodeHeader({
      images: [count!, ...shape],
      labels: [count!],
      crc32: [count!],
      record: record.shape,
      sums: shape,
    });
    if (!written.every((byte, i) => byte === header[i])) throw new Error("its tensors are others");
    const place = ({ shape, data_offsets: [begin, end] }: typeof tensors[keyof ShardHeader]) => ({
      ...{ shape, begin: HEADER_BYTES + begin, end: HEADER_BYTES + end },
    });
    return {
      images: place(tensors.images),
      labels: place(tensors.labels),
      crc32: place(tensors.crc32),
      record: place(record),
      sums: place(tensors.sums),
    };
  } catch (error) {
    throw new DataError(
      `${name}: is no shard: its header cannot be read; delete it and prepare the shards again`,
      { cause: error },
    );
  }
}
