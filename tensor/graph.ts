/**
 * Walks over the graph. Iterative, so that a long chain of ops cannot overflow the stack.
 *
 * @module
 */

import type { GraphNode } from "./declare.ts";
import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The tensors below `roots` in an order in which operands come first. `operands` says where the walk goes on
 * from a tensor; a tensor without operands is a leaf.
 */
export function postorder(
  roots: readonly Tensor[],
  operands: (tensor: Tensor) => readonly Tensor[],
): Tensor[] {
  const order: Tensor[] = [];
  const seen = new Set<Tensor>();
  const stack: { tensor: Tensor; rest: readonly Tensor[]; next: number }[] = [];
  const visit = (tensor: Tensor) => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    stack.push({ tensor, rest: operands(tensor), next: 0 });
  };
  for (const root of roots) {
    visit(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (top.next < top.rest.length) visit(top.rest[top.next++]!);
      else order.push(stack.pop()!.tensor);
    }
  }
  return order;
}

/** Where evaluation goes on: nowhere from a tensor whose value is there. */
export function unevaluatedOperands(tensor: Tensor): readonly Tensor[] {
  return tensor.value === null && tensor.node !== null ? tensor.node.inputs : [];
}

/** The tensors at which an evaluation of `roots` starts. */
export function collectLeaves(roots: readonly Tensor[]): Tensor[] {
  return postorder(roots, unevaluatedOperands).filter((tensor) =>
    tensor.value !== null || tensor.node === null
  );
}

/** The state whose earlier content the tensor stands for; null when its value is of today. */
export function staleState({ value }: Tensor): State | null {
  return value?.kind === "state" && value.version !== value.state.version ? value.state : null;
}
