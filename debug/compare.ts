/**
 * Holds a device to the CPU backend's definition, op by op: each op's results against what the CPU makes of the very
 * operands that the device had. So bounds do not add up, ties and kinks do not matter, and the first op beyond its bound
 * is the one that is wrong.
 *
 * @module
 */

import type { GraphNode, Spec } from "../tensor/declare.ts";
import { postorder, unevaluatedOperands } from "../tensor/graph.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { layerOf, linesOf, nameOf, nameOfAll, placeOf } from "./describe.ts";
import { readRoots } from "./reading.ts";
import { recordProvenance } from "./record.ts";

/**
 * How one result of an op compares.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { compareOps, type OutputComparison } from "@fermi/fermi/debug";
 *
 * const x = tensor([1, 3], { device: await device("cpu") });
 * const { ops } = await compareOps([x.div(7)]);
 * const quotient: OutputComparison = ops.at(-1)!.outputs[0]!;
 * assert.deepEqual([quotient.shape, quotient.elements, quotient.exact], [[2], 2, 0]);
 * assert.ok(quotient.worst > 0 && quotient.worst < 0.5); // rounded to nearest, where WGSL allows 2.5 ulp
 * assert.ok(Math.abs(quotient.got - quotient.want) <= quotient.bound);
 * ```
 */
export interface OutputComparison extends Spec {
  /** The result. */
  readonly tensor: Tensor;
  /** The largest error as a fraction of its bound; Infinity where a number has to be the same and is not. */
  readonly worst: number;
  /** The element with that error, an index an axis; null where all are the same. */
  readonly at: Shape | null;
  /** What the device has there. */
  readonly got: number;
  /** What the CPU has there, in f64. */
  readonly want: number;
  /** How far the two may be apart there. */
  readonly bound: number;
  /** How far they are, in units in the last place of `largest`. */
  readonly ulps: number;
  /**
   * The largest difference from the CPU's numbers when it computes everything itself, from the leaves on, in units in the
   * last place of `largest`. Errors add up in it, and grow where a tie or a kink lies between.
   */
  readonly endToEnd: number;
  /**
   * Of a tensor that was asked for, the largest difference between its numbers as it is usually evaluated, where the ops on
   * the way to it are fused, and these, for which they are all stored; in units in the last place of `largest`. A compiler
   * may contract a product and a sum, so a few are allowed: `Comparison.fused` says whether it is too much.
   */
  readonly fused: number;
  /** The largest absolute value. */
  readonly largest: number;
  /** How many numbers were compared. */
  readonly elements: number;
  /** How many of them had to be the same. */
  readonly exact: number;
  /** How many of them WGSL leaves open. */
  readonly open: number;
}

/**
 * How an op compares, or several of them that were fused.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones } from "@fermi/fermi";
 * import { compareOps, type OpComparison, recordProvenance } from "@fermi/fermi/debug";
 *
 * const x = ones([2], { device: await device("cpu") });
 * const y = recordProvenance(() => x.exp());
 * const op: OpComparison = (await compareOps([y])).ops.at(-1)!;
 * assert.equal(op.node.op.name, "exp");
 * assert.equal(op.node.made!.role, "forward"); // where it was made: the layer, the line
 * assert.ok(op.worst <= 1);
 * ```
 */
export interface OpComparison {
  /** The op; of several that were fused, the one with the worst result. */
  readonly node: GraphNode;
  /** The ops that were fused, operands first; null for an op on its own. */
  readonly fused: readonly GraphNode[] | null;
  /** The results that the graph uses; of ops that were fused, those that are stored. */
  readonly outputs: readonly OutputComparison[];
  /** The largest of their errors as a fraction of its bound. */
  readonly worst: number;
}

/**
 * What `compareOps` found.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { type Comparison, compareOps } from "@fermi/fermi/debug";
 *
 * const x = tensor([[1, 2]], { device: await device("cpu") });
 * const found: Comparison = await compareOps([x.exp().sum()]);
 * assert.deepEqual(found.ops.map(({ node }) => node.op.name), ["exp", "sum"]);
 * assert.equal(found.first, null);
 * ```
 */
export interface Comparison {
  /** Every op, operands first. */
  readonly ops: readonly OpComparison[];
  /**
   * Ops that a device may fuse, computed in one evaluation as they are trained: those whose numbers are not bit for bit the
   * ones of `ops`, each within the bound of its ops from operands that the same evaluation stored.
   */
  readonly fused: readonly OpComparison[];
  /** The first op with a result beyond its bound, or else the first of those that were fused; null where there is none. */
  readonly first: OpComparison | null;
}

/**
 * What `compareOps` takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones } from "@fermi/fermi";
 * import { type CompareOptions, compareOps } from "@fermi/fermi/debug";
 *
 * const sparing: CompareOptions = { bytesAtOnce: 1 }; // one op at a time
 * const { ops } = await compareOps([ones([8], { device: await device("cpu") }).exp()], sparing);
 * assert.deepEqual(ops.map(({ worst }) => worst <= 1), [true, true]); // broadcastTo, exp
 * ```
 */
export interface CompareOptions {
  /**
   * How many bytes of results are computed and read in one evaluation; default 2^28. Ops of one evaluation are fused as
   * they are elsewhere, but for the results, which are all stored.
   */
  readonly bytesAtOnce?: number;
}

