/**
 * Whether what an evaluation starts from is there: not on its way, and not overwritten since.
 *
 * @module
 */

import type { Update } from "./device.ts";
import { collectLeaves, staleState } from "./graph.ts";
import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

const REWRITTEN = "which has been updated since; make the expression again from its present content, " +
  "or compute both in one evaluate(a, b)";

/** What an evaluation would start from and is not there yet: it comes from one under way, or from another device. */
export function absentFrom(roots: readonly Tensor[], updates: readonly Update[]): Tensor[] {
  return collectLeaves([...roots, ...updates.map(({ value }) => value)]).filter(({ value }) =>
    value === null
  );
}

/** Throws when an expression was made from a content that is gone. */
export function checkFresh(wanted: readonly Tensor[], updates: readonly Update[]): void {
  // All at once, since expressions share most of what they are made from; whose fault it is matters where there is one.
  const gone = staleAmong([...wanted, ...updates.map(({ value }) => value)]);
  if (gone === undefined) return;
  for (const { state, value } of updates) {
    const gone = staleAmong([value]);
    if (gone === undefined) continue;
    state.revert();
    throw new Error(`assign: the value for ${state.name} was made from ${gone.name}, ${REWRITTEN}`);
  }
  throw new Error(`evaluate: the tensor was made from ${gone.name}, ${REWRITTEN}`);
}

/** A state whose earlier content is needed to compute `roots`. Throws for one that has no content. */
function staleAmong(roots: readonly Tensor[]): State | undefined {
  const leaves = collectLeaves(roots);
  for (const { value } of leaves) if (value?.kind === "state") value.state.checkContent();
  return leaves.map(staleState).find((state) => state !== null) ?? undefined;
}
