/**
 * The runs of an ablation, put together.
 *
 * @module
 */

import type { DataNote } from "../manifest.ts";
import type { AblationSettings, RunResult } from "./run.ts";
import type { VariantName } from "./variants.ts";

/** Counts the changes of the file's layout. */
export const FORMAT = 2;

/** All runs that are compared. */
export interface Ablation {
  /** Of the file. */
  readonly format: typeof FORMAT;
  /** The images that are learnt from and measured with, all of them in its checksum. */
  readonly data: DataNote;
  /** The same for all runs. */
  readonly settings: AblationSettings;
  /** The runs, by way to train and seed: `full 0`. */
  readonly runs: { readonly [key: string]: RunResult };
}

/** What a run is called in the file. */
export function keyOf(variant: VariantName, seed: number): string {
  return `${variant} ${seed}`;
}

/** The runs of a way to train, by seed. */
export function runsOf({ runs }: Ablation, variant: VariantName): Map<number, RunResult> {
  return new Map(
    Object.entries(runs).flatMap(([key, run]) => {
      const [name, seed] = key.split(" ");
      return name === variant ? [[Number(seed), run] as const] : [];
    }).sort(([a], [b]) => a - b),
  );
}
