/**
 * Reverse-mode differentiation as graph rewriting: gradient rules call ops only, so a gradient is more graph, the same
 * for every backend, and has gradients itself.
 *
 * @module
 */

import { definitionOf, type GraphNode } from "./declare.ts";
import { isFloat } from "./dtype.ts";
import { ones, zeros } from "./create.ts";
import { collectLeaves, postorder, staleState } from "./graph.ts";
import { onBehalfOf } from "./provenance.ts";
import { sameShape, show } from "./shape.ts";
import { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The gradients of y for each of xs, each in the shape and dtype of its x. y is a scalar, or the sum of its
 * elements is meant; an x that y does not depend on gets zeros. Gradients can be differentiated again.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([1, 2, 3]);
 * const [dx] = gradients(x.pow(3).sum(), [x]);
 * assert.deepEqual(await dx!.array(), [3, 12, 27]); // 3 x^2
 * const [ddx] = gradients(dx!, [x]);
 * assert.deepEqual(await ddx!.array(), [6, 12, 18]); // 6 x
 * ```
 *
 * @throws {TypeError} when y or an x is not a float tensor.
 * @throws {Error} when y was made from a parameter that has been updated since.
 */
export function gradients(y: Tensor, xs: readonly Tensor[]): Tensor[] {
  for (const tensor of [y, ...xs]) {
    if (!isFloat(tensor.dtype)) throw new TypeError(`gradients: expects float tensors, got ${tensor.dtype}`);
  }
  const root = y.snapshot();
  const whole = postorder([root], description);
  const targets = xs.map((x) => findTarget(x, whole));
  // A content that was assigned is where the gradient for its state ends, whatever it was computed from.
  const ends = new Set(targets.filter((_, i) => xs[i] instanceof State));
  const operands = (tensor: Tensor) => ends.has(tensor) ? [] : description(tensor);
  checkFresh(root, targets, operands);
  const seed = ones(root.shape, { dtype: root.dtype, device: root.device });
  const found = backpropagate(new Map([[root, seed]]), targets, operands);
  return xs.map((x, i) => found[i] ?? zerosLike(x));
}

function zerosLike({ shape, dtype, device }: Tensor): Tensor {
  return zeros(shape, { dtype, device });
}

/** Throws when a gradient would have to be computed from a content that is gone. */
function checkFresh(
  root: Tensor,
  targets: readonly Tensor[],
  operands: (tensor: Tensor) => readonly Tensor[],
): void {
  const needed = dependents(postorder([root], operands), targets, operands);
  const leaves = collectLeaves([...needed].flatMap(operands));
  const gone = [...targets, ...leaves].map(staleState).find((state) => state !== null);
  if (gone) throw new Error(`gradients: y was made from ${gone.name}, which has been updated since`);
}

/** The tensors of `order`, operands first, that depend on targets, and the targets. */
function dependents(
  order: readonly Tensor[],
  targets: readonly Tensor[],
  operands: (tensor: Tensor) => readonly Tensor[],
): Set<Tensor> {
  const needed = new Set<Tensor>(targets);
  for (const tensor of order) if (operands(tensor).some((operand) => needed.has(operand))) needed.add(tensor);
  return needed;
}

/**
 * Sends cotangents from `roots` to `targets`, over the graph that `operands` spans; null for a target that none reaches.
 */
function backpropagate(
  roots: ReadonlyMap<Tensor, Tensor>,
  targets: readonly Tensor[],
  operands: (tensor: Tensor) => readonly Tensor[],
): (Tensor | null)[] {
  const order = postorder([...roots.keys()], operands);
  const needed = dependents(order, targets, operands);

  // A node is differentiated at the first of its outputs in the order: every consumer of any of them stands behind.
  const firstOutput = new Map<GraphNode, Tensor>();
  for (const tensor of order) {
    if (tensor.node && !firstOutput.has(tensor.node)) firstOutput.set(tensor.node, tensor);
  }

  const cotangents = new Map(roots);
  const arrive = (at: Tensor, cotangent: Tensor | null | undefined) => {
    if (!cotangent || !needed.has(at)) return;
    const earlier = cotangents.get(at);
    cotangents.set(at, earlier ? onBehalfOf(at.node, "gradient", () => earlier.add(cotangent)) : cotangent);
  };
  for (const tensor of order.reverse()) {
    if (!needed.has(tensor) || operands(tensor).length === 0) continue;
    if (tensor.origin) arrive(tensor.origin, cotangents.get(tensor)?.to(tensor.origin.device));
    const { node } = tensor;
    if (node === null || firstOutput.get(node) !== tensor) continue;
    const arrived = node.outputs.map((output) => cotangents.get(output) ?? null);
    if (arrived.every((cotangent) => cotangent === null)) continue;
    const inputGradients = differentiate(node, arrived);
    node.inputs.forEach((input, i) => arrive(input, inputGradients[i]));
  }
  return targets.map((target) => cotangents.get(target) ?? null);
}

/** What a tensor was made from, whether its value is known or not. */
function description(tensor: Tensor): readonly Tensor[] {
  return tensor.node?.inputs ?? (tensor.origin ? [tensor.origin] : []);
}

/** The tensor in the graph that stands for x: for a state, its content as y saw it, the latest if y saw several. */
function findTarget(x: Tensor, order: readonly Tensor[]): Tensor {
  const own = x.snapshot();
  if (!(x instanceof State) || order.includes(own)) return own;
  const seen = order.filter((tensor) => x.contentNumber(tensor) >= 0);
  return seen.reduce((a, b) => x.contentNumber(b) > x.contentNumber(a) ? b : a, seen[0] ?? own);
}

function differentiate(node: GraphNode, cotangents: readonly (Tensor | null)[]): readonly (Tensor | null)[] {
  const { op, inputs, outputs, attributes } = node;
  if (op.gradient === null) return [];
  if (op.gradient === undefined) return throughDefinition(node, cotangents);
  // A rule may rely on the gradient at the first output; where only others arrived, it is zero.
  const cotangent = cotangents[0] ?? zerosLike(outputs[0]!);
  const rule = op.gradient;
  const result = onBehalfOf(
    node,
    "gradient",
    () => rule({ inputs, outputs, attributes, cotangents, cotangent }),
  );
  result.forEach((gradient, i) => {
    if (gradient && !sameShape(gradient.shape, inputs[i]!.shape)) {
      throw new TypeError(
        `${op.name}: the gradient rule gives ${show(gradient.shape)} for input ${show(inputs[i]!.shape)}`,
      );
    }
  });
  return result;
}

/** A composite without a rule: its definition is differentiated, down to the node's inputs and no further. */
function throughDefinition(
  node: GraphNode,
  cotangents: readonly (Tensor | null)[],
): readonly (Tensor | null)[] {
  const inputs = new Set(node.inputs);
  const roots = definitionOf(node).flatMap((output, i) =>
    cotangents[i] ? [[output, cotangents[i]] as const] : []
  );
  return backpropagate(
    new Map(roots),
    node.inputs,
    (tensor) => inputs.has(tensor) ? [] : description(tensor),
  );
}

/**
 * A value and its gradients, one an argument.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor, type ValueAndGrad, valueAndGrad } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const loss = valueAndGrad((w, b) => w.mul(10).add(b).square());
 * const { value, grads }: ValueAndGrad = loss(tensor(2), tensor(1));
 * assert.equal(await value.item(), 441); // (10 w + b)^2
 * assert.deepEqual(await Promise.all(grads.map((grad) => grad.item())), [420, 42]);
 * ```
 */
export interface ValueAndGrad {
  /** What f returned. */
  readonly value: Tensor;
  /** The gradient for each argument, in their order. */
  readonly grads: Tensor[];
}

/**
 * Turns f into a function that gives its value and the gradient for each argument. Arguments are float tensors; what has
 * no gradient, such as labels, f takes from around it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { crossEntropy, device, setDefaultDevice, tensor, valueAndGrad } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const labels = tensor(Int32Array.of(1)); // no gradient: f takes them from around it
 * const loss = valueAndGrad((logits) => crossEntropy(logits, labels));
 * const { value, grads } = loss(tensor([[0, 0]]));
 * assert.equal(await value.item(), Math.fround(Math.LN2));
 * assert.deepEqual(await grads[0]!.array(), [[0.5, -0.5]]);
 * ```
 *
 * @throws {TypeError} when an argument or the value is not a float tensor.
 */
export function valueAndGrad<Args extends readonly Tensor[]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => ValueAndGrad {
  return (...args) => {
    const value = f(...args);
    return { value, grads: gradients(value, args) };
  };
}
