// Networks in f16 with weights in f32: what is cast, what the factor of the loss does, and that a seed is a run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { webgpuDevice } from "../backends/webgpu/mod.ts";
import { batches, fashionMnist, synthetic } from "../data/mod.ts";
import { compareOps, describeOp } from "../debug/mod.ts";
import {
  Device,
  device,
  type DType,
  foldIn,
  full,
  gradients,
  localResponseNorm,
  LossScale,
  nn,
  Parameter,
  randomKey,
  SGD,
  type Tensor,
  tensor,
} from "../mod.ts";
import { makeSchedule, prepareJob, runJob, train, TrainingStep, type TrainPrecision } from "../train/mod.ts";
import { devices } from "./devices.ts";

const all = await devices();
/** SwiftShader has no f16; the CPU backend always has. */
const able = all.filter((on) => on.supports("f16"));
const precisionsOf = (on: Device): TrainPrecision[] => on.supports("f16") ? ["f32", "f16"] : ["f32"];

test("layers compute in the dtype of their input, and gradients have that of the weights", async () => {
  for (const on of able) {
    const key = randomKey(1, { device: on });
    const layers = [
      new nn.Conv2d(2, 3, { window: 3, key, bias: nn.init.constant(1) }),
      new nn.Linear(5, 4, { key, bias: nn.init.constant(1) }),
    ];
    for (const layer of layers) {
      const x = full([2, 2, 5, 5], 0.5, { device: on });
      const [wide, half] = [layer.forward(x), layer.forward(x.cast("f16"))];
      assert.deepEqual([wide.dtype, half.dtype], ["f32", "f16"]);
      const slopes = gradients(half.cast("f32").sum(), [layer.weight, layer.bias!]);
      assert.deepEqual(slopes.map(({ dtype }) => dtype), ["f32", "f32"]);
      await on.evaluate([wide, half, ...slopes], true);
      const [expected, found] = [await wide.data(), await half.data()];
      found.forEach((value, i) =>
        assert(Math.abs(value - expected[i]!) < 0.01 * Math.abs(expected[i]!) + 0.01)
      );
      // A bias is added to that many elements, a sum that f16 holds.
      assert.deepEqual(
        await slopes[1]!.data(),
        new Float32Array(layer.bias!.size).fill(half.size / layer.bias!.size),
      );
    }
  }
});

test("local response normalisation in f16: squares that f16 does not hold", async () => {
  for (const on of able) {
    const x = full([1, 5, 1, 2], 1024, { dtype: "f16", device: on });
    const expected = await localResponseNorm(x.cast("f32")).data();
    const found = await localResponseNorm(x).data();
    found.forEach((value, i) => assert(Math.abs(value / expected[i]! - 1) < 2 ** -10, `${value}`));
  }
});

/** A weight whose gradient is `share` times `slope`, by way of a dtype, and steps of SGD with it. */
async function scaled(on: Device, dtype: DType, interval: number, initial = 2 ** 10, share = 1): Promise<{
  step: (...slope: number[]) => Promise<void>;
  read: () => Promise<{ w: number[]; v: number[]; scale: number; good: number }>;
}> {
  const w = new Parameter(tensor([1, 2], { device: on }), { name: "w" });
  const other = new Parameter(tensor([[8]], { device: on }), { name: "other" });
  const sgd = new SGD([w, other], { momentum: 0.5, weightDecay: 0 });
  const scaling = new LossScale({ device: on, interval, initial });
  const states = [w, other, ...sgd.velocities, scaling.scale, scaling.goodSteps];
  await on.evaluate(states, false);
  return {
    step: async (...slope) => {
      // Two products, since only what lies between kernels is sure to be stored, and to overflow, in halves.
      const matrix = (...[a, b]: number[]) => tensor([[a!, 0], [0, b!]], { device: on, dtype });
      const row = w.cast(dtype).reshape([1, 2]);
      const half = row.matmul(matrix(1, 1)).matmul(matrix(...slope)).cast("f32");
      const slopes = scaling.gradients(half.sum().mul(share).add(other.sum()), [w, other]);
      sgd.step(slopes, 0.5, { when: scaling.step(slopes) });
      await on.evaluate(states, false);
    },
    read: async () => ({
      w: [...await w.data(), ...await other.data()],
      v: [...await sgd.velocities[0]!.data(), ...await sgd.velocities[1]!.data()],
      scale: await scaling.scale.item(),
      good: await scaling.goodSteps.item(),
    }),
  };
}

