/**
 * How finely work is cut, as a choice: multiples of what a guess would do.
 *
 * @module
 */

import type { Candidate, Emitter } from "./types.ts";

/** The guess, and multiples of it. */
export const MULTIPLES: readonly Candidate[] = ["1", "0.5", "2", "4"].map((name) => ({ name }));

/** The best multiple; the tuner leaves out those that come to the same. */
export function timesOf({ choose }: Pick<Emitter, "choose">, family: string): number {
  return +choose(family, MULTIPLES, MULTIPLES[0]!).name;
}
