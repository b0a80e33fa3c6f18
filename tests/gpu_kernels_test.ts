// Kernels that only GPUs take, on sizes that samples do not have: reductions in several parts whose last one is short,
// rows of more classes than a workgroup has lanes, argmax in bytes that end within a word. Against the CPU, guarded.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Guard } from "../backends/webgpu/guard.ts";
import { webgpuDevice } from "../backends/webgpu/mod.ts";
import {
  crossEntropy,
  type Device,
  device,
  gradients,
  maxPool2d,
  type Shape,
  type Tensor,
  tensor,
} from "../mod.ts";

const cpu = await device("cpu");
const gpu = await webgpuDevice("auto", { guard: Guard, parallelism: 65536 });

/** Whole numbers from -99 to -1: none is as large as what nobody has seen. */
function below(shape: Shape, on: Device): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => -1 - (i * 37 + (i >> 5)) % 99), {
    shape,
    device: on,
  });
}

async function same(what: string, work: (on: Device) => readonly Tensor[]): Promise<void> {
  const [expected, found] = await Promise.all([cpu, gpu].map(async (on) => {
    const tensors = work(on);
    await on.evaluate(tensors, true);
    return await Promise.all(tensors.map((each) => each.data()));
  }));
  expected!.forEach((wanted, i) => assert.deepEqual(found![i], wanted, `${what}, ${i}`));
}

test("gpu kernels: reductions in parts, of which the last may be short, and none is empty", async () => {
  // 256 lanes with sixteen elements each, twenty times and one; and what is a few parts, one, or a few elements.
  const shapes: readonly (readonly [Shape, number | readonly number[]])[] = [
    [[256 * 16 * 20 + 1], 0],
    [[9000], 0],
    [[3, 5000], 1],
    [[5000, 3], 0],
    [[700, 45], 0],
    [[2, 300, 2, 9], [1, 3]],
    [[3, 5], 1],
  ];
  for (const [shape, axis] of shapes) {
    await same(`${shape}`, (on) => {
      const x = below(shape, on);
      const all = [x.max({ axis }), x.min({ axis }), x.sum({ axis }), x.max().add(x.min())];
      return typeof axis === "number" ? [...all, x.argmax({ axis }), x.neg().argmin({ axis })] : all;
    });
  }
});

test("gpu kernels: max-pooling's bytes end within a word, and come from four lanes", async () => {
  for (const [height, width] of [[5, 7], [3, 3], [40, 33]] as const) {
    await same(`${height} x ${width}`, (on) => {
      const x = below([1, 3, height, width], on);
      const y = maxPool2d(x, { window: 3, stride: 2, padding: 1 });
      return [y, ...gradients(y.mul(below(y.shape, on)), [x])];
    });
  }
});

test("gpu kernels: cross-entropy of more classes than a workgroup has lanes, and of few", async () => {
  for (const [batch, classes] of [[3, 1000], [300, 2], [2, 256]] as const) {
    const [wanted, found] = await Promise.all([cpu, gpu].map(async (on) => {
      const x = below([batch, classes], on).div(8);
      const labels = tensor(Int32Array.from({ length: batch }, (_, i) => i * 7 % classes), {
        shape: [batch],
        device: on,
      });
      const loss = crossEntropy(x, labels);
      return [await loss.data(), await gradients(loss, [x])[0]!.data()];
    }));
    wanted!.forEach((numbers, part) =>
      numbers.forEach((number, i) => {
        const off = Math.abs(found![part]![i]! - number);
        assert.ok(
          off <= 2 ** -18 * Math.max(1e-3, Math.abs(number)),
          `${batch} x ${classes}: ${found![part]![i]}, ${number}`,
        );
      })
    );
  }
});

after(() => gpu.destroy());
