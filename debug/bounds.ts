// Derived error bounds: a running error analysis (Higham 2002, "Accuracy and stability of numerical algorithms",
// section 3.3) of any graph. The walk computes every tensor in f64 by the CPU backend's own kernels, on leaves rounded as
// the f32 devices round them, and carries beside each element a bound of how far a device that keeps WGSL's promises may
// be from it: what the operands' errors become (Lipschitz constants, or the same op on absolute values) plus the op's own
// rounding (`bound_rules.ts`). A bound of 0 asks for the same number; a bound of Infinity says that the element is open,
// because the operands' errors may take either side of a jump.

import { kernels } from "../backends/cpu/kernels/mod.ts";
import type { CpuArray, CpuKernel } from "../backends/cpu/kernels/kernel.ts";
import { definitionOf } from "../tensor/declare.ts";
import { type HostArray, hostArray, isFloat } from "../tensor/dtype.ts";
import { postorder } from "../tensor/graph.ts";
import type { Composites } from "../tensor/ops/registry.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/mod.ts";
import { rules } from "./bound_rules.ts";
import { storeErrors } from "./roundings.ts";

/** A tensor's numbers and how far each may be off. */
export interface Bounded extends CpuArray {
  readonly errors: Float64Array;
}

const kernelOf: Readonly<Record<string, CpuKernel<never>>> = kernels;
const ruleOf: Readonly<Record<string, (typeof rules)[keyof typeof rules]>> = rules;

/**
 * How many times the definition's bound a fused kernel may use. Each of its steps is one of the definition's, reordered
 * or made from functions that are at most twice as far off: LRN's x^-3/4 from two roots (8.5 ulp, where exp2 and log2
 * have 5 or more), cross-entropy's e^(x - max) / sum (5.5 + 2|x| ulp and the sum's error, where e^logsoftmax has
 * 3 + 4|x| ulp and the sum's error).
 */
export const FUSED: { readonly [Name in keyof Composites]?: number } = {
  crossEntropy: 2,
  crossEntropyGradient: 2,
  conv2dParameterGradients: 1,
  linearParameterGradients: 1,
  localResponseNorm: 2,
  localResponseNormGradient: 2,
};

/** Runs an op of the CPU backend in f64 on other numbers of the operands' shapes, and gives its first output. */
export type Run = (data: readonly (HostArray | null)[], name?: string) => Float64Array;

/**
 * Analyses graphs of CPU tensors; `roots` and everything below get numbers and bounds. A leaf's numbers are exact unless
 * it is in `given`.
 */
export function analyse(
  roots: readonly Tensor[],
  given: ReadonlyMap<Tensor, Bounded> = new Map(),
): ReadonlyMap<Tensor, Bounded> {
  const known = new Map(given);
  for (const tensor of postorder(roots, operandsOf)) {
    if (!known.has(tensor)) analyseNode(tensor, known);
  }
  return known;
}

function operandsOf({ node }: Tensor): readonly Tensor[] {
  if (node === null) return [];
  return node.op.decompose === undefined ? node.inputs : definitionOf(node);
}

function analyseNode(tensor: Tensor, known: Map<Tensor, Bounded>): void {
  const { node } = tensor;
  if (node === null) {
    known.set(tensor, leafOf(tensor));
    return;
  }
  if (node.op.decompose !== undefined) {
    const factor = FUSED[node.op.name as keyof Composites] ?? 1;
    definitionOf(node).forEach((definition, i) => {
      const { errors, ...array } = known.get(definition)!;
      known.set(node.outputs[i]!, { ...array, errors: errors.map((error) => error * factor) });
    });
    return;
  }
  const inputs = node.inputs.map((input) => known.get(input)!);
  const outputs = node.outputs.map(({ shape, dtype }): CpuArray => ({
    shape,
    dtype,
    data: hostArray(dtype, sizeOf(shape), "f64"),
  }));
  kernelOf[node.op.name]!(inputs, node.attributes, outputs);
  const run: Run = (data, name = node.op.name) => {
    // In f64 whatever the dtype, since errors and absolute values need not be integers.
    const operands = inputs.map((input, i): CpuArray => {
      const other = data[i] ?? null;
      return other === null ? input : { shape: input.shape, dtype: "f32", data: other };
    });
    const results = node.outputs.map(({ shape, size }, i): CpuArray => ({
      shape,
      dtype: i === 0 ? "f32" : node.outputs[i]!.dtype,
      data: new Float64Array(size),
    }));
    kernelOf[name]!(operands, node.attributes, results);
    return results[0]!.data as Float64Array;
  };
  const errors = ruleOf[node.op.name]!({ inputs, outputs, attributes: node.attributes, run });
  node.outputs.forEach((output, i) => {
    known.set(output, { ...outputs[i]!, errors: storeErrors(outputs[i]!, errors[i]!) });
  });
}

function leafOf({ value, shape, dtype, size }: Tensor): Bounded {
  if (value?.kind !== "host") throw new TypeError("analyse: wants leaves with host data");
  const data = isFloat(dtype) ? new Float64Array(value.data) : value.data;
  const errors = new Float64Array(size);
  // A composite's constants are rounded to f16 by its definition, and kept in f32 by a fused kernel.
  if (dtype === "f16" && shape.length === 0 && !Number.isInteger(data[0])) {
    errors[0] = Math.abs(data[0]!) * 2 ** -11 + 2 ** -25;
  }
  return { shape, dtype, data, errors };
}

/** What a comparison found. */
export interface Agreement {
  /** The largest error as a fraction of its bound, Infinity where none is allowed; 0 where all are right. */
  readonly worst: number;
  /** The element of the largest, and a wrong number where there is one; -1 where all are right. */
  readonly at: number;
  readonly elements: number;
  /** Elements that had to be the same number, and elements that were open. */
  readonly exact: number;
  readonly open: number;
}

/** Compares a device's numbers with the bounds. */
export function measure(actual: HostArray, { data, errors }: Bounded): Agreement {
  let [worst, at, exact, open] = [0, -1, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const [got, want, bound] = [actual[i]!, data[i]!, errors[i]!];
    if (bound === 0) {
      exact++;
      // Numbers, not bits: WGSL leaves the sign of zero open. A NaN stays one.
      if (got === want || (Number.isNaN(got) && Number.isNaN(want))) continue;
    } else if (!(bound < Infinity)) {
      open++;
      continue;
    }
    const ratio = Math.abs(got - want) / bound;
    // A NaN is as far off as a number can be.
    if (ratio <= worst) continue;
    worst = Number.isNaN(ratio) ? Infinity : ratio;
    at = i;
    if (worst === Infinity) break;
  }
  return { worst, at, elements: data.length, exact, open };
}

/** Compares a device's numbers with the bounds; throws when one is beyond its own. */
export function compare(what: string, actual: HostArray, expected: Bounded): Agreement {
  const { data, errors, dtype, shape } = expected;
  if (actual.length !== data.length) {
    throw new Error(`${what}: ${actual.length} elements, not ${data.length}`);
  }
  const found = measure(actual, expected);
  if (found.worst <= 1) return found;
  const i = found.at;
  throw new Error(
    `${what}[${i}] of ${dtype} [${shape}]: ${actual[i]}, not ${data[i]} +- ${
      errors[i]
    } (${found.worst} times)`,
  );
}
