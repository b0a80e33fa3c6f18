/**
 * Holds the contenders' results against each other: who computes something else is not timed.
 *
 * @module
 */

import type { Digest } from "./numbers.ts";

/** How far an array may be off, as a fraction of its root mean square. */
export type Tolerance = (name: string) => number;

/** Where two results are farthest apart. */
export interface Difference {
  /** As a multiple of what is allowed. */
  readonly excess: number;
  /** The array, and how far it is off. */
  readonly where: string;
}

/** Compares two results. */
export function difference(
  some: readonly Digest[],
  others: readonly Digest[],
  toleranceOf: Tolerance,
): Difference {
  let worst: Difference = { excess: 0, where: "nowhere" };
  const byName = new Map(others.map((digest) => [digest.name, digest]));
  if (byName.size !== some.length) worst = { excess: Infinity, where: "the number of arrays" };
  for (const { name, rms, samples } of some) {
    const distance = distanceOf({ name, rms, samples }, byName.get(name));
    const excess = distance / toleranceOf(name);
    if (excess > worst.excess) worst = { excess, where: `${name}, ${distance.toPrecision(2)}` };
  }
  return worst;
}

/** The largest difference of the samples, or of the root mean squares, as a fraction of these. */
function distanceOf({ rms, samples }: Digest, other: Digest | undefined): number {
  if (other === undefined || other.samples.length !== samples.length) return Infinity;
  const apart = [rms - other.rms, ...samples.map((sample, i) => sample - other.samples[i]!)];
  const largest = apart.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  // A NaN is as far away as can be.
  if (Number.isNaN(largest)) return Infinity;
  return largest === 0 ? 0 : largest / Math.max(rms, other.rms);
}

/** Why a result cannot be right, whatever the others say; null when it can. */
export function notFinite(digests: readonly Digest[]): string | null {
  const bad = digests.find(({ rms, samples }) => ![rms, ...samples].every(Number.isFinite));
  return bad === undefined ? null : `${bad.name} is not finite`;
}

/** Somebody's result. */
export interface Computed {
  readonly digests: readonly Digest[];
  /** What his own results are held to; null for who is held to what all are, and others to him. */
  readonly rough: Tolerance | null;
}

/**
 * Who disagrees with whom. Right is who agrees with more than half of all, himself included: of three the one that is
 * alone is wrong, of two that differ nobody knows. Who computes roughly has no voice.
 *
 * @returns for each who is not right a sentence that names the others and the worst array
 */
export function disagreements(
  results: ReadonlyMap<string, Computed>,
  toleranceOf: Tolerance,
): Map<string, string> {
  const wrong = new Map<string, string>();
  const voices = [...results].filter(([, { rough }]) => rough === null);
  for (const [key, { digests, rough }] of results) {
    const apart = voices.filter(([other]) => other !== key)
      .map(([other, theirs]) => ({ other, ...difference(digests, theirs.digests, rough ?? toleranceOf) }))
      .filter(({ excess }) => excess > 1);
    if (apart.length === 0 || voices.length - apart.length > voices.length / 2) continue;
    wrong.set(key, `differs ${apart.map(({ other, where }) => `from ${other} (${where})`).join(", ")}`);
  }
  return wrong;
}
