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
  /** Writes the bytes of image `index` (channels, height, width) into `target` from `offset` on. */
  copyImage(index: number, target: Uint8Array, offset: number): void;
  /** The class of image `index`, from 0. */
  label(index: number): number;
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
}

/** A dataset that cannot be used: a file is missing, damaged or does not fit the others. */
export class DataError extends Error {
  /** The message names the file. */
  override readonly name = "DataError";
}

/** The first `count` images of a split, or all of them where there are fewer. */
export function take(split: Split, count: number): Split {
  return {
    count: Math.min(count, split.count),
    copyImage: (index, target, offset) => split.copyImage(index, target, offset),
    label: (index) => split.label(index),
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
