// Arrays that are really large: more than 65,535 workgroups, and more bytes than one binding may cover by default. What
// these paths do in detail is tested cheaply, on devices with lower limits (`devices.ts`).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { webgpuDevice } from "../backends/webgpu/mod.ts";
import { tensor } from "../mod.ts";

// The default limit, also where the adapter offers more: then the second test has two windows.
const gpu = await webgpuDevice("auto", { bindingLimit: 1 << 27 });

/** 65,536 workgroups of 128 invocations with four elements each, and some more. */
const COUNT = (1 << 16) * 512 + 4099;

test("large: a kernel of more than 65,535 workgroups computes every element", async () => {
  const bytes = new Uint8Array(COUNT);
  for (let i = 0; i < COUNT; i++) bytes[i] = (i ^ (i >>> 8) ^ (i >>> 16) ^ (i >>> 24)) & 255;
  const doubled = await tensor(bytes, { device: gpu }).cast("u32").mul(2).cast("u8").data();
  // A cast clamps.
  const wrong = bytes.findIndex((byte, i) => doubled[i] !== Math.min(255, 2 * byte));
  assert.equal(wrong, -1);
});

test("large: a tensor of 144 MiB, as the weight of fc6, is seen through two windows", async () => {
  const [rows, columns] = [4096, 9216];
  // Each row ends with its number: rows on both sides of the edge between the windows are told apart.
  const number = tensor(Float32Array.from({ length: rows }, (_, i) => i), { device: gpu }).reshape([rows, 1]);
  const at = tensor(Float32Array.from({ length: columns }, (_, i) => i === columns - 1 ? 1 : 0), {
    device: gpu,
  });
  const matrix = number.mul(at);
  const x = tensor(Float32Array.from({ length: columns }, (_, i) => i === columns - 1 ? 2 : 7), {
    device: gpu,
  });
  const [product, total] = [matrix.matmul(x.reshape([columns, 1])), matrix.sum({ axis: 1 })];
  // `matrix` is kept, so that it is stored and not computed where it is read.
  await gpu.evaluate([matrix], false);
  await gpu.evaluate([product, total], true);
  assert.deepEqual(await product.data(), Float32Array.from({ length: rows }, (_, i) => 2 * i));
  assert.deepEqual(await total.data(), Float32Array.from({ length: rows }, (_, i) => i));
});

after(() => gpu.destroy());
