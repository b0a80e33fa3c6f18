// Every case of PyTorch's numbers, outputs and gradients, on every device and every variant of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fermi from "../mod.ts";
import { device, gradients, type Tensor, tensor } from "../mod.ts";
import { webgpuVariants } from "./devices.ts";
import { fill, loadOps, type OpCase } from "./fixtures/mod.ts";

/** How a fixture's op is called. */
function call({ op, attrs }: OpCase, [x, y]: readonly Tensor[]): Tensor {
  const options = attrs as never;
  switch (op) {
    case "conv2d":
      return fermi.conv2d(x!, y!, options);
    case "maxPool2d":
      return fermi.maxPool2d(x!, options);
    case "avgPool2d":
      return fermi.avgPool2d(x!, options);
    case "localResponseNorm":
      return fermi.localResponseNorm(x!, options);
    case "logSoftmax":
      return fermi.logSoftmax(x!, options);
    case "crossEntropy":
      return fermi.crossEntropy(
        x!,
        tensor(Int32Array.from(attrs["labels"] as number[]), { device: x!.device }),
      );
    default: {
      const functions: Readonly<Record<string, unknown>> = fermi;
      return (functions[op] as (...operands: Tensor[]) => Tensor)(...(y ? [x!, y] : [x!]));
    }
  }
}

const targets = [
  { name: "cpu", device: await device("cpu"), tolerance: 1e-5 },
  { name: "cpu, f64", device: await device("cpu", { precision: "f64" }), tolerance: 1e-8 },
  ...(await webgpuVariants()).map((variant) => ({ ...variant, tolerance: 1e-5 })),
];

for (const { name, device: target, tolerance } of targets) {
  test(`fixtures: outputs and gradients on ${name}`, async () => {
    const near = (actual: ArrayLike<number>, expected: readonly number[], what: string) => {
      assert.equal(actual.length, expected.length, what);
      const magnitude = Math.max(1e-3, ...expected.map(Math.abs));
      expected.forEach((value, i) => {
        assert(
          Math.abs(actual[i]! - value) <= tolerance * magnitude,
          `${what}[${i}]: ${actual[i]}, not ${value}`,
        );
      });
    };
    for (const [number, each] of (await loadOps()).entries()) {
      const what = `case ${number}, ${each.op} ${JSON.stringify(each.attrs)}`;
      const make = (shape: number[], seed: number, scale: number) =>
        tensor(fill(shape, seed, scale), { shape, device: target });
      const inputs = each.inputs.map(({ shape, seed, scale }) => make(shape, seed, scale));
      const output = call(each, inputs);
      assert.deepEqual(output.shape, each.output.shape, what);
      near(await output.data(), each.output.data, what);
      const cotangent = make(each.output.shape, each.cotangent.seed, each.cotangent.scale);
      const found = gradients(output.mul(cotangent), inputs);
      for (const [i, gradient] of found.entries()) {
        near(await gradient.data(), each.gradients[i]!, `${what}, gradient ${i}`);
      }
    }
  });
}
