/**
 * Walks the graph of one evaluation in order and calls one kernel a node. Composites are never computed as such: the
 * walk goes on into their definitions, which is what makes this backend the meaning of the fused kernels of others.
 *
 * @module
 */

import { definitionOf, type GraphNode } from "../../tensor/declare.ts";
import type { EvaluationRequest, Storage } from "../../tensor/device.ts";
import { type HostArray, hostArray, type Precision, roundToF16 } from "../../tensor/dtype.ts";
import { postorder } from "../../tensor/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CpuArray, CpuKernel } from "./kernels/kernel.ts";
import { kernels } from "./kernels/mod.ts";
import { arrayOf, HostStorage } from "./storage.ts";

/** Kernels by the name that a node's op has; which attributes fit is known to `apply`, which made the node. */
const kernelOf: Readonly<Record<string, CpuKernel<never>>> = kernels;

/** Carries out one evaluation: computes everything from the old contents of the states, then overwrites them. */
export function interpret(
  { outputs, updates }: EvaluationRequest,
  precision: Precision,
): (HostArray | Storage)[] {
  const roots = [...outputs.map(({ tensor }) => tensor), ...updates.map(({ value }) => value)];
  const arrays = computeAll(roots, precision);
  // A state's array changes under whoever holds it, so what leaves this evaluation is a copy of it.
  const results = roots.map((root) => isStateContent(root) ? arrays.get(root)!.slice() : arrays.get(root)!);
  updates.forEach(({ state }, i) => arrayOf(state.storage).set(results[outputs.length + i]!));
  return outputs.map(({ read }, i) => read ? results[i]! : new HostStorage(results[i]!));
}

function isStateContent(tensor: Tensor): boolean {
  return tensor.value?.kind === "state";
}

/** The arrays of `roots`. Those in between are dropped after their last use. */
export function computeAll(
  roots: readonly Tensor[],
  precision: Precision,
): ReadonlyMap<Tensor, HostArray> {
  const order = postorder(roots, operandsOf);
  const uses = new Map<Tensor, number>();
  const countUse = (tensor: Tensor) => uses.set(tensor, (uses.get(tensor) ?? 0) + 1);
  roots.forEach(countUse);
  order.forEach((tensor) => operandsOf(tensor).forEach(countUse));

  const arrays = new Map<Tensor, HostArray>();
  for (const tensor of order) {
    // A sibling among the outputs of one node may have brought it along.
    if (!arrays.has(tensor)) compute(tensor, arrays, uses, precision);
    for (const operand of operandsOf(tensor)) {
      const left = uses.get(operand)! - 1;
      uses.set(operand, left);
      if (left === 0) arrays.delete(operand);
    }
  }
  return arrays;
}

/** What must be there before a tensor: nothing for a known value, a composite's definition, a primitive's inputs. */
function operandsOf(tensor: Tensor): readonly Tensor[] {
  const { node, value } = tensor;
  if (value !== null || node === null) return [];
  return node.op.decompose === undefined ? node.inputs : [defining(tensor, node)];
}

function defining(output: Tensor, node: GraphNode): Tensor {
  return definitionOf(node)[node.outputs.indexOf(output)]!;
}

function compute(
  tensor: Tensor,
  arrays: Map<Tensor, HostArray>,
  uses: ReadonlyMap<Tensor, number>,
  precision: Precision,
): void {
  const { node, value } = tensor;
  if (value !== null || node === null) {
    arrays.set(tensor, known(tensor));
  } else if (node.op.decompose !== undefined) {
    arrays.set(tensor, arrays.get(defining(tensor, node))!);
  } else {
    const results = runKernel(node, node.inputs.map((input) => arrays.get(input)!), precision);
    node.outputs.forEach((output, i) => {
      if (uses.has(output)) arrays.set(output, results[i]!);
    });
  }
}

function known({ value }: Tensor): HostArray {
  if (value === null) throw new TypeError("the tensor's memory was released by dispose()");
  switch (value.kind) {
    case "host":
      return value.data;
    case "resident":
      return arrayOf(value.storage);
    case "state":
      return arrayOf(value.state.storage);
    default:
      return value satisfies never;
  }
}

function runKernel(node: GraphNode, inputs: readonly HostArray[], precision: Precision): HostArray[] {
  try {
    const operands = node.inputs.map(({ shape, dtype }, i): CpuArray => ({ shape, dtype, data: inputs[i]! }));
    // A store into a Float32Array rounds. Halves are kept in one too: computed in f64, so that they are rounded once.
    const results = node.outputs.map(({ shape, dtype }): CpuArray => ({
      shape,
      dtype,
      data: hostArray(dtype, sizeOf(shape), dtype === "f16" ? "f64" : precision),
    }));
    kernelOf[node.op.name]!(operands, node.attributes, results);
    return results.map(({ dtype, data }) => dtype === "f16" && precision === "f32" ? halves(data) : data);
  } catch (error) {
    throw new Error(`${node.op.name}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** A plain loop: `Float32Array.from` with a function takes ten times as long. */
function halves(data: HostArray): Float32Array {
  const rounded = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) rounded[i] = roundToF16(data[i]!);
  return rounded;
}
