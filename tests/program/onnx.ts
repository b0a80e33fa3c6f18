// ONNX files in the runtime that they are held to, and weights to write into them.

import assert from "node:assert/strict";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { ONNX_INPUT, ONNX_OUTPUT } from "../../exchange/onnx.ts";
import type { Weights } from "../../exchange/weights.ts";
import { device, nn, randomKey } from "../../mod.ts";
import { fill, type Recipe } from "../fixtures/mod.ts";

/** What ONNX's runtime computes. */
export async function runOnnx(
  file: Uint8Array,
  images: Float32Array,
  shape: readonly number[],
): Promise<{ readonly dims: readonly number[]; readonly data: Float32Array }> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  try {
    assert.deepEqual([session.inputNames, session.outputNames], [[ONNX_INPUT], [ONNX_OUTPUT]]);
    const { [ONNX_OUTPUT]: logits } = await session.run({
      [ONNX_INPUT]: new Tensor("float32", images, shape),
    });
    return { dims: logits!.dims, data: logits!.data as Float32Array };
  } finally {
    await session.release();
  }
}

/** The weights that recipes stand for. */
export function weightsOf(recipes: Readonly<Record<string, Recipe>>): Weights {
  return new Map(
    Object.entries(recipes).map(([name, { shape, seed, scale }]) =>
      [name, { shape, data: fill(shape, seed, scale) }] as const
    ),
  );
}

/** Weights for any network, as large as keeps the scale of what goes through it; biases are not small. */
export async function weightsFor(table: nn.ModelTable): Promise<Weights> {
  const key = randomKey(0, { device: await device("cpu") });
  const parameters = nn.build({ ...table, weight: nn.init.constant(0) }, { key }).parameters();
  return weightsOf(Object.fromEntries(
    [...parameters].map(([name, { shape }], i) => {
      const fanIn = shape.slice(1).reduce((product, extent) => product * extent, 1);
      const scale = name.endsWith("bias") ? 1 : Math.sqrt(24 / fanIn);
      return [name, { shape: [...shape], seed: i + 1, scale }];
    }),
  ));
}

/** Asserts that logits are equal within 1e-4, or that part of the largest where they are larger than 1. */
export function assertLogits(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  let [largest, worst] = [1, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    // A NaN is no number at all: it must not be lost among the others.
    worst = Number.isNaN(actual[i]!) ? Infinity : Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  }
  assert(worst <= 1e-4 * largest, `${what}: logits up to ${largest} are off by ${worst}`);
}
