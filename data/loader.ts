/**
 * Batches: in which order the images come, and how they are put side by side.
 *
 * @module
 */

import { foldIn, randomBits, type Tensor } from "../tensor/mod.ts";
import type { Dataset, Split } from "./dataset.ts";

/** A batch. The arrays are filled anew for the next one. */
export interface Batch {
  /** [batch, channels, height, width], row-major */
  readonly images: Uint8Array;
  /** [batch] */
  readonly labels: Int32Array;
  /** How many of the batch are images; the others, at the end, are left over from the batch before. */
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

/** What `batches` takes. */
export interface BatchOptions {
  /** Images a batch. */
  readonly batch: number;
  /** Which images, in which order; default: all, in the split's own. */
  readonly order?: Uint32Array;
  /** What becomes of the images left at the end: `drop` (training) or `keep` as a batch with a smaller `count`. */
  readonly last: "drop" | "keep";
}

/** Goes through a split in batches. */
export function* batches(
  split: Split,
  shape: Dataset["shape"],
  { batch, order, last }: BatchOptions,
): Generator<Batch, void, void> {
  const size = shape[0] * shape[1] * shape[2];
  const images = new Uint8Array(batch * size);
  const labels = new Int32Array(batch);
  const total = order?.length ?? split.count;
  for (let start = 0; start < total; start += batch) {
    const count = Math.min(batch, total - start);
    if (count < batch && last === "drop") return;
    for (let i = 0; i < count; i++) {
      const index = order?.[start + i] ?? start + i;
      split.copyImage(index, images, i * size);
      labels[i] = split.label(index);
    }
    yield { images, labels, count };
  }
}
