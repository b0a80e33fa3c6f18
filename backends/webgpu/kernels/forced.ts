/**
 * Whether the candidates that somebody asks for by name exist, and can run.
 *
 * @module
 */

import { type Abilities, missing, VARIANTS } from "./variants.ts";

/** @throws {RangeError} when a family has no candidate of the name, or the adapter cannot run it. */
export function checkForced(
  forced: Readonly<Record<string, string>>,
  families: Readonly<Record<string, readonly { readonly name: string }[]>>,
  abilities: Abilities,
): void {
  for (const [family, name] of Object.entries(forced)) {
    const variant = family === "product" ? VARIANTS.find((each) => each.name === name) : undefined;
    if (!variant && !families[family]?.some((each) => each.name === name)) {
      throw new RangeError(`webgpu: no variant of ${family} is called ${name}`);
    }
    const lacks = variant && missing(variant, abilities);
    if (lacks) {
      throw new RangeError(`webgpu: the variant ${name} takes ${lacks}, which this adapter does not have`);
    }
  }
}
