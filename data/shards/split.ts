/**
 * The images of several shards as one list, each of which is checked when it is read.
 *
 * @module
 */

import { DataError, type Split } from "../dataset.ts";
import type { Crc32 } from "./crc.ts";
import { damaged, HEADER_BYTES, hex } from "./format.ts";

type Fs = typeof import("node:fs");

/** A shard of which everything but the images is in memory. */
export interface OpenShard {
  readonly path: string;
  /** The same file, open once or several times. */
  readonly files: readonly number[];
  readonly labels: Int32Array;
  /** Of each image. */
  readonly crcs: Uint32Array;
}

/** Makes the list; an image has `size` bytes. */
export function splitOf(shards: readonly OpenShard[], size: number, fs: Fs, crc32: Crc32): Split {
  const count = shards.reduce((sum, { labels }) => sum + labels.length, 0);
  // Of each image its shard, and its number there: eight bytes an image, and no search.
  const shardOf = new Uint32Array(count);
  const numberOf = new Uint32Array(count);
  let start = 0;
  shards.forEach(({ labels }, s) => {
    shardOf.fill(s, start, start + labels.length);
    for (let i = 0; i < labels.length; i++) numberOf[start++] = i;
  });
  return {
    count,
    label: (index) => shards[shardOf[index]!]!.labels[numberOf[index]!]!,
    read: (indices, images) =>
      inParallel(indices.length, (i, done) => {
        const { path, files, crcs } = shards[shardOf[indices[i]!]!]!;
        const number = numberOf[indices[i]!]!;
        const place = { path, file: files[i % files.length]!, number, wanted: crcs[number]! };
        readImage(fs, crc32, place, images.subarray(i * size, (i + 1) * size), done);
      }),
  };
}

/** Told of what went wrong, if anything did. */
type Done = (failure?: Error) => void;

/**
 * Starts several tasks at once. Callbacks cost a third of what promises do; the system's threads read several images at once.
 * It settles not before all are done: whoever hears of a failure may use their memory for something else.
 */
function inParallel(count: number, start: (i: number, done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let [left, failure]: [number, Error | undefined] = [count, undefined];
    const settle = () => failure ? reject(failure) : resolve();
    const done: Done = (error) => {
      failure ??= error;
      if (--left === 0) settle();
    };
    if (count === 0) settle();
    for (let i = 0; i < count; i++) start(i, done);
  });
}

/** An image in a shard. */
interface ImagePlace {
  readonly path: string;
  readonly file: number;
  readonly number: number;
  /** Its checksum. */
  readonly wanted: number;
}

/** Reads an image and checks it. */
function readImage(
  fs: Fs,
  crc32: Crc32,
  { path, file, number, wanted }: ImagePlace,
  image: Uint8Array,
  done: Done,
): void {
  const position = HEADER_BYTES + number * image.length;
  fs.read(file, image, 0, image.length, position, (error, bytes) => {
    if (error) return done(new DataError(`${path}: cannot be read (${error.code})`, { cause: error }));
    if (bytes !== image.length) return done(damaged(path, `it ends in image ${number}`));
    const crc = crc32(image);
    if (crc === wanted) return done();
    done(damaged(path, `the checksum of image ${number} is ${hex(crc)}, wants ${hex(wanted)}`));
  });
}
