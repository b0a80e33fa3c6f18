// How a sample is held to the definition: computed on devices in one of the ways that an op is asked for, and compared with
// the CPU's numbers within their bounds.

import assert from "node:assert/strict";
import { type Agreement, analyse, compare } from "../debug/bounds.ts";
import { type Device, device, gradients, type Tensor, tensor } from "../mod.ts";
import type { Variant } from "./devices.ts";
import { type Case, cotangentFor, materialise } from "./samples/sample.ts";

/** What is asked of a case: its outputs, the same behind a product, their gradients, the gradients of those. */
export const ORDERS = ["output", "behind", "gradient", "second"] as const;
/** One of them. */
export type Order = (typeof ORDERS)[number];
/** The definition. */
export const cpu: Device = await device("cpu");

const isReal = ({ dtype }: Tensor) => dtype === "f32" || dtype === "f16";

/**
 * How long the sum of that product is: of short results so long that it is split, and what is behind it is in the small
 * kernel of the rest; of long ones short, and what is behind it is in the kernel of the product itself.
 */
const depthFor = (size: number) => size > 512 ? 8 : 256;

/** y + 3 as y + a product of matrices: what can be fused is then computed where the product stores, one by one. */
function behindProduct(y: Tensor): Tensor {
  const { size, shape, dtype, device } = y;
  const depth = depthFor(size);
  const rows = tensor(new Float32Array(size * depth).fill(3 / depth), {
    shape: [size, depth],
    dtype,
    device,
  });
  const ones = tensor(new Float32Array(depth).fill(1), { shape: [depth, 1], dtype, device });
  return y.add(rows.matmul(ones).reshape(shape));
}

/** The outputs of a case, the gradients of their sum against cotangents, or the gradients of such a sum of those. */
function results(sample: Case, on: Device, order: Order): readonly Tensor[] {
  const operands = sample.inputs.map((input) => materialise(input, on));
  const leaves = sample.wrt.map((i) => operands[i]!.leaf);
  const differentiate = (ys: readonly Tensor[], seed: number) => {
    const weighed = ys.filter(isReal).map((y, i) => y.mul(cotangentFor(y, seed + i)).sum());
    // Of a cast to an integer there is none.
    return weighed.length === 0 ? [] : gradients(weighed.reduce((a, b) => a.add(b)), leaves);
  };
  const outputs = sample.call(operands.map(({ x }) => x));
  if (order === "output") return outputs;
  if (order === "behind") return outputs.filter(isReal).map(behindProduct);
  const { seed } = sample.inputs[0]!;
  const first = differentiate(outputs, seed);
  return order === "gradient" ? first : differentiate(first, seed + 7);
}

/** Checks one case on devices; all its tensors are read by one evaluation. */
export async function check(
  sample: Case,
  on: readonly Variant[],
  order: Order,
): Promise<Agreement[]> {
  const reference = results(sample, cpu, order);
  const bounds = analyse(reference);
  const found: Agreement[] = [];
  const computed = await Promise.all(on.map(async ({ name, device }) => {
    const tensors = device === cpu ? reference : results(sample, device, order);
    await device.evaluate(tensors, true);
    return { name, tensors };
  }));
  for (const { name, tensors } of computed) {
    for (const [i, tensor] of tensors.entries()) {
      const what = `${name}, ${order} ${order === "output" || order === "behind" ? i : sample.wrt[i]}`;
      assert.deepEqual([tensor.shape, tensor.dtype], [reference[i]!.shape, reference[i]!.dtype], what);
      found.push(compare(what, await tensor.data(), bounds.get(reference[i]!)!));
    }
  }
  return found;
}

/** Waits for all, and fails with the first. */
export async function together(properties: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(properties)) if (each.status === "rejected") throw each.reason;
}
