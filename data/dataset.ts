/**
 * What a dataset of labelled images is, however it is stored.
 *
 * @module
 */

import type { Tensor } from "../tensor/mod.ts";

/** Labelled images, in an order of their own. */
export interface Split {
  /** How many there are. */
  readonly count: number;
  /**
   * Puts image `indices[i]` (channels, height, width; row-major) at slot i of `images`. Settles when all are there; images
   * that are in memory are there at once.
   *
   * @throws {DataError} when images cannot be read.
   */
  read(indices: Uint32Array, images: Uint8Array): Promise<void> | void;
  /** The class of image `index`, from 0. */
  label(index: number): number;
}

/** What a pass over the training images has found. */
export interface ImageStatistics {
  /** The mean image, [channels, height, width], 0 to 255. */
  readonly mean: Float32Array;
  /** Of the 3x3 covariance of x / 255 over all pixels of all training images, largest first. */
  readonly eigenvalues: readonly number[];
  /** `eigenvectors[i]` belongs to `eigenvalues[i]`; of unit length, its component of largest magnitude is positive. */
  readonly eigenvectors: readonly (readonly number[])[];
}

/** Images to learn from and images to be tested with. */
export interface Dataset {
  /** The name on the command line. */
  readonly name: string;
  /** channels, height, width */
  readonly shape: readonly [number, number, number];
  /** Labels are 0 ... classes - 1. */
  readonly classes: number;
  /** To learn from. */
  readonly train: Split;
  /** To be tested with. */
  readonly test: Split;
  /** Of the training images, where they are known. */
  readonly statistics?: ImageStatistics;
  /** What the classes are called, where it is known. */
  readonly classNames?: readonly string[];
}

/** A dataset that cannot be used: a file is missing, damaged or does not fit the others. */
export class DataError extends Error {
  /** The message names the file. */
  override readonly name = "DataError";
}

/** A split whose images are in memory, each of `size` bytes. */
export function inMemory(images: Uint8Array, labels: Uint8Array, size: number): Split {
  return {
    count: labels.length,
    read(indices, target) {
      for (let i = 0; i < indices.length; i++) {
        const start = indices[i]! * size;
        target.set(images.subarray(start, start + size), i * size);
      }
    },
    label: (index) => labels[index]!,
  };
}

/** The first `count` images of a split, or all of them where there are fewer. */
export function take(split: Split, count: number): Split {
  return {
    count: Math.min(count, split.count),
    read: (indices, images) => split.read(indices, images),
    label: (index) => split.label(index),
  };
}

/** `count` images of a split, spread over all of it: where images go class by class, some of each class. */
export function spread(split: Split, count: number): Split {
  if (count >= split.count) return split;
  const at = (i: number) => Math.floor(i * split.count / count);
  return {
    count,
    read: (indices, images) => split.read(indices.map(at), images),
    label: (index) => split.label(at(index)),
  };
}

/**
 * Bytes as what networks see: x / 255 - 0.5, in f32. WGSL promises the quotient within 2.5 units in the last place, so
 * backends agree within 2^-22; drivers that divide as IEEE 754 says give the CPU backend's bits.
 *
 * @param bytes u8, any shape
 * @returns f32 from -0.5 to 0.5
 */
export function normalise(bytes: Tensor): Tensor {
  return bytes.cast("f32").div(255).sub(0.5);
}
