/**
 * What kernels choose from, and whether the candidates that somebody asks for by name exist, and can run.
 *
 * @module
 */

import { PANELS, TILES, TILES_ALONG_K } from "./gemm.ts";
import { MULTIPLES } from "./multiples.ts";
import type { Candidate } from "./types.ts";
import { type Abilities, missing, VARIANTS } from "./variants.ts";

/** The candidates by family: every one is tested by force. */
export const FAMILIES: Readonly<Record<string, readonly Candidate[]>> = {
  "product": VARIANTS,
  "tile": TILES,
  "tile along k": TILES_ALONG_K,
  "panels": PANELS,
  // The parts of a reduction, of the long sums of a product, and the workgroups of that of `gemm.ts` and of element-wise ops.
  "partials": MULTIPLES,
  "splits": MULTIPLES,
  "lanes": MULTIPLES,
  "workgroup": MULTIPLES,
  // What a lane does one after the other: vectors of an element-wise kernel, maps of the LRN, blocks of pooling's gradient.
  "run": MULTIPLES,
  "maps": MULTIPLES,
  "blocks": MULTIPLES,
};

/** @throws {RangeError} when a family has no candidate of the name, or the adapter cannot run it. */
export function checkForced(
  forced: Readonly<Record<string, string>>,
  abilities: Abilities,
): void {
  for (const [family, name] of Object.entries(forced)) {
    const variant = family === "product" ? VARIANTS.find((each) => each.name === name) : undefined;
    if (!FAMILIES[family]?.some((each) => each.name === name)) {
      throw new RangeError(`webgpu: no variant of ${family} is called ${name}`);
    }
    const lacks = variant && missing(variant, abilities);
    if (lacks) {
      throw new RangeError(`webgpu: the variant ${name} takes ${lacks}, which this adapter does not have`);
    }
  }
}
