/**
 * Walks over the graph. Iterative, so that a long chain of ops cannot overflow the stack.
 *
 * @module
 */

import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The nodes of a graph below `roots` in an order in which operands come first. `operands` says where the walk goes on;
 * a node without operands is a leaf.
 */
export function postorder<Node = Tensor>(
  roots: readonly Node[],
  operands: (node: Node) => readonly Node[],
): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  // The path to where the walk is: nodes, their operands, and how many of these were walked.
  const path: Node[] = [];
  const operandsOf: (readonly Node[])[] = [];
  const walked: number[] = [];
  for (const root of roots) {
    let next: Node | undefined = root;
    while (next !== undefined || path.length > 0) {
      if (next !== undefined && !seen.has(next)) {
        seen.add(next);
        path.push(next);
        operandsOf.push(operands(next));
        walked.push(0);
      }
      const top = path.length - 1;
      if (top < 0) break;
      next = operandsOf[top]![walked[top]!++];
      if (next !== undefined) continue;
      order.push(path.pop()!);
      operandsOf.pop();
      walked.pop();
    }
  }
  return order;
}

/**
 * Where evaluation goes on: nowhere from a tensor whose value is there. One whose value is on its way is computed again,
 * which does not wait, unless what it was made from is gone.
 */
export function unevaluatedOperands(tensor: Tensor): readonly Tensor[] {
  if (tensor.value !== null || tensor.node === null) return [];
  return tensor.arriving !== null && madeFromStale(tensor) ? [] : tensor.node.inputs;
}

function madeFromStale(tensor: Tensor): boolean {
  const operands = ({ value, node }: Tensor) => value !== null || node === null ? [] : node.inputs;
  return postorder([tensor], operands).some((each) => staleState(each) !== null);
}

/** The tensors at which an evaluation of `roots` starts; those without a value are to be waited for. */
export function collectLeaves(roots: readonly Tensor[]): Tensor[] {
  return postorder(roots, unevaluatedOperands).filter((tensor) => unevaluatedOperands(tensor).length === 0);
}

/** The state whose earlier content the tensor stands for; null when its value is of today. */
export function staleState({ value }: Tensor): State | null {
  return value?.kind === "state" && value.version !== value.state.version ? value.state : null;
}
