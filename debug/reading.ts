/**
 * Where a walk over a graph goes on that somebody has read numbers of.
 *
 * @module
 */

import { postorder, staleState, unevaluatedOperands } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Those of `roots` that were read but can be walked through: what they were made from is there, as it was. An evaluation
 * starts from numbers that are there; a tool that asks how they came about does not.
 *
 * @throws {Error} for one that was read, when a state from which it was made has been updated since.
 */
export function readRoots(tool: string, roots: readonly Tensor[]): ReadonlySet<Tensor> {
  const opened = new Set<Tensor>();
  for (const root of roots) {
    // The content of a parameter is where a graph starts, however it was made.
    if (root.value === null || root.value.kind === "state" || root.node === null) continue;
    const state = postorder(root.node.inputs, unevaluatedOperands).map(staleState).find(Boolean);
    if (state) {
      throw new Error(
        `${tool}: a tensor was read before, and ${state.name}, from which it was made, has been updated since: ` +
          "give it tensors that were not read",
      );
    }
    opened.add(root);
  }
  return opened;
}
