/**
 * Ops that move elements and compute nothing.
 *
 * @module
 */

export * from "./axes.ts";
export * from "./parts.ts";
