/**
 * What finds the op that is wrong, for programs under development: an entry of its own (`@fermi/fermi/debug`), so that a
 * page which only computes does not load it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones } from "@fermi/fermi";
 * import { compareOps } from "@fermi/fermi/debug";
 *
 * const x = ones([2], { device: await device("cpu") }); // or "webgpu": there it is of use
 * assert.equal((await compareOps([x.exp().sum()])).first, null); // every op is within its bound
 * ```
 *
 * @module
 */

export * from "./check_gradients.ts";
export * from "./compare.ts";
export { recordProvenance } from "./record.ts";
export * from "./trace_non_finite.ts";
