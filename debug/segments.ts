/**
 * What a backend may compute in one kernel: an op and the element-wise ops behind it, up to the tensors that training has to
 * store in any case. Reading those and nothing else leaves the ops fused as they are trained.
 *
 * @module
 */

import type { GraphNode } from "../tensor/declare.ts";
import * as elementwise from "../tensor/ops/elementwise/mod.ts";
import { isOp } from "../tensor/ops/registry.ts";
import type { FlipAttributes, TransposeAttributes } from "../tensor/ops/movement/axes.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { VIEWS } from "./describe.ts";

/** Ops between tensors that are stored. */
export interface Segment {
  /** The ops, operands first. */
  readonly nodes: readonly GraphNode[];
  /** Those of their results that are stored. */
  readonly outputs: readonly Tensor[];
}

/**
 * Ops that read a value element by element, so where it is made; all others but some views read it from memory. Named here, so that any
 * backend can be compared without loading WebGPU's; `tests/segments_test.ts` holds them against its kernels and its plans.
 */
export const JOINING: ReadonlySet<string> = new Set([
  ...(Object.values(elementwise) as unknown[]).filter(isOp).map(({ name }) => name),
  "dropout",
  "uniformFromBits",
  "normalFromBits",
]);

/** Whether a view leaves every element where it is, so that who reads through it may be fused with what made the operand. */
function movesNothing({ op, inputs: [x], outputs: [y], attributes }: GraphNode): boolean {
  if (x!.size !== y!.size) return false;
  switch (op.name) {
    case "reshape":
    case "broadcastTo":
    case "slice":
      return true;
    case "flip":
      return (attributes as FlipAttributes).axes.every((axis) => x!.shape[axis] === 1);
    case "transpose": {
      const moved = (attributes as TransposeAttributes).permutation.filter((axis) => x!.shape[axis] !== 1);
      return moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
    }
    default:
      return false;
  }
}

/** Cuts a graph into segments; `nodes` are in an order in which operands come first, `roots` are read in any case. */
export function segmentsOf(nodes: readonly GraphNode[], roots: readonly Tensor[]): Segment[] {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const nodeOf = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const stored = new Set(roots.filter((root) => made.has(root)));
  const isView = ({ op }: GraphNode) => VIEWS.has(op.name);
  for (const node of nodes) {
    if (JOINING.has(node.op.name) || movesNothing(node)) continue;
    for (const input of node.inputs) {
      let base = input;
      for (let node = nodeOf.get(base); node && isView(node); node = nodeOf.get(base)) base = node.inputs[0]!;
      if (made.has(base)) stored.add(base);
    }
  }
  // Nodes that share a tensor that is not stored belong together. A view costs nothing, so every reader has its own.
  const parent = new Map(nodes.map((node) => [node, node]));
  const find = (node: GraphNode): GraphNode => {
    let top = node;
    while (parent.get(top) !== top) top = parent.get(top)!;
    parent.set(node, top);
    return top;
  };
  for (const node of nodes) {
    if (isView(node)) continue;
    for (const input of node.inputs) {
      let base = input;
      for (
        let from = nodeOf.get(base);
        from && isView(from) && !stored.has(base);
        from = nodeOf.get(base)
      ) base = from.inputs[0]!;
      const from = nodeOf.get(base);
      if (from && !stored.has(base) && !isView(from)) parent.set(find(from), find(node));
    }
  }
  const segments = new Map<GraphNode, { nodes: GraphNode[]; outputs: Tensor[] }>();
  for (const node of nodes) {
    const outputs = node.outputs.filter((output) => stored.has(output));
    if (isView(node) && outputs.length === 0) continue;
    const key = find(node);
    const segment = segments.get(key) ?? { nodes: [], outputs: [] };
    segments.set(key, segment);
    segment.nodes.push(node);
    segment.outputs.push(...outputs);
  }
  return [...segments.values()];
}
