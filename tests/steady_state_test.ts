// What a loop costs once it is running, counted on the real device: one submit a step, nothing created, nothing leaked.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { type AugmentName, ImageInput } from "../data/mod.ts";
import {
  crossEntropy,
  type Device,
  device,
  evaluate,
  foldIn,
  gradients,
  nn,
  ones,
  Parameter,
  randomKey,
  SGD,
  type Tensor,
  tensor,
} from "../mod.ts";
import { Pipeline } from "../train/pipeline.ts";
import { type StepResult, TrainingStep } from "../train/step.ts";

/** A device of a test's own: on a shared one, what the garbage collector takes of other tests would be counted too. */
async function open(): Promise<{ gpu: Device; backend: WebGpuBackend }> {
  const gpu = await device("webgpu");
  return { gpu, backend: gpu.backend as WebGpuBackend };
}

/** Counts the calls that a device gets until `stop`. */
function count(raw: GPUDevice): { readonly calls: Record<string, number>; stop: () => void } {
  const calls: Record<string, number> = {};
  const restore: (() => void)[] = [];
  const watch = (owner: object, name: string) => {
    const target = owner as Record<string, (...args: unknown[]) => unknown>;
    const original = target[name]!;
    calls[name] = 0;
    target[name] = (...args) => {
      calls[name]!++;
      return original.apply(owner, args);
    };
    restore.push(() => delete target[name]);
  };
  for (
    const name of [
      "createBuffer",
      "createBindGroup",
      "createComputePipeline",
      "createComputePipelineAsync",
      "createShaderModule",
      "createBindGroupLayout",
      "createTexture",
    ]
  ) watch(raw, name);
  watch(raw.queue, "submit");
  return { calls, stop: () => restore.forEach((undo) => undo()) };
}

const CASES = [["f32", "none"], ["f16", "none"], ["f32", "crop"]] as const;

/** SwiftShader has no f16: then it is f32 twice. Images are larger than what the network takes. */
function miniStep(
  target: Device,
  batch: number,
  wanted: "f32" | "f16",
  augment: AugmentName,
): { run: (step: number) => Promise<number>; prepare: () => Promise<void> } {
  const key = randomKey(3, { device: target });
  const model = nn.build(nn.models.alexnet_mini, { key, init: "he" });
  const optimiser = new SGD(model.parameters().values());
  const precision = target.supports(wanted) ? wanted : "f32";
  const shape = [1, 32, 32] as const;
  const statistics = { mean: new Float32Array(32 * 32).fill(50), eigenvalues: [], eigenvectors: [] };
  const input = new ImageInput({ images: shape, input: [1, 28, 28], statistics, augment, device: target });
  const step = new TrainingStep({ model, optimiser, device: target, batch, shape, input, precision });
  const images = new Uint8Array(batch * 32 * 32);
  const labels = new Int32Array(batch);
  return {
    prepare: () => step.prepare(),
    run: async (number) => {
      // About as dark as the mean: larger numbers are none that the rate is for.
      images.forEach((_, i) => images[i] = 50 + (i * 31 + number * 17) % 2);
      labels.forEach((_, i) => labels[i] = (i + number) % 10);
      // Another rate each step, as a schedule would have it.
      return (await step.run(images, labels, 0.01 / number, foldIn(key, number))).loss;
    },
  };
}

