/**
 * Where a NaN or an infinity comes from: the first op whose result is not finite while its operands are.
 *
 * @module
 */

import { definitionOf, type Spec } from "../tensor/declare.ts";
import type { Provenance } from "../tensor/provenance.ts";
import { show } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { layerOf, nameOf, placeOf } from "./describe.ts";
import { unravel } from "./differences.ts";
import { readRoots } from "./reading.ts";
import { recordProvenance } from "./record.ts";
import { type Site, Survey, type Surveyed } from "./survey.ts";

/**
 * What an operand's numbers are.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { type OperandRange, traceNonFinite } from "@fermi/fermi/debug";
 *
 * const x = tensor([1, 0, 4], { device: await device("cpu") });
 * const operand: OperandRange = (await traceNonFinite(() => x.log()))!.operands[0]!;
 * assert.deepEqual(operand, { name: null, shape: [3], dtype: "f32", range: [0, 4] });
 * ```
 */
export interface OperandRange extends Spec {
  /** The name of a parameter or input slot; null for everything else. */
  readonly name: string | null;
  /** The smallest and the largest number; null where there are none. */
  readonly range: readonly [number, number] | null;
}

/**
 * Where numbers stopped being finite.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { type NonFinite, traceNonFinite } from "@fermi/fermi/debug";
 *
 * const x = tensor([[1, 100]], { device: await device("cpu") });
 * const found: NonFinite | null = await traceNonFinite(() => x.exp().sum().log());
 * assert.deepEqual([found!.op, found!.at, found!.value], ["exp", [0, 1], Infinity]);
 * assert.match(found!.message, /^exp \(.*\) gives Infinity at \[0, 1\] while its operand is finite: /);
 * ```
 */
export interface NonFinite {
  /** The name of the op; null where what the graph starts from is not finite: a parameter, an input. */
  readonly op: string | null;
  /** The layer in which it was made, or the parameter that it updates; null where none is known. */
  readonly layer: string | null;
  /** Where it was made: `file:line:column` of the call, and of the call of the layer around it. */
  readonly lines: readonly string[];
  /** Whether it was called, or made by a gradient rule or the definition of a composite op. */
  readonly role: Provenance["role"];
  /** The name of the op whose gradient or definition it belongs to. */
  readonly of: string | null;
  /** The first element that is not finite, an index along each axis. */
  readonly at: readonly number[];
  /** NaN, Infinity or -Infinity. */
  readonly value: number;
  /** The ranges of the operands, which are finite. */
  readonly operands: readonly OperandRange[];
  /** For a composite op, the op of its definition that is not finite; null where the definition is finite. */
  readonly inside: NonFinite | null;
  /** All of this in a sentence. */
  readonly message: string;
}

/**
 * Calls `make`, which builds a graph, and finds in it the first op whose result is NaN or infinite while its operands are
 * finite: the op to which what is not finite in the result goes back. Gradients and updates are looked through like
 * everything else, so give back the loss and whatever is made from it.
 *
 * Call it when a number has turned out not to be finite, with a function that makes the graph once more. All is computed
 * again and each result is read: take your time. What `make` does after an `await` has no lines.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, nn, Parameter, tensor, type Tensor } from "@fermi/fermi";
 * import { traceNonFinite } from "@fermi/fermi/debug";
 *
 * const cpu = await device("cpu");
 * class Length extends nn.Module {
 *   override forward(x: Tensor): Tensor {
 *     return x.square().sum({ axis: 1 }).sqrt();
 *   }
 * }
 * const network = new nn.Sequential({ length: new Length() });
 * const w = new Parameter(tensor([[3, 4], [0, 0]], { device: cpu }), { name: "w" });
 * const found = await traceNonFinite(() => {
 *   const loss = network.forward(w).sum();
 *   return [loss, ...gradients(loss, [w])];
 * });
 * // The loss is 5. The slope of a square root is infinite at 0.
 * assert.deepEqual([found!.op, found!.role, found!.of, found!.layer], ["div", "gradient", "sqrt", "length"]);
 * assert.deepEqual([found!.at, found!.operands[1]!.range], [[1], [0, 5]]);
 * ```
 *
 * @returns null when all that `make` gave back is finite
 * @throws {Error} for a tensor that was read, when a parameter from which it was made has been updated since.
 * @throws {Error} as `evaluate` does.
 */
export async function traceNonFinite(make: () => Tensor | readonly Tensor[]): Promise<NonFinite | null> {
  const roots = recordProvenance(() => [make()].flat().map((root) => root.snapshot()));
  return await firstIn(new Survey(), roots, readRoots("traceNonFinite", roots));
}

async function firstIn(
  survey: Survey,
  roots: readonly Tensor[],
  opened: ReadonlySet<Tensor>,
): Promise<NonFinite | null> {
  const found = await survey.firstBad(roots, opened);
  if (found === null) return null;
  const { site, known } = found;
  const { node, tensor } = site;
  // A composite is named as a whole, as users know it; its definition is looked through after that.
  const inside = node === null || node.op.decompose === undefined
    ? null
    : await firstIn(survey, [definitionOf(node)[node.outputs.indexOf(tensor)]!], new Set());
  return describe(site, known, inside);
}

function describe(
  { tensor, node, operands }: Site,
  known: ReadonlyMap<Tensor, Surveyed>,
  inside: NonFinite | null,
): NonFinite {
  const { at, value } = known.get(tensor)!;
  const isLeaf = operands.length === 0;
  const found = {
    op: isLeaf ? null : node?.op.name ?? "to",
    layer: node && layerOf(node),
    lines: node?.made?.lines ?? [],
    role: node?.made?.role ?? "forward",
    of: node?.made?.of?.op.name ?? null,
    at: unravel(at, tensor.shape),
    value,
    operands: operands.map((operand): OperandRange => {
      const { shape, dtype } = operand;
      return { name: stateName(operand), shape, dtype, range: known.get(operand)!.range };
    }),
    inside,
  };
  const what = isLeaf
    ? stateName(tensor) ??
      `a tensor of ${tensor.dtype} ${show(tensor.shape)} that ${
        tensor.node === null
          ? "the graph starts from"
          : `was read before, a result of ${tensor.node.op.name},`
      }`
    : node === null
    ? `the copy to ${tensor.device.name}`
    : `${nameOf(node)} (${placeOf(node)})`;
  return { ...found, message: sentence(what, found) };
}

function sentence(what: string, { op, at, value, operands, inside }: Omit<NonFinite, "message">): string {
  const where = at.length > 0 ? ` at ${show(at)}` : "";
  if (op === null) return `${what} is not finite: it has ${value}${where}`;
  const are = operands.length > 1 ? "operands are" : "operand is";
  // The place of what is inside is the place of the whole.
  const more = inside === null ? "" : `; inside of it, ${sentence(inside.op!, inside)}`;
  return `${what} gives ${value}${where} while its ${are} finite: ${
    operands.map(rangeText).join(", ")
  }${more}`;
}

function stateName({ value }: Tensor): string | null {
  return value?.kind === "state" ? value.state.name : null;
}

function rangeText({ name, shape, dtype, range }: OperandRange): string {
  const numbers = range === null
    ? "empty"
    : range[0] === range[1]
    ? short(range[0])
    : `${short(range[0])} to ${short(range[1])}`;
  return `${name ?? dtype} ${show(shape)} ${numbers}`;
}

/** Four digits are enough to see what is wrong. */
function short(value: number): string {
  const digits = Number(value.toPrecision(4));
  return Math.abs(digits) < 1e6 ? String(digits) : digits.toExponential();
}
