/**
 * An op in words: what it is, and where it was made.
 *
 * @module
 */

import type { GraphNode } from "../tensor/declare.ts";
import { Parameter } from "../tensor/state.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The op, and on whose behalf it was made: `conv2dWeightGradient (gradient of conv2d)`. */
export function nameOf({ op, made }: GraphNode): string {
  return made?.of ? `${op.name} (${made.role} of ${made.of.op.name})` : op.name;
}

/** Ops that are fused: `conv2d+add+relu`, without views. */
export function nameOfAll(nodes: readonly GraphNode[]): string {
  const computing = nodes.filter(({ op }) => !VIEWS.has(op.name));
  return (computing.length > 0 ? computing : nodes).map(nameOf).join("+");
}

/**
 * The layer of an op: the one that was recorded, or else the name of the parameter that it reads without its last part,
 * since a network that is no `Sequential` has no other names for its layers. An op of a gradient belongs to the layer of
 * the op that it differentiates.
 */
export function layerOf({ inputs, made }: GraphNode): string | null {
  if (made?.layer) return made.layer;
  if (made?.of) return layerOf(made.of);
  for (const input of inputs) {
    const [, layer] = parameterBehind(input)?.name.match(/^(.*)\.[^.]*$/) ?? [];
    if (layer !== undefined) return layer;
  }
  return null;
}

/** The parameter that an operand is, or is a view of. */
function parameterBehind(tensor: Tensor): Parameter | null {
  const { value, node } = tensor;
  if (value?.kind === "state") return value.state instanceof Parameter ? value.state : null;
  return node !== null && VIEWS.has(node.op.name) ? parameterBehind(node.inputs[0]!) : null;
}

/** Ops that are another way to read the operand. */
export const VIEWS: ReadonlySet<string> = new Set(["broadcastTo", "flip", "reshape", "slice", "transpose"]);

/** Where an op was made: `layer conv2, nn/layers.ts:101 from train/step.ts:67`. */
export function placeOf(node: GraphNode): string {
  const [layer, lines] = [layerOf(node), node.made ? linesOf(node) : null];
  return [layer && `layer ${layer}`, lines].filter(Boolean).join(", ") || UNKNOWN;
}

const UNKNOWN = "where it was made is not recorded";

/** The lines that made an op: `nn/layers.ts:101 from train/step.ts:67`. */
export function linesOf({ made }: GraphNode): string {
  return made?.lines.map((line) => line.replace(/:\d+$/, "")).join(" from ") || UNKNOWN;
}