for (const [precision, augment] of CASES) {
  test(`steady state: after three steps a training step is one submit and creates nothing, ${precision}, augment ${augment}`, async () => {
    const { gpu, backend } = await open();
    const { run, prepare } = miniStep(gpu, 4, precision, augment);
    await prepare();
    for (let step = 1; step <= 3; step++) await run(step);
    const { calls, stop } = count(backend.device);
    const plans = backend.plans;
    // Several under way, as the trainer has them.
    await Promise.all([4, 5, 6, 7, 8, 9, 10].map(run));
    stop();
    assert.equal(calls["submit"], 7);
    delete calls["submit"];
    assert.deepEqual(Object.entries(calls).filter(([, times]) => times > 0), []);
    assert.equal(backend.plans, plans);
  });

  test(`steady state: parameters are updated in place, no copy follows a step, ${precision}, augment ${augment}`, async () => {
    const { gpu, backend } = await open();
    const { run, prepare } = miniStep(gpu, 4, precision, augment);
    await prepare();
    await run(1);
    const encoder = Object.getPrototypeOf(backend.device.createCommandEncoder()) as GPUCommandEncoder;
    const original = encoder.copyBufferToBuffer;
    const copied: number[] = [];
    encoder.copyBufferToBuffer = function (this: GPUCommandEncoder, ...args: unknown[]) {
      copied.push(args.at(-1) as number);
      return (original as (...args: unknown[]) => undefined).apply(this, args);
    } as typeof original;
    await run(2);
    encoder.copyBufferToBuffer = original;
    // The loss and the count of right answers, on their way to the host; in f16 also the factor of the loss.
    const scalars = precision === "f16" && gpu.supports("f16") ? 3 : 2;
    assert.deepEqual(copied, new Array(scalars).fill(16));
  });
}

test("steady state: 2,000 steps of the trainer leave the number of buffers unchanged", async () => {
  const { gpu, backend } = await open();
  const key = randomKey(4, { device: gpu });
  const model = new nn.Sequential({ flatten: new nn.Flatten(), output: new nn.Linear(16, 4, { key }) });
  const optimiser = new SGD(model.parameters().values());
  const step = new TrainingStep({ model, optimiser, device: gpu, batch: 8, shape: [1, 4, 4] });
  await step.prepare();
  const images = Uint8Array.from({ length: 128 }, (_, i) => i);
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 4);
  const run = () => step.run(images, labels, 0.01, null);
  await run();
  const before = { ...backend.memory.live };
  // As many as may be are under way: the ring of staging buffers is large enough from the start.
  const pipeline = new Pipeline<StepResult>(() => {});
  for (let i = 0; i < 2000; i++) await pipeline.push(run());
  await pipeline.drain();
  assert.deepEqual(backend.memory.live, before);
});

test("steady state: nor do 2,000 steps of a user's loop that makes tensors and disposes of nothing", async () => {
  const { gpu, backend } = await open();
  const weight = new Parameter(tensor(new Float32Array(64).fill(0.01), { shape: [16, 4], device: gpu }));
  const sgd = new SGD([weight]);
  const step = async (number: number) => {
    const x = tensor(Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * number)), {
      shape: [8, 16],
      device: gpu,
    });
    const labels = tensor(Int32Array.from({ length: 8 }, (_, i) => (i + number) % 4), { device: gpu });
    const logits = x.matmul(weight);
    const loss = crossEntropy(logits, labels);
    sgd.step(gradients(loss, [weight]), 0.01);
    // Now read, now only computed: neither may hold on to device memory.
    if (number % 2 === 0) await evaluate(loss, logits);
    else await loss.item();
    return [loss, logits];
  };
  // As long as none is collected, as many values are on the device as there may ever be, and the oldest move to the host.
  const kept: Tensor[] = [];
  for (let number = 1; number <= 60; number++) kept.push(...await step(number));
  kept.length = 0;
  const before = { ...backend.memory.live };
  for (let number = 61; number <= 2060; number++) await step(number);
  assert.deepEqual(backend.memory.live, before);
});

test("steady state: what tensors had that are gone is used again, however late the garbage collector tells", async () => {
  const { gpu, backend } = await open();
  const { WeakRef } = globalThis;
  // As if all were gone; of the registries none is told, since they are here.
  globalThis.WeakRef = class {
    deref() {}
  } as unknown as WeakRefConstructor;
  const kept: Tensor[] = [];
  const step = async (number: number) => {
    kept.push(ones([4], { device: gpu }).add(number));
    await evaluate(kept.at(-1)!);
  };
  try {
    for (let number = 1; number <= 20; number++) await step(number);
    const before = { ...backend.memory.live };
    for (let number = 21; number <= 60; number++) await step(number);
    assert.deepEqual(backend.memory.live, before);
  } finally {
    globalThis.WeakRef = WeakRef;
  }
});