test("loss scale: a step whose gradient overflows changes nothing but the factor", async () => {
  for (const [on, dtype] of all.flatMap((on) => precisionsOf(on).map((dtype) => [on, dtype] as const))) {
    const { step, read } = await scaled(on, dtype, 100);
    await step(2, -4);
    const before = await read();
    assert.deepEqual(before, { w: [0, 4, 7.5], v: [-1, 2, -0.5], scale: 1024, good: 1 });
    // Times the factor it is infinite, and NaN where two infinities meet in a sum.
    const large = dtype === "f16" ? 60000 : 3e38;
    for (const slope of [[1, large], [-large, 1], [large, -large], [NaN, 1], [Infinity, 1]]) {
      const { scale } = await read();
      await step(...slope);
      assert.deepEqual(
        await read(),
        { ...before, scale: scale / 2, good: 0 },
        `${on.name}, ${dtype}: ${slope}`,
      );
    }
    // By now the factor is 32, and leaves room for this.
    await step(1024, 0);
    const { w, scale, good } = await read();
    assert.deepEqual([w[0], scale, good], [0 - 0.5 - 512, 32, 1]);
  }
});

test("loss scale: doubled after a number of good steps in a row, up to 2^24", async () => {
  for (const on of able) {
    const { step, read } = await scaled(on, "f16", 3, 2 ** 22, 2 ** -10);
    const scales: number[] = [];
    const slopes = [0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (const slope of slopes) {
      await step(slope, 0);
      scales.push(Math.log2((await read()).scale));
    }
    // The third step, whose slope of 16 * 2^(22 - 10) f16 does not hold, begins the count anew.
    assert.deepEqual(scales, [22, 22, 21, 21, 21, 22, 22, 22, 23, 23, 23, 24]);
    for (let i = 0; i < 3; i++) await step(0, 0);
    assert.equal((await read()).scale, 2 ** 24);
  }
});

test("loss scale: what it refuses", () => {
  const on = { device: all[0]! };
  for (const initial of [0, -1, NaN, 2 ** 25]) {
    assert.throws(() => new LossScale({ ...on, initial }), RangeError);
  }
  for (const interval of [0, 1.5, NaN]) assert.throws(() => new LossScale({ ...on, interval }), RangeError);
});

/** The small AlexNet, and its training by a seed on the embedded images. */
function mini(on: Device, precision: TrainPrecision): {
  run: (steps: number, batch: number) => Promise<number[]>;
  bits: () => Promise<Uint32Array[]>;
} {
  const [init, dropout] = [randomKey(8, { device: on }), randomKey(9, { device: on })];
  const model = nn.build(nn.models.alexnet_mini, { key: init, init: "he", dropout: 0.2 });
  const optimiser = new SGD(model.parameters().values());
  return {
    async run(steps, batch) {
      const { train, shape } = await fashionMnist();
      const training = new TrainingStep({ model, optimiser, device: on, batch, shape, precision });
      await training.prepare();
      const arriving = [];
      for await (const { images, labels } of batches(train, shape, { batch, last: "drop" })) {
        if (arriving.length === steps) break;
        arriving.push(training.run(images, labels, 0.02, foldIn(dropout, arriving.length)));
      }
      return (await Promise.all(arriving)).map(({ loss }) => loss);
    },
    bits: () =>
      Promise.all(
        [...optimiser.parameters, ...optimiser.velocities].map(async (state) =>
          new Uint32Array((await state.data() as Float32Array<ArrayBuffer>).buffer)
        ),
      ),
  };
}

for (const on of all) {
  test(`same bits: two runs with one seed leave the same weights, ${on.name}`, async () => {
    for (const precision of precisionsOf(on)) {
      const [one, other] = [mini(on, precision), mini(await device(on.name), precision)];
      const losses = await one.run(3, 4);
      assert.deepEqual(await other.run(3, 4), losses);
      const [bits, again] = [await one.bits(), await other.bits()];
      bits.forEach((each, i) => assert.deepEqual(each, again[i]));
      // They were learnt, in f32: halves end in 13 zeros.
      assert(losses.at(-1)! !== losses[0] && bits.every((each) => each.some((word) => word % 2 ** 13 !== 0)));
    }
  });
}

test("f16 and f32, CPU and WebGPU: the first losses of the same network", async () => {
  const curves = await Promise.all(
    all.flatMap((on) => precisionsOf(on).map(async (precision) => await mini(on, precision).run(3, 8))),
  );
  for (const curve of curves) {
    // Halves have 11 digits: after three small steps the losses are a few units of the 8th apart.
    curve.forEach((loss, i) => assert(Math.abs(loss / curves[0]![i]! - 1) < 2 ** -8, `${curves}`));
  }
});

test("f16: every op of a step of training is within its bound, fused or not", async () => {
  // Chosen as for a processor's cores, and as for a large GPU.
  const large = await webgpuDevice("auto", { parallelism: 65536, copyBelow: 0 });
  for (const on of [...able.filter(({ name }) => name !== "cpu"), large].filter((on) => on.supports("f16"))) {
    const key = randomKey(3, { device: on });
    const rows = nn.models.alexnet_mini.rows.filter(({ name }) => !/[23456]/.test(name));
    const table = { ...nn.models.alexnet_mini, input: [1, 12, 12] as const, rows };
    const model = nn.build(table, { key, init: "he", dropout: 0.2 });
    const optimiser = new SGD(model.parameters().values());
    const batch = 4;
    const options = { model, optimiser, device: on, batch, shape: table.input, precision: "f16" } as const;
    const step = new TrainingStep(options);
    await step.prepare();
    const images = Uint8Array.from({ length: batch * 144 }, (_, i) => i * 2654435761 >>> 24);
    const { loss, correct } = step.describe(images, Int32Array.of(3, 1, 4, 1), 0.1, key);
    const contents = [...optimiser.parameters, ...optimiser.velocities].map((state) => state.snapshot());
    const { first, ops } = await compareOps([loss, correct, ...contents]);
    // Not the op itself: assert would print its graph, with all it came from.
    assert.equal(first && describeOp(first), null);
    const halves = ops.filter(({ outputs }) => outputs.some(({ dtype }) => dtype === "f16"));
    assert(
      halves.some(({ node }) => /^conv2d(Weight|Parameter)Gradient/.test(node.op.name)),
      `${halves.length} of ${ops.length}`,
    );
  }
});

test("f16: learns, and says what the factor of the loss is", async () => {
  for (const on of able) {
    const key = randomKey(5, { device: on });
    const dataset = await synthetic({ key, shape: [1, 8, 8], classes: 4, trainCount: 42, testCount: 22 });
    const model = new nn.Sequential({
      flatten: new nn.Flatten(),
      hidden: new nn.Linear(64, 16, { key: foldIn(key, 10) }),
      relu: new nn.ReLU(),
      output: new nn.Linear(16, 4, { key: foldIn(key, 11) }),
    });
    const scales: (number | undefined)[] = [];
    const { evaluation } = await train({
      device: on,
      model,
      optimiser: new SGD(model.parameters().values()),
      schedule: makeSchedule("linear", 0.5),
      dataset,
      batch: 8,
      precision: "f16",
      steps: 40,
      stepKey: key,
      shuffleKey: key,
      report: (event) => void (event.event === "step" && scales.push(event.lossScale)),
    });
    assert(evaluation!.accuracy > 0.9, `${evaluation!.accuracy}`);
    assert(scales.length === 40 && scales.every((scale) => scale! >= 2 ** 10), `${scales}`);
  }
});

test("f16: a network that only overflows ends with one sentence", async () => {
  for (const on of able) {
    const key = randomKey(5, { device: on });
    const dataset = await synthetic({ key, shape: [1, 2, 2], classes: 2, trainCount: 8, testCount: 2 });
    const model = new nn.Sequential({ flatten: new nn.Flatten(), output: new nn.Linear(4, 2, { key }) });
    // Always the same scores, but slopes that no factor from 1 makes small enough.
    class Steep extends nn.Module {
      override forward(x: Tensor): Tensor {
        const y = model.forward(x);
        return y.sub(y.detach()).mul(60000).mul(60000);
      }
    }
    const options = {
      device: on,
      model: new Steep(),
      optimiser: new SGD(model.parameters().values()),
      schedule: makeSchedule("linear", 0.5),
      dataset,
      batch: 4,
      steps: 100,
      stepKey: key,
      shuffleKey: key,
      report: () => {},
    };
    await assert.rejects(
      train({ ...options, precision: "f16" }),
      /^Error: the gradients are too large for f16 up to step \d+: a smaller learning rate may help/,
    );
  }
});

test("f16: an adapter without shader-f16 is named, before anything is computed", async () => {
  const { description, backend } = await webgpuDevice("auto");
  const without = Object.assign(Object.create(backend) as typeof backend, { supports: () => false });
  const job = await prepareJob({
    model: "lenet5",
    dataset: "synthetic",
    seed: 1,
    precision: "f16",
    recipe: {},
  });
  await assert.rejects(
    runJob(job, new Device("webgpu", description, without), () => assert.fail("it started")),
    /^UsageError: --precision=f16 wants a WebGPU adapter with shader-f16, which .* has not/,
  );
});
