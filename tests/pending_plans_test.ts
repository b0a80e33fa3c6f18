// While a plan waits for its pipelines, what comes later waits behind it: evaluations, writes, memory that is given back.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { type Device, device, evaluate, InputSlot, ones, Parameter, tensor } from "../mod.ts";

/** A device whose pipelines are not there before `open` is called; the labels of those that were asked for. */
async function gated(): Promise<
  { gpu: Device; asked: string[]; open: () => void; counts: { submits: number } }
> {
  const gpu = await device("webgpu");
  const raw = (gpu.backend as WebGpuBackend).device;
  const asked: string[] = [];
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const create = raw.createComputePipelineAsync.bind(raw);
  raw.createComputePipelineAsync = async (descriptor) => {
    asked.push(descriptor.label!);
    const pipeline = await create(descriptor);
    await gate;
    return pipeline;
  };
  const counts = { submits: 0 };
  const submit = raw.queue.submit.bind(raw.queue);
  raw.queue.submit = (commands) => {
    counts.submits++;
    return submit(commands);
  };
  return { gpu, asked, open, counts };
}

/** Until whatever can happen by itself has happened. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

test("pending plans: the pipelines of a plan are requested together, before the first is there", async () => {
  const { gpu, asked, open, counts } = await gated();
  const x = tensor([[1, 2], [3, 4]], { device: gpu });
  const sum = x.exp().log().sum({ axis: 0 }).square().data();
  const before = [...asked];
  assert.ok(before.length >= 2, `${before}`);
  await soon();
  assert.deepEqual([asked, counts.submits], [before, 0]);
  open();
  assert.deepEqual((await sum).map(Math.round), Float32Array.of(16, 36));
  assert.deepEqual(asked, before);
  gpu.destroy();
});

test("pending plans: a pipeline that two plans want is requested once, and so is one of equal plans", async () => {
  const { gpu, asked, open } = await gated();
  const run = (...numbers: number[]) => tensor(numbers, { device: gpu }).exp().data();
  const all = [run(0, 0), run(0, 0), run(0, 0, 0), run(0, 0)];
  assert.equal(asked.length, 1);
  open();
  assert.deepEqual(await Promise.all(all), [2, 2, 3, 2].map((n) => new Float32Array(n).fill(1)));
  const backend = gpu.backend as WebGpuBackend;
  assert.deepEqual([asked.length, backend.pipelines.count, backend.plans], [1, 1, 2]);
  gpu.destroy();
});

test("pending plans: evaluations, updates and writes keep their order", async () => {
  const { gpu, open, counts } = await gated();
  const on = { device: gpu };
  const slot = new InputSlot([2], on);
  const w = new Parameter(tensor([100, 200], on), { name: "w" });
  slot.write([1, 2]);
  const product = slot.mul(w);
  w.assign(w.add(slot));
  const first = product.data();
  // Of what was described before the write the old numbers are seen, however late they are computed.
  const batch = Float32Array.of(3, 4);
  slot.write(batch);
  batch.fill(-1);
  const second = slot.mul(w).data();
  w.assign(w.add(slot));
  const third = w.data();
  slot.write([5, 6]);
  const fourth = slot.mul(w).data();
  await soon();
  assert.equal(counts.submits, 0);
  open();
  const [a, b, c, d] = await Promise.all([first, second, third, fourth]);
  assert.deepEqual([...a, ...b], [100, 400, 303, 808]);
  assert.deepEqual([...c, ...d], [104, 206, 520, 1236]);
  gpu.destroy();
});

test("pending plans: a plan that is known waits its turn, and is submitted at once when nothing waits", async () => {
  const { gpu, open, counts } = await gated();
  const w = new Parameter(tensor([1], { device: gpu }));
  const slot = new InputSlot([1], { device: gpu });
  open();
  const step = () => {
    w.assign(w.mul(2).add(slot));
    return w.data();
  };
  for (let i = 0; i < 3; i++) await step();
  const before = counts.submits;
  const known = step();
  assert.equal(counts.submits, before + 1);
  slot.write([1]);
  const fresh = w.exp().sub(w.exp()).add(w).data(); // one that waits for its pipeline
  const later = step();
  assert.equal(counts.submits, before + 1);
  assert.deepEqual([...await known, ...await fresh, ...await later], [16, 16, 33]);
  gpu.destroy();
});

test("pending plans: memory that is given back meanwhile is still there for what waits", async () => {
  const { gpu, open } = await gated();
  const on = { device: gpu };
  open();
  const resident = ones([4], on).add(1);
  await evaluate(resident);
  const w = new Parameter(tensor([1, 2, 3, 4], on));
  await evaluate(w);
  const before = (gpu.backend as WebGpuBackend).memory.live.buffers;
  const waiting = resident.mul(w).square().data();
  resident.dispose();
  w.dispose();
  const other = ones([4], on).add(1).exp().log();
  await evaluate(other);
  assert.deepEqual(await waiting, Float32Array.of(4, 16, 36, 64));
  const { live } = (gpu.backend as WebGpuBackend).memory;
  assert.ok(live.buffers >= before - 1);
  assert.deepEqual((await other.data()).map(Math.round), new Float32Array(4).fill(2));
  gpu.destroy();
});

test("pending plans: a pipeline that cannot be made fails those who want it, and nobody else", async () => {
  const { gpu, open } = await gated();
  const raw = (gpu.backend as WebGpuBackend).device;
  const on = { device: gpu };
  const create = raw.createShaderModule.bind(raw);
  let broken = true;
  raw.createShaderModule = (descriptor) => {
    const nonsense = broken && descriptor.label!.includes("exp") ? "\nnonsense" : "";
    return create({ ...descriptor, code: descriptor.code + nonsense });
  };
  const w = new Parameter(tensor([1], on), { name: "w" });
  w.assign(w.add(1));
  const asked = [tensor([1, 4], on).sqrt().data(), w.data()];
  // Two that build on each other: of an update that fails nothing may be computed.
  w.assign(w.exp());
  asked.push(w.mul(1).data(), w.mul(3).data());
  asked.push(tensor([1, 2], on).exp().data(), tensor([1, 2, 3], on).exp().data());
  asked.push(tensor([2], on).square().data());
  open();
  const told = (await Promise.allSettled(asked)).map((each) =>
    each.status === "fulfilled" ? [...each.value] : each.reason.message.replace(/ error: .*/, "")
  );
  const [chained, alone] = ["exp+mul: webgpu validation", "exp: webgpu validation"];
  assert.deepEqual(told, [[1, 2], [2], chained, chained, alone, alone, [4]]);
  await assert.rejects(w.data(), /^Error: w has no content, because its update failed: /);
  w.assign(tensor([7], on));
  assert.deepEqual(await w.mul(2).data(), Float32Array.of(14));
  broken = false;
  assert.deepEqual(await tensor([0, 0], on).exp().data(), Float32Array.of(1, 1));
  gpu.destroy();
});

test("pending plans: a device that goes meanwhile says so to all who wait", async () => {
  const { gpu, open } = await gated();
  const x = ones([3], { device: gpu });
  const reads = [x.mul(2).data(), x.exp().data(), x.mul(2).data()];
  gpu.destroy();
  open();
  for (const read of reads) await assert.rejects(read, /^Error: webgpu: the device was destroyed$/);
});
