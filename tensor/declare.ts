/**
 * What an op is: one declaration with its doc, its shape-and-dtype rule and its gradient rule,
 * and `apply`, which checks the rule and puts the op into the graph.
 *
 * @module
 */

import type { DType } from "./dtype.ts";
import { onBehalfOf, type Provenance, provenanceNow } from "./provenance.ts";
import { sameShape, type Shape, show } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/**
 * Shape and dtype: all that is known of a tensor before it is computed.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, type Spec, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const bytes = ({ shape, dtype }: Spec) => shape.reduce((a, b) => a * b, dtype === "f16" ? 2 : 4);
 * assert.equal(bytes(zeros([4096, 9216])), 150_994_944); // a tensor is a spec; nothing was computed
 * assert.equal(bytes({ shape: [4096, 9216], dtype: "f16" }), 75_497_472);
 * ```
 */
export interface Spec {
  /** The extents of the axes. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: DType;
}

/**
 * Attributes of an op that has none.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type NoAttributes, relu, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const none: NoAttributes = relu(tensor([1])).node!.attributes;
 * assert.deepEqual(none, {});
 * const some: object = tensor([1, 2]).reshape([2, 1]).node!.attributes;
 * assert.deepEqual(some, { shape: [2, 1] });
 * ```
 */
export type NoAttributes = Readonly<Record<never, never>>;

/**
 * What a gradient rule is given. The rule answers with the product of the cotangents and the op's Jacobian, an
 * input at a time.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type GradientContext, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const { op, inputs, outputs, attributes } = tensor([1, -2]).relu().node!;
 * const cotangent = tensor([10, 20]); // what arrives at the output
 * const context: GradientContext<never> = { inputs, outputs, attributes, cotangents: [cotangent], cotangent };
 * const [dx] = op.gradient!(context); // what goes on to the input
 * assert.deepEqual(await dx!.array(), [10, 0]);
 * ```
 */
export interface GradientContext<Attributes> {
  /** The operands. */
  readonly inputs: readonly Tensor[];
  /** The results, which a rule may use. */
  readonly outputs: readonly Tensor[];
  /** The op's attributes. */
  readonly attributes: Attributes;
  /** The gradient that arrived at each output; null where nothing did. */
  readonly cotangents: readonly (Tensor | null)[];
  /** The gradient at the first output. */
  readonly cotangent: Tensor;
}

/**
 * What every op declares.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Declaration, device, ones, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const { op, attributes } = ones([1, 1]).matmul(ones([1, 1])).node!;
 * const matmul: Declaration<string, never> = op;
 * const [y] = matmul.infer([zeros([2, 3]), zeros([3, 4])], attributes); // the rule for shapes, alone
 * assert.deepEqual(y, { shape: [2, 4], dtype: "f32" });
 * ```
 */
export interface Declaration<Name extends string, Attributes> {
  /** The name, unique among the ops. */
  readonly name: Name;
  /** The meaning in a sentence or a formula. */
  readonly doc: string;
  /** The outputs' shapes and dtypes; throws the sentence that a caller's mistake deserves. */
  infer(inputs: readonly Spec[], attributes: Attributes): readonly Spec[];
  /**
   * The gradient for each input, in ops only; null for an input that has none. A composite without this
   * rule is differentiated through its composition; `null` instead of a rule says that no gradient flows.
   */
  readonly gradient?: ((context: GradientContext<Attributes>) => readonly (Tensor | null)[]) | null;
}

/**
 * An op that every backend has a kernel for.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type AnyOp, device, type Primitive, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const isPrimitive = (op: AnyOp): op is Primitive<string, never> => op.decompose === undefined;
 * const x = tensor([[1, 2]]);
 * assert.ok(isPrimitive(x.sign().node!.op));
 * assert.equal(x.sign().node!.op.gradient, null); // no gradient flows through a sign
 * assert.ok(!isPrimitive(x.logSoftmax().node!.op));
 * ```
 */
export interface Primitive<Name extends string, Attributes = NoAttributes>
  extends Declaration<Name, Attributes> {
  /** The gradient for each input; `null` instead of a rule says that no gradient flows. */
  readonly gradient: ((context: GradientContext<Attributes>) => readonly (Tensor | null)[]) | null;
  /** A primitive has no definition in other ops. */
  readonly decompose?: undefined;
}

/**
 * An op that is defined by other ops; a backend may have a faster kernel for it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Composite, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const y = tensor([1, 2, 3]).logSoftmax();
 * const { op, inputs, attributes } = y.node!;
 * const logSoftmax = op as Composite<"logSoftmax", never>;
 * const [definition] = logSoftmax.decompose(inputs, attributes); // in max, sub, exp, sum and log
 * assert.deepEqual(await definition!.array(), await y.array());
 * ```
 */
export interface Composite<Name extends string, Attributes = NoAttributes>
  extends Declaration<Name, Attributes> {
  /** The definition. */
  decompose(inputs: readonly Tensor[], attributes: Attributes): readonly Tensor[];
}

/**
 * Any declaration, its attributes forgotten.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type AnyOp, device, relu, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const explain = (op: AnyOp) => `${op.name}: ${op.doc}`;
 * assert.equal(explain(relu(tensor(1)).node!.op), "relu: max(x, 0), slope 0 at 0");
 * ```
 */
export type AnyOp = Primitive<string, never> | Composite<string, never>;

/**
 * An op in the graph: how `tensor.node` was computed. The attributes fit the op: only `apply` makes nodes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type GraphNode, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const y = ones([1, 2]).matmul(ones([2, 3])).relu().sum();
 * const names: string[] = [];
 * for (let node: GraphNode | null = y.node; node !== null; node = node.inputs[0]!.node) names.push(node.op.name);
 * assert.deepEqual(names, ["sum", "relu", "matmul", "broadcastTo"]); // from the result to ones
 * ```
 */
export interface GraphNode {
  /** What is applied. */
  readonly op: AnyOp;
  /** The op's attributes. */
  readonly attributes: never;
  /** The operands. */
  readonly inputs: readonly Tensor[];
  /** The results. */
  readonly outputs: readonly Tensor[];
  /** Where it was made, if that was recorded. */
  readonly made: Provenance | null;
  /** A composite's definition, once somebody asked for it. */
  definition?: readonly Tensor[];
}

/** Puts an op into the graph. Nothing is computed. */
export function apply<Attributes>(
  op: Primitive<string, Attributes> | Composite<string, Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): Tensor[] {
  const current = inputs.map((input) => input.snapshot());
  const device = current[0]!.device;
  for (const input of current) {
    if (input.device !== device) {
      throw new TypeError(
        `${op.name}: operands are on ${device.name} and on ${input.device.name}, move one with to()`,
      );
    }
  }
  const specs = op.infer(current, attributes);
  const outputs: Tensor[] = [];
  const node: GraphNode = {
    op: op as AnyOp,
    attributes: attributes as never,
    inputs: current,
    outputs,
    made: provenanceNow(),
  };
  specs.forEach((spec) => outputs.push(new Tensor(spec, device, node)));
  return outputs;
}

/** `apply` for an op with one output. */
export function applyOne<Attributes>(
  op: Primitive<string, Attributes> | Composite<string, Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): Tensor {
  return apply(op, inputs, attributes)[0]!;
}

/** A composite's outputs in terms of other ops, made once a node. */
export function definitionOf(node: GraphNode): readonly Tensor[] {
  const { op, inputs, attributes } = node;
  if (op.decompose === undefined) {
    throw new TypeError(`${op.name} is a primitive, it has no definition`);
  }
  return node.definition ??= onBehalfOf(node, "definition", () => op.decompose(inputs, attributes));
}

/** Throws unless `spec` has one of `dtypes`. */
export function expectDType(op: string, spec: Spec, dtypes: readonly DType[], what = "a tensor"): void {
  if (!dtypes.includes(spec.dtype)) {
    throw new TypeError(`${op}: expects ${what} of ${dtypes.join(", ")}, got ${spec.dtype}`);
  }
}

/** Throws unless `spec` has this shape. */
export function expectShape(op: string, spec: Spec, shape: Shape, what: string): void {
  if (!sameShape(spec.shape, shape)) {
    throw new TypeError(`${op}: expects ${what} ${show(shape)}, got ${show(spec.shape)}`);
  }
}

/** Throws unless `spec` has `rank` axes. */
export function expectRank(op: string, spec: Spec, rank: number, layout: string): void {
  if (spec.shape.length !== rank) {
    throw new TypeError(`${op}: expects ${layout}, ${rank} axes, got shape ${show(spec.shape)}`);
  }
}
