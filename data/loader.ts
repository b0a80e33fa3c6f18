/**
 * Batches: in which order the images come, and how they are put side by side.
 *
 * @module
 */

import { foldIn, randomBits, type Tensor } from "../tensor/mod.ts";
import type { Dataset, Split } from "./dataset.ts";

/** A batch. The arrays are filled anew once the next one is asked for. */
export interface Batch {
  /** [batch, channels, height, width], row-major */
  readonly images: Uint8Array;
  /** [batch] */
  readonly labels: Int32Array;
  /** How many of the batch are images; the others, at the end, are left over from a batch before. */
  readonly count: number;
}

/**
 * The order of the images in an epoch: Fisher-Yates with the bits of `foldIn(key, epoch)`, so the same on every backend.
 *
 * @returns each of 0 ... count - 1 once
 */
export async function shuffledOrder(key: Tensor, epoch: number, count: number): Promise<Uint32Array> {
  const bits = await randomBits(foldIn(key, epoch), [count]).data();
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    // A whole number from 0 to i; the product stays under 2^53.
    const j = Math.floor(bits[i]! * (i + 1) / 2 ** 32);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * The part of an order that falls to one of several readers: every `readers`-th image, from the `reader`-th on. Each image
 * falls to one of them, and what all of them read in their s-th batches of n images is what a single one reads in its s-th
 * batch of readers x n.
 *
 * @param reader from 0
 * @returns as many as for every other reader, or one more
 * @throws {RangeError} unless 0 <= reader < readers.
 */
export function shareOf(order: Uint32Array, reader: number, readers: number): Uint32Array {
  if (!(Number.isSafeInteger(reader) && Number.isSafeInteger(readers) && 0 <= reader && reader < readers)) {
    throw new RangeError(
      `shareOf: reader wants a whole number from 0 to below readers, got ${reader} of ${readers}`,
    );
  }
  const count = Math.max(0, Math.ceil((order.length - reader) / readers));
  return Uint32Array.from({ length: count }, (_, i) => order[reader + i * readers]!);
}

/** What `batches` takes. */
export interface BatchOptions {
  /** Images a batch. */
  readonly batch: number;
  /** Which images, in which order; default: all, in the split's own. */
  readonly order?: Uint32Array;
  /** At which image of the order to begin, so that a run goes on where another one ended; default 0. */
  readonly from?: number;
  /** What becomes of the images left at the end: `drop` (training) or `keep` as a batch with a smaller `count`. */
  readonly last: "drop" | "keep";
  /** How many batches are read ahead of the one in use, where images come from a disk; default 2. */
  readonly ahead?: number;
}

/** A batch that is being read; `done` is undefined where the images were there at once. */
interface Reading extends Batch {
  readonly done: Promise<void> | void;
}

/**
 * Goes through a split in batches. Those that come from a disk are read ahead, while the caller computes; memory is
 * copied when its turn comes, since there is nothing to wait for.
 *
 * @throws {DataError} when images cannot be read, in the turn of their batch.
 */
export async function* batches(
  split: Split,
  shape: Dataset["shape"],
  { batch, order, from = 0, last, ahead = 2 }: BatchOptions,
): AsyncGenerator<Batch, void, void> {
  const size = shape[0] * shape[1] * shape[2];
  const total = order?.length ?? split.count;
  const end = last === "keep" ? total : from + Math.floor(Math.max(0, total - from) / batch) * batch;
  const free: Batch[] = [];
  const readings: Reading[] = [];
  let next = from;

  const begin = (): Reading => {
    const { images, labels } = free.pop() ??
      { images: new Uint8Array(batch * size), labels: new Int32Array(batch) };
    const count = Math.min(batch, end - next);
    const indices = order?.subarray(next, next + count) ??
      Uint32Array.from({ length: count }, (_, i) => next + i);
    next += count;
    for (let i = 0; i < count; i++) labels[i] = split.label(indices[i]!);
    const done = split.read(indices, images.subarray(0, count * size));
    // The failure is met where the promise is awaited.
    done?.catch(() => {});
    return { images, labels, count, done };
  };

  try {
    for (;;) {
      while (next < end && (readings.length === 0 || (readings[0]!.done && readings.length <= ahead))) {
        readings.push(begin());
      }
      const reading = readings.shift();
      if (reading === undefined) return;
      if (reading.done) await reading.done;
      yield reading;
      free.push(reading);
    }
  } finally {
    // Whoever leaves early may close the files.
    await Promise.allSettled(readings.map(({ done }) => done));
  }
}
