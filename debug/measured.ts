/**
 * A device's numbers beside what they may be.
 *
 * @module
 */

import type { GraphNode } from "../tensor/declare.ts";
import { type DType, type HostArray, isFloat } from "../tensor/dtype.ts";
import type { Device } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Bounded, measure } from "./bounds.ts";
import type { OutputComparison } from "./compare.ts";
import { VIEWS } from "./describe.ts";
import { unravel } from "./differences.ts";
import { ULP } from "./roundings.ts";

/** A graph that is compared, evaluated as usual. */
export interface ComparedGraph {
  /** The device that is held to the CPU's numbers. */
  readonly device: Device;
  /** What was asked for. */
  readonly roots: ReadonlySet<Tensor>;
  /** Where the graph starts: their numbers were read. */
  readonly leaves: ReadonlySet<Tensor>;
  /** All tensors that something depends on. */
  readonly used: ReadonlySet<Tensor>;
  /** Its ops, operands first. */
  readonly nodes: readonly GraphNode[];
}

/** What a fused kernel may make of a product before it adds to it. */
const ADDING: ReadonlySet<string> = new Set(["add", "sub"]);
const PRODUCTS: ReadonlySet<string> = new Set(["mul", "square"]);

/**
 * Operands of sums, also of those inside a composite, that are products carry one rounding: in a fused kernel a compiler may
 * contract a product and a sum, and then the product that was stored is not the one that was added.
 */
export function contracted(
  applied: readonly { readonly node: GraphNode; readonly operands: readonly Tensor[] }[],
): Map<Tensor, Bounded> {
  const given = new Map<Tensor, Bounded>();
  for (const { node: { op, inputs }, operands } of applied) {
    if (op.decompose === undefined && !ADDING.has(op.name)) continue;
    operands.forEach((operand, i) => {
      const { shape, dtype, hostData } = operand;
      if (hostData === null || !isFloat(dtype) || !isProduct(inputs[i]!)) return;
      const data = new Float64Array(hostData);
      given.set(operand, { shape, dtype, data, errors: data.map((value) => Math.abs(value) * ULP) });
    });
  }
  return given;
}

/** Whether a tensor is a product, one with its sign changed, or a view of one. */
function isProduct({ node }: Tensor): boolean {
  if (node === null) return false;
  return PRODUCTS.has(node.op.name) ||
    (VIEWS.has(node.op.name) || node.op.name === "neg") && isProduct(node.inputs[0]!);
}

/** From operands that are not finite, a device may make NaN and infinities where the CPU has none, and the reverse. */
export function openedBy(expected: Bounded, got: HostArray): Bounded {
  const errors = expected.errors.map((error, i) =>
    Number.isFinite(expected.data[i]) && Number.isFinite(got[i]) ? error : Infinity
  );
  return { ...expected, errors };
}

/** One result of a device beside what it may be. `known` are its numbers as they are usually evaluated. */
export function compareOutput(
  tensor: Tensor,
  got: HostArray,
  expected: Bounded,
  known: HostArray,
  endToEnd: HostArray,
): OutputComparison {
  const { shape, dtype } = tensor;
  const { worst, at, elements, exact, open } = measure(got, expected);
  let largest = 0;
  for (const value of got) {
    const magnitude = Math.abs(value);
    if (magnitude > largest && magnitude < Infinity) largest = magnitude;
  }
  const unit = ulpOf(largest, dtype);
  const element = { got: got[at] ?? 0, want: expected.data[at] ?? 0, bound: expected.errors[at] ?? 0 };
  return {
    tensor,
    shape,
    dtype,
    worst,
    at: at < 0 ? null : unravel(at, shape),
    ...element,
    ulps: Math.abs(element.got - element.want) / unit,
    endToEnd: distance(known, endToEnd) / unit,
    fused: known === got ? 0 : distance(known, got) / unit,
    largest,
    elements,
    exact,
    open,
  };
}

/** The largest difference of two numbers at the same place. */
export function distance(a: HostArray, b: HostArray): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const apart = Object.is(a[i], b[i]) ? 0 : Math.abs(a[i]! - b[i]!);
    // NaN beside a number is as far as can be.
    largest = apart >= 0 ? Math.max(largest, apart) : Infinity;
  }
  return largest;
}

/** The distance of two neighbours at a number; of whole numbers 1. */
function ulpOf(value: number, dtype: DType): number {
  if (!isFloat(dtype)) return 1;
  const [smallest, digits] = dtype === "f16" ? [-14, 10] : [-126, 23];
  return 2 ** (Math.max(smallest, Math.floor(Math.log2(value || 1))) - digits);
}
