/**
 * Small words that kernels share.
 *
 * @module
 */

/** The shape of images or of a convolution's weight. */
export type Four = readonly [number, number, number, number];

/** Three nested axes, outermost first. */
export type Axes = readonly [number, number, number];

/** 0 to n - 1. */
export const range = (n: number): number[] => [...Array(n).keys()];

/** Lanes of a workgroup that puts together what they have: as many as every adapter has. */
export const LANES = 256;
