/**
 * Ops that work element by element.
 *
 * @module
 */

export * from "./arithmetic.ts";
export * from "./comparison.ts";
export * from "./conversion.ts";
export * from "./elementary.ts";
