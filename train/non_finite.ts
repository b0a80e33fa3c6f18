/**
 * What is said of a number that is no longer finite.
 *
 * @module
 */

import type { NonFinite } from "../debug/trace_non_finite.ts";

/** Says which op made `what` NaN or infinite; `found` is null when each op by itself gives finite numbers. */
export function nonFiniteError(what: string, when: string, found: NonFinite | null): Error {
  const why = found?.message ??
    "each op is finite when its result is stored, so it is the kernel that several of them were fused into";
  return new Error(`${what} is not finite ${when}: ${why}`);
}