/**
 * Compares every op that tensors are made from with the CPU backend, each on the operands that the device had. The
 * bounds are derived from what WGSL promises of its functions and of sums, so an op within them is right, and one beyond
 * is wrong. For a step of training, give it the loss, the parameters and the velocities after `sgd.step(...)`: they stand
 * for the expressions that update them. The tensors are evaluated, which carries out what is queued.
 *
 * All is computed three times: as usual; once more as usual, with what is stored anyway read, so that ops that are fused are
 * held to their common bound; and with every result read.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, nn, ones, randomKey, SGD } from "@fermi/fermi";
 * import { compareOps } from "@fermi/fermi/debug";
 *
 * const key = randomKey(1, { device: await device("cpu") }); // or "webgpu": there it is of use
 * const layer = new nn.Linear(3, 2, { key });
 * const sgd = new SGD(layer.parameters().values());
 * const { ops, first } = await compareOps(() => {
 *   const loss = layer.forward(ones([4, 3], { device: key.device })).square().sum();
 *   sgd.step(gradients(loss, sgd.parameters), 0.1);
 *   return [loss, ...sgd.parameters];
 * });
 * assert.equal(first, null); // every op is within its bound
 * assert.ok(ops.some(({ node }) => node.made?.role === "gradient"));
 * ```
 *
 * @param tensors tensors, or a function that makes them: then every op knows its layer and line
 * @throws {TypeError} for tensors of several devices.
 * @throws {Error} when no op is left to compare: of tensors that were read, what they were made from may be gone, or have
 * been updated since.
 * @throws {Error} as `evaluate` does.
 */
export async function compareOps(
  tensors: readonly Tensor[] | (() => Tensor | readonly Tensor[]),
  options: CompareOptions = {},
): Promise<Comparison> {
  const given = typeof tensors === "function"
    // What a parameter stands for is taken before anything else happens to it.
    ? recordProvenance(() => [tensors()].flat().map((tensor) => tensor.snapshot()))
    : tensors.map((tensor) => tensor.snapshot());
  const roots = [...new Set(given)];
  const [device, other] = [...new Set(roots.map((root) => root.device))];
  if (other) throw new TypeError(`compareOps: tensors are on ${device!.name} and on ${other.name}`);
  if (device === undefined) return { ops: [], fused: [], first: null };
  const opened = readRoots("compareOps", roots);
  const operandsOf = (tensor: Tensor) =>
    opened.has(tensor) ? tensor.node!.inputs : unevaluatedOperands(tensor);
  const order = postorder(roots, operandsOf);
  const leaves = new Set(order.filter((tensor) => operandsOf(tensor).length === 0));
  const nodes = [...new Set(order.flatMap((tensor) => leaves.has(tensor) ? [] : tensor.node!))];
  if (nodes.length === 0) {
    throw new Error(
      "compareOps: no op to compare: graphs start with these tensors, or they were read before",
    );
  }
  // As anyone would evaluate them: fused, and with the updates; the old contents are read in the same evaluation.
  await device.evaluate([...roots, ...leaves], true);
  // The CPU's kernels and the bounds come along when they are asked for, like every backend.
  const [{ OpByOp }, { AsFused }] = await Promise.all([import("./op_by_op.ts"), import("./as_fused.ts")]);
  const graph = { device, roots: new Set(roots), leaves, used: new Set(order), nodes };
  const asFused = new AsFused(graph);
  await asFused.evaluate();
  const run = new OpByOp(graph);
  const [ops, fused]: [OpComparison[], OpComparison[]] = [[], []];
  const { bytesAtOnce = 2 ** 28 } = options;
  for (let at = 0; at < nodes.length;) {
    const chunk: GraphNode[] = [];
    for (let bytes = 0; at < nodes.length && (chunk.length === 0 || bytes <= bytesAtOnce); at++) {
      chunk.push(nodes[at]!);
      bytes += nodes[at]!.outputs.reduce((sum, { size }) => sum + 4 * size, 0);
    }
    await run.evaluate(chunk);
    for (const node of chunk) {
      ops.push(await run.compare(node, asFused));
      fused.push(...asFused.compareAfter(node));
    }
  }
  const isBeyond = ({ worst }: OpComparison) => worst > 1;
  return { ops, fused, first: ops.find(isBeyond) ?? fused.find(isBeyond) ?? null };
}

/**
 * An op beyond its bound in a sentence: what it is, where it was made, and the worst of its numbers.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { compareOps, describeOp, recordProvenance } from "@fermi/fermi/debug";
 *
 * const x = tensor([1, 2], { device: await device("cpu") });
 * const { ops } = await compareOps([recordProvenance(() => x.div(3))]);
 * assert.match(
 *   describeOp(ops.at(-1)!),
 *   /^div is within its bound: .*:\d+: element \[\d\] is 0\.\d+, should be 0\.\d+ \+- \S+ \(0\.\d+ of its bound\)$/,
 * );
 * ```
 */
export function describeOp({ node, fused, outputs, worst }: OpComparison): string {
  const { at, got, want, bound } = outputs.find((output) => output.worst === worst)!;
  const verdict = worst > 1 ? "leaves its bound" : "is within its bound";
  const short = (value: number) => Number(value.toPrecision(9)).toString();
  const times = worst === Infinity
    ? ""
    : ` (${worst > 1 ? `${+worst.toPrecision(3)} times` : `${worst.toFixed(2)} of`} its bound)`;
  const element = at === null
    ? "all numbers are the same"
    : `element [${at.join(", ")}] is ${short(got)}, should be ${short(want)} +- ${+bound.toPrecision(
      2,
    )}${times}`;
  if (fused === null) return `${nameOf(node)} ${verdict}: ${placeOf(node)}: ${element}`;
  const layers = [...new Set(fused.map(layerOf).filter(Boolean))];
  const of = layers.length === 0 ? "" : ` of layer${layers.length > 1 ? "s" : ""} ${layers.join(", ")}`;
  return `${nameOfAll(fused)}${of} ${verdict}, only when fused: ${linesOf(node)}: ${element}`;
}
