// What a device cannot do reaches the user as one exception that names the op; nothing is swallowed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { webgpuDevice } from "../backends/webgpu/mod.ts";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { device, evaluate, full, gradients, InputSlot, ones, Parameter, tensor } from "../mod.ts";

test("failures: a tensor that no buffer can hold names the op that wanted it", async () => {
  const gpu = await webgpuDevice("auto");
  const { maxBufferSize } = (gpu.backend as WebGpuBackend).device.limits;
  const huge = full([2, Math.floor(maxBufferSize / 4)], 1, { device: gpu });
  await assert.rejects(evaluate(huge.add(1)), /^Error: add: webgpu .*error: /);
  // One failure is one exception: the device goes on, also after one that wanted to be read.
  assert.equal(await ones([3], { device: gpu }).sum().item(), 3);
  const { live } = (gpu.backend as WebGpuBackend).memory;
  const read = async () => {
    await assert.rejects(huge.add(1).data(), /^Error: add: webgpu .*error: /);
    return { ...live };
  };
  // What it was to be read into is gone, too.
  assert.deepEqual(await read(), await read());
  for (let i = 0; i < 3; i++) assert.equal(await ones([3], { device: gpu }).sum().item(), 3);
  gpu.destroy();
});

test("failures: numbers that do not reach the device leave nothing behind there", async () => {
  const gpu = await webgpuDevice("auto");
  const { device: { queue }, memory: { live } } = gpu.backend as WebGpuBackend;
  const write = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, ...rest: unknown[]) => {
    if (buffer.label === "input") throw new RangeError("no room for a copy");
    return (write as (...args: unknown[]) => undefined)(buffer, ...rest);
  };
  const run = async () => {
    await assert.rejects(evaluate(tensor([1, 2], { device: gpu }).exp()), /^RangeError: no room for a copy$/);
    return { ...live };
  };
  assert.deepEqual(await run(), await run());
  gpu.destroy();
});

test("failures: each evaluation meets its own failure", async () => {
  // So many bindings that it is the device, not the planner, that finds fault with what is huge.
  const gpu = await webgpuDevice("auto", { maxBindings: 100 });
  const on = { device: gpu };
  const { maxBufferSize } = (gpu.backend as WebGpuBackend).device.limits;
  const huge = full([2, Math.floor(maxBufferSize / 4)], 1, on);
  const good = tensor([1, 2], on).add(1).data();
  const bad = huge.add(1).square().max({ axis: 0 }).sum().data();
  assert.deepEqual([...await good], [2, 3]);
  await assert.rejects(bad, /webgpu .*error: /);
  const w = new Parameter(tensor([1], on), { name: "w" });
  await evaluate(w);
  w.assign(w.add(huge.add(1).square().max({ axis: 0 }).sum()));
  const [first, second] = [w.mul(1).data(), tensor([1, 2], on).add(w.mul(2)).data()];
  await assert.rejects(first, /webgpu .*error: /);
  await assert.rejects(second);
  await assert.rejects(w.data(), /^Error: w has no content, because its update failed: /);
  w.assign(tensor([5], on));
  assert.deepEqual(await w.array(), [5]);
  gpu.destroy();
});

test("failures: a lost device says so, now and later", async () => {
  const gpu = await webgpuDevice("auto");
  const x = ones([3], { device: gpu }).mul(2);
  (gpu.backend as WebGpuBackend).device.destroy();
  await (gpu.backend as WebGpuBackend).device.lost;
  await assert.rejects(x.data(), /device was lost/);
  await assert.rejects(x.add(1).data(), /device was lost/);
});

test("failures: a destroyed device says so, to what is under way and to what comes", async () => {
  const gpu = await webgpuDevice("auto");
  const x = ones([3], { device: gpu });
  const reading = x.mul(2).data();
  gpu.destroy();
  await assert.rejects(reading, /^Error: webgpu: the device was destroyed$/);
  await assert.rejects(x.add(1).data(), /^Error: webgpu: the device was destroyed$/);
});

test("failures: an invalid shader is an error of its op", async () => {
  const gpu = await webgpuDevice("auto");
  const backend = gpu.backend as WebGpuBackend;
  const create = backend.device.createShaderModule.bind(backend.device);
  backend.device.createShaderModule = (descriptor) =>
    create({ ...descriptor, code: `${descriptor.code}\nnonsense` });
  await assert.rejects(ones([5], { device: gpu }).exp().data(), /^Error: exp: webgpu validation error: /);
  gpu.destroy();
});

for (const name of ["cpu", "webgpu"] as const) {
  test(`failures: expressions of a content that is gone say so, ${name}`, async () => {
    const target = await device(name);
    const w = new Parameter(tensor([1, 2], { device: target }), { name: "w" });
    const x = new InputSlot([2], { device: target, name: "x" });
    x.write([3, 4]);
    const old = w.mul(x);
    assert.deepEqual(await old.array(), [3, 8]);
    x.write([5, 6]);
    // Read before, its numbers stay; what is made of it from the old content does not exist any more.
    assert.deepEqual(await old.array(), [3, 8]);
    assert.throws(() => gradients(old, [w]), /gradients: y was made from x, which has been updated since/);
    const unread = w.mul(x);
    w.assign(w.add(1));
    await evaluate(w);
    await assert.rejects(unread.data(), /evaluate: the tensor was made from w, which has been updated since/);
    assert.deepEqual(await w.mul(x).array(), [10, 18]);
  });

  test(`failures: a slot wants whole extents, ${name}`, async () => {
    const target = await device(name);
    for (const shape of [[1.5], [-1]]) {
      assert.throws(
        () => new InputSlot(shape, { device: target }),
        /^RangeError: InputSlot: shape .* wants whole/,
      );
    }
  });

  test(`failures: an update of itself, twice, and a swap, ${name}`, async () => {
    const target = await device(name);
    const a = new Parameter(tensor([1, 2], { device: target }));
    const b = new Parameter(tensor([10, 20], { device: target }));
    await evaluate(a, b);
    const [oldA, oldB] = [a.snapshot(), b.snapshot()];
    a.assign(oldB);
    b.assign(oldA);
    const sum = oldA.add(oldB);
    assert.deepEqual(await sum.array(), [11, 22]);
    assert.deepEqual([await a.array(), await b.array()], [[10, 20], [1, 2]]);
    a.assign(a.mul(2));
    a.assign(a.add(b));
    assert.deepEqual(await a.array(), [21, 42]);
    // The old content is still to be had in the evaluation that overwrites it.
    const before = a.snapshot();
    a.assign(a.flip());
    assert.deepEqual(await before.array(), [21, 42]);
    assert.deepEqual(await a.array(), [42, 21]);
  });
}