test("steady state: what is forgotten gives its memory back, and only what is still its own", async () => {
  const { FinalizationRegistry } = globalThis;
  const forget = new Map<WeakKey, () => void>();
  globalThis.FinalizationRegistry = class<T> {
    readonly #tell: (held: T) => void;
    constructor(tell: (held: T) => void) {
      this.#tell = tell;
    }
    register(target: WeakKey, held: T) {
      forget.set(target, () => this.#tell(held));
    }
    unregister() {}
  } as unknown as FinalizationRegistryConstructor;
  const opened = Promise.all([open(), device("cpu")]);
  const [{ gpu, backend }, cpu] = await opened.finally(() =>
    globalThis.FinalizationRegistry = FinalizationRegistry
  );
  const { memory } = backend;
  const made: string[] = [];
  const make = async (number: number) => {
    const x = ones([4], { device: gpu }).add(number);
    await evaluate(x);
    return x;
  };
  const first = await make(1);
  memory.onCreate = (label) => made.push(label);
  forget.get(first)!();
  const second = await make(2);
  assert.equal(made.length, 0);
  // The memory is the second's now.
  forget.get(first)!();
  const third = await make(3);
  assert.equal(made.length, 1);
  third.dispose();
  const fourth = await make(4);
  forget.get(third)!();
  const fifth = await make(5);
  assert.equal(made.length, 2);
  const all = await Promise.all([second, fourth, fifth].map((x) => x.data()));
  assert.deepEqual(all.map((data) => data[0]), [3, 5, 6]);

  const before = memory.live.buffers;
  const w = new Parameter(ones([4096], { device: gpu }));
  assert.equal(memory.live.buffers, before + 1);
  forget.get(w)!();
  assert.equal(memory.live.buffers, before);

  // The CPU's memory is the collector's, which is not to wait until it has told somebody.
  const registered = forget.size;
  await evaluate(new Parameter(ones([4], { device: cpu })), ones([4], { device: cpu }).add(1));
  assert.equal(forget.size, registered);
});

test("steady state: a tensor whose numbers are on the device is not uploaded again", async () => {
  const { gpu, backend } = await open();
  const x = tensor([1, 2, 3], { device: gpu });
  const queue = backend.device.queue as unknown as { writeBuffer: (...args: unknown[]) => void };
  const original = queue.writeBuffer;
  let writes = 0;
  queue.writeBuffer = (...args) => {
    writes++;
    original.apply(queue, args);
  };
  await x.exp().data();
  const first = writes;
  await x.exp().data();
  assert.deepEqual([first > 0, writes - first], [true, 0]);
});

test("steady state: what is only computed is not made ready to be read", async () => {
  const { gpu, backend } = await open();
  const made: string[] = [];
  backend.memory.onCreate = (label) => made.push(label);
  await evaluate(tensor([1, 2], { device: gpu }).exp());
  assert.ok(made.length > 0 && !made.includes("read back"), `${made}`);
});

test("steady state: shapes that keep changing leave the number of buffers bounded", async () => {
  const { gpu, backend } = await open();
  const read = async (size: number) => {
    const x = tensor(new Float32Array(size), { device: gpu });
    assert.equal((await x.add(1).data()).length, size);
  };
  for (let size = 500; size < 600; size++) await read(size);
  const before = backend.memory.live.buffers;
  for (let size = 600; size < 750; size++) await read(size);
  assert.equal(backend.memory.live.buffers, before);
});

test("steady state: parameters that are given back take their plans with them", async () => {
  const { gpu, backend } = await open();
  const make = async () => {
    const w = new Parameter(tensor(new Float32Array(4096), { device: gpu }));
    w.assign(w.add(1));
    await evaluate(w);
    w.assign(w.mul(2));
    await evaluate(w);
    return w;
  };
  (await make()).dispose();
  const before = { ...backend.memory.live };
  for (let i = 0; i < 20; i++) (await make()).dispose();
  assert.deepEqual(backend.memory.live, before);
});
