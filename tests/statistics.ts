// Tests of samples against what they should be drawn from. Thresholds are quantiles: a sound generator exceeds them once
// in a million keys, and the keys are fixed.

import { normalQuantile } from "../backends/cpu/kernels/normal_quantile.ts";

/** The chance that a sound sample is refused, on either side. */
export const ALPHA = 1e-6;
const Z = -normalQuantile(ALPHA);

/** Between which values the statistic of chi-square lies, by Wilson and Hilferty (1931). */
export function chiSquareRange(freedom: number): readonly [number, number] {
  const at = (z: number) => freedom * (1 - 2 / (9 * freedom) + z * Math.sqrt(2 / (9 * freedom))) ** 3;
  return [at(-Z), at(Z)];
}

/** Pearson's statistic of counts that are all expected to be the same. */
export function chiSquare(counts: ArrayLike<number>): number {
  const list = Array.from(counts);
  const expected = list.reduce((a, b) => a + b) / list.length;
  return list.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Whether counts look like those of equally likely cells: neither too uneven nor too even. */
export function even(counts: ArrayLike<number>): boolean {
  const [low, high] = chiSquareRange(counts.length - 1);
  const statistic = chiSquare(counts);
  return statistic > low && statistic < high;
}

/** How many samples fall into each of `cells`; `cell` says which. */
export function count(
  samples: ArrayLike<number>,
  cells: number,
  cell: (at: number) => number,
  step = 1,
): Float64Array {
  const counts = new Float64Array(cells);
  for (let i = 0; i + step <= samples.length; i += step) counts[cell(i)]!++;
  return counts;
}

/** The largest distance between the samples' distribution and that of [0, 1), times the root of their number. */
export function kolmogorovSmirnov(samples: ArrayLike<number>): number {
  const sorted = Float64Array.from(samples).sort();
  let distance = 0;
  sorted.forEach((value, i) => {
    distance = Math.max(distance, value - i / sorted.length, (i + 1) / sorted.length - value);
  });
  return distance * Math.sqrt(sorted.length);
}

/** What `kolmogorovSmirnov` stays under: P(K > x) is about 2 exp(-2 x^2). */
export const KOLMOGOROV: number = Math.sqrt(-Math.log(ALPHA / 2) / 2);

/** The mean of f(x) over the samples, off from what is meant by how many standard errors. */
export function errorsOff(
  samples: ArrayLike<number>,
  f: (x: number) => number,
  mean: number,
  variance: number,
): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += f(samples[i]!);
  return Math.abs(sum / samples.length - mean) / Math.sqrt(variance / samples.length);
}

/** How many standard errors are allowed: two-sided, as the others. */
export const STANDARD_ERRORS: number = -normalQuantile(ALPHA / 2);

/** The correlation of two samples, in standard errors. */
export function correlation(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  mean: number,
  variance: number,
): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - mean) * (b[i]! - mean);
  return Math.abs(sum / a.length / variance) * Math.sqrt(a.length);
}
