/**
 * Made-up images of any size and any number of classes, for machines without data and networks without a dataset. Each
 * class has a coarse random pattern, to which every image adds noise, so there is something to learn.
 *
 * @module
 */

import { foldIn, randomBits, type Tensor } from "../tensor/mod.ts";
import type { Dataset, Split } from "./dataset.ts";

/** What `synthetic` takes. */
export interface SyntheticOptions {
  /** Everything is drawn from it: the same key gives the same images on every backend. */
  readonly key: Tensor;
  /** channels, height, width */
  readonly shape: readonly [number, number, number];
  /** How many patterns there are. */
  readonly classes: number;
  /** Default 1,024. */
  readonly trainCount?: number;
  /** Default 64. */
  readonly testCount?: number;
}

/** A pattern has this many cells along each axis of an image. */
const CELLS = 7;
/** The share of an image that is noise. */
const NOISE = 0.5;

/** Makes the dataset; images are put together when they are copied. Labels go round: image i is of class i mod classes. */
export async function synthetic(options: SyntheticOptions): Promise<Dataset> {
  const { key, shape, classes, trainCount = 1024, testCount = 64 } = options;
  const [channels, height, width] = shape;
  const size = channels * height * width;
  const patterns = await randomBits(foldIn(key, 0), [classes * channels * CELLS * CELLS]).data();
  const noise = await randomBits(foldIn(key, 1), [size]).data();
  const cellOf = cells(shape);
  const cellCount = channels * CELLS * CELLS;

  const paint = (image: Uint8Array, index: number, first: number) => {
    const pattern = index % classes * cellCount;
    // Each image reads the same noise from a start of its own.
    const shift = Math.imul(first + index, 0x9e3779b1) >>> 0;
    for (let i = 0; i < size; i++) {
      const signal = patterns[pattern + cellOf[i]!]! >>> 24;
      image[i] = (1 - NOISE) * signal + NOISE * (noise[(i + shift) % size]! >>> 24);
    }
  };
  const split = (count: number, first: number): Split => ({
    count,
    read(indices, images) {
      indices.forEach((index, i) => paint(images.subarray(i * size, (i + 1) * size), index, first));
    },
    label: (index) => index % classes,
  });
  return {
    name: "synthetic",
    shape,
    classes,
    train: split(trainCount, 0),
    test: split(testCount, trainCount),
  };
}

/** The cell of the pattern that each pixel lies in. */
function cells([channels, height, width]: readonly [number, number, number]): Uint32Array {
  const cellOf = new Uint32Array(channels * height * width);
  for (let i = 0; i < cellOf.length; i++) {
    const [x, y, channel] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    cellOf[i] = (channel * CELLS + Math.floor(y * CELLS / height)) * CELLS + Math.floor(x * CELLS / width);
  }
  return cellOf;
}
