// Comparing every op with the CPU: right devices pass, a device that gets one number wrong is found out, and the table of a
// step has all layers and parameters.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareOps,
  type Comparison,
  describeOp,
  Device,
  gradients,
  InputSlot,
  nn,
  Parameter,
} from "../mod.ts";
import { randomKey, recordProvenance, SGD, type Tensor, tensor } from "../mod.ts";
import {
  type CompareEvent,
  prepareJob,
  runJob,
  textReporter,
  type TrainEvent,
  TrainingStep,
} from "../train/mod.ts";
import { devices, webgpuVariants } from "./devices.ts";

const [cpu, gpu] = await devices();
const variants = await webgpuVariants();

/** A network with everything that AlexNet has, and small. */
function network(key: Tensor): nn.Sequential {
  return new nn.Sequential({
    conv: new nn.Conv2d(1, 4, { window: 3, padding: 1, key }),
    norm: new nn.LocalResponseNorm(),
    pool: new nn.MaxPool2d({ window: 3, stride: 2 }),
    towers: new nn.Conv2d(4, 8, { window: 3, groups: 2, stride: 2, key }),
    relu: new nn.ReLU(),
    block: new nn.Sequential({ flatten: new nn.Flatten(), dropout: new nn.Dropout({ p: 0.5 }) }),
    output: new nn.Linear(32, 4, { key }),
  });
}

const shape = [1, 11, 11] as const;
const images = Uint8Array.from({ length: 3 * 121 }, (_, i) => i * 37 % 256);
const labels = Int32Array.of(0, 3, 1);

/** Describes a step of training, and hands out what it is to make. */
async function makeStep(on: Device): Promise<{ step: () => readonly Tensor[]; sgd: SGD }> {
  const key = randomKey(5, { device: on });
  const model = network(key);
  const sgd = new SGD(model.parameters().values());
  const training = new TrainingStep({ model, optimiser: sgd, device: on, batch: 3, shape });
  await training.prepare();
  const step = () =>
    recordProvenance(() => {
      const { loss, correct } = training.describe(images, labels, 0.1, key);
      return [loss, correct, ...sgd.velocities, ...sgd.parameters];
    });
  return { step, sgd };
}

function assertRight({ ops, first }: Comparison): void {
  assert.equal(first, null, first ? describeOp(first) : "");
  for (const { worst, outputs } of ops) {
    assert(worst >= 0 && worst <= 1);
    for (const output of outputs) {
      assert(Math.abs(output.got - output.want) <= output.bound);
      assert(output.fused >= 0 && output.endToEnd >= 0 && output.exact + output.open <= output.elements);
    }
  }
}

/** The device, but what its ops of this name give is changed by `spoil`. */
function spoiled(right: Device, name: string, spoil: (data: Float32Array) => void): Device {
  const { backend } = right;
  return new Device(right.name, "gets something wrong", {
    precision: backend.precision,
    supports: (dtype) => backend.supports(dtype),
    async evaluate(request) {
      const results = await backend.evaluate(request);
      request.outputs.forEach(({ tensor }, i) => {
        const result = results[i]!;
        if (tensor.node?.op.name === name && result instanceof Float32Array) spoil(result);
      });
      return results;
    },
    createState: (spec) => backend.createState(spec),
    writeState: (storage, data, spec) => backend.writeState(storage, data, spec),
    destroy: () => backend.destroy(),
  });
}

for (const { name, device: on } of [{ name: "cpu", device: cpu! }, ...variants]) {
  test(`compare: every op of a step of training is within its bound, ${name}`, async () => {
    const { step } = await makeStep(on);
    for (let i = 0; i < 2; i++) {
      const found = await compareOps(step());
      assertRight(found);
      const names = new Set(found.ops.map(({ node }) => node.op.name));
      for (
        const wanted of [
          "conv2d",
          "conv2dInputGradient",
          "conv2dWeightGradient",
          "localResponseNormGradient",
          "maxPool2dGradient",
          "dropout",
          "reshape",
          "transpose",
          "sub",
        ]
      ) {
        assert(names.has(wanted), `no ${wanted}`);
      }
    }
  });
}

test("compare: one op at a time finds the same, and the updates are carried out once", async () => {
  for (const on of [cpu!, gpu!]) {
    const [plain, whole, sparing] = [await makeStep(on), await makeStep(on), await makeStep(on)];
    await on.evaluate(plain.step(), true);
    const [a, b] = [await compareOps(whole.step()), await compareOps(sparing.step(), { bytesAtOnce: 1 })];
    assertRight(a);
    assertRight(b);
    assert.deepEqual(b.ops.map(({ node }) => node.op.name), a.ops.map(({ node }) => node.op.name));
    const numbers = ({ sgd }: { sgd: SGD }) => Promise.all(sgd.parameters.map((w) => w.data()));
    assert.deepEqual(await numbers(whole), await numbers(plain));
    assert.deepEqual(await numbers(sparing), await numbers(plain));
    assert.equal(whole.sgd.parameters[0]!.version, plain.sgd.parameters[0]!.version);
  }
});

test("compare: a device that gets one number wrong is found out: op, layer, role, element", async () => {
  let spoiledAt = 0;
  const wrong = spoiled(gpu!, "conv2dWeightGradient", (data) => {
    // Of the second convolution's 8x2x3x3 window elements, the largest.
    if (data.length !== 8 * 2 * 9) return;
    spoiledAt = data.indexOf(data.reduce((a, b) => Math.abs(b) > Math.abs(a) ? b : a));
    data[spoiledAt]! *= 1.001;
  });
  const { step } = await makeStep(wrong);
  // One op at a time, so that the next op reads the number that was spoiled.
  const { ops, first } = await compareOps(step(), { bytesAtOnce: 1 });
  assert.deepEqual(
    [first?.node.op.name, first?.node.made?.role, first?.node.made?.layer],
    ["conv2dWeightGradient", "gradient", "towers"],
  );
  const [output] = first!.outputs;
  const at = [
    Math.floor(spoiledAt / 18),
    Math.floor(spoiledAt / 9) % 2,
    Math.floor(spoiledAt / 3) % 3,
    spoiledAt % 3,
  ];
  assert.deepEqual(output!.at, at);
  assert(Math.abs(output!.got / output!.want - 1.001) < 1e-5);
  assert(output!.worst > 1 && output!.ulps > 1 && output!.endToEnd > 1);
  const sentence = describeOp(first!);
  assert.match(
    sentence,
    /^conv2dWeightGradient \(gradient of conv2d\) leaves its bound: layer towers, .+:\d+: element /,
  );
  assert(sentence.includes(`: element [${at.join(", ")}] is `), sentence);
  // What was made from the wrong number is right.
  assert.deepEqual(ops.filter(({ worst }) => worst > 1).map(({ node }) => node.op.name), [
    first!.node.op.name,
  ]);
});

test("compare: a NaN, an infinity and a wrong whole number are beyond any bound", async () => {
  for (const value of [NaN, Infinity]) {
    const wrong = spoiled(gpu!, "matmul", (data) => data[1] = value);
    const { first } = await compareOps([
      tensor([[1.5, 2]], { device: wrong }).matmul(tensor([[1, 2], [3, 4]], { device: wrong })),
    ]);
    const { node, worst, outputs } = first!;
    assert.deepEqual([node.op.name, worst, outputs[0]!.at], ["matmul", Infinity, [0, 1]]);
  }
  const wrong = spoiled(gpu!, "relu", (data) => data[2] = 4);
  const { first } = await compareOps([tensor([1, 2, 3], { device: wrong }).relu()]);
  assert.equal(
    describeOp(first!),
    "relu leaves its bound: where it was made is not recorded: element [2] is 4, should be 3 +- 0",
  );
});

test("compare: what is wrong only as it is usually evaluated is no op's, and is told", async () => {
  let evaluations = 0;
  const wrong = spoiled(gpu!, "exp", (data) => {
    if (evaluations++ === 0) data[0]! += 2 ** -20;
  });
  const { ops, first } = await compareOps([tensor([0, -1], { device: wrong }).exp()]);
  assert.deepEqual([first, ops[0]!.outputs[0]!.fused], [null, 8]);
  assertRight(await compareOps([tensor([0, -1], { device: gpu! }).exp()]));
});

test("compare: leaves of every kind, and what is not finite", async () => {
  for (const on of [cpu!, gpu!]) {
    const slot = new InputSlot([2], { device: on });
    slot.write([1, 2]);
    const resident = tensor([3, 4], { device: on }).mul(2);
    await on.evaluate([resident], false);
    const known = tensor([1, 9], { device: on }).sqrt();
    await known.data();
    const elsewhere = tensor([1, 5], { device: on === cpu ? gpu! : cpu! });
    const sum = slot.add(resident).div(known).mul(elsewhere.to(on));
    const found = await compareOps([sum, sum]);
    assertRight(found);
    assert.deepEqual(found.ops.map(({ node }) => node.op.name), ["add", "div", "mul"]);
    assert.deepEqual(await sum.array(), [7, (2 + 8) / 3 * 5].map(Math.fround));

    const infinite = tensor([Infinity, 1, NaN], { device: on });
    assertRight(await compareOps([infinite.sub(infinite).relu().exp().sum()]));
    assert.deepEqual(await compareOps([]), { ops: [], first: null });
  }
  await assert.rejects(
    compareOps([tensor([1], { device: cpu! }), tensor([1], { device: gpu! })]),
    { name: "TypeError", message: "compareOps: tensors are on cpu and on webgpu" },
  );
});

test("compare: without layers the parameters say where an op belongs", async () => {
  const w = new Parameter(tensor([[1, 2], [3, 4]], { device: cpu! }), { name: "hidden.weight" });
  const y = recordProvenance(() =>
    gradients(tensor([[1, 2]], { device: cpu! }).matmul(w.transpose()).sum(), [w])
  );
  const { ops } = await compareOps(y);
  const product = ops.find(({ node }) => node.op.name === "matmul")!;
  assert.match(describeOp(product), /^matmul \(gradient of matmul\) is within its bound: layer hidden, /);
});

/** What a run of `train.ts --compare=cpu` tells. */
async function compareJob(on: Device): Promise<{ events: TrainEvent[]; text: string; error: Error | null }> {
  const events: TrainEvent[] = [];
  let text = "";
  const tell = textReporter({ write: (more: string) => text += more }, { quiet: false });
  const job = await prepareJob({
    model: "lenet5",
    dataset: "synthetic",
    seed: 1,
    steps: 2,
    compare: true,
    recipe: { batch: 2 },
  });
  const error = await runJob(job, on, (event) => {
    events.push(event);
    tell(event);
  }).then(() => null, (error) => error);
  return { events, text, error };
}

test("compare: a run's table has every layer and parameter", async () => {
  const { events, text, error } = await compareJob(gpu!);
  assert.equal(error, null);
  assert.deepEqual(events.map(({ event }) => event), ["start", "compare", "compare", "done"]);
  const [, step] = events as CompareEvent[];
  assert.deepEqual([step!.step, step!.failure], [1, null]);
  const named = (part: string) =>
    step!.tensors.filter((tensor) => tensor.part === part).map(({ name }) => name);
  const layers = nn.models.lenet5.rows.map(({ name }) => name);
  assert.deepEqual(named("output"), ["input", ...layers, "loss", "accuracy"]);
  // The first layer passes no gradient on; the others do, the last one first.
  assert.deepEqual(named("input gradient"), ["loss", ...layers.slice(1).reverse()]);
  const { parameters } = events[0] as unknown as { parameters: number };
  for (const part of ["gradient", "velocity", "weight"]) {
    const sizes = step!.tensors.filter((tensor) => tensor.part === part).map(({ shape }) =>
      shape.reduce((a, b) => a * b, 1)
    );
    assert.equal(sizes.reduce((a, b) => a + b, 0), parameters, part);
  }
  for (const { name, part, worst, ulps } of step!.tensors) {
    assert(worst !== null && worst <= 1, `${name}, ${part}: ${worst}`);
    assert(ulps !== null && ulps < 1000, `${name}, ${part}: ${ulps} ulps`);
  }
  assert.match(
    text,
    /\nstep 2: every op of \d+ is within its bound; closest to it: .* of .*, 0\.\d+ of it\ndone after 2 steps/,
  );
});

test("compare: a run on a device that is wrong goes on, and fails in the end", async () => {
  const wrong = spoiled(gpu!, "tanh", (data) => data[0]! += 1e-3);
  const { events, text, error } = await compareJob(wrong);
  assert.deepEqual(events.map(({ event }) => event), ["start", "compare", "compare"]);
  const [, first, second] = events as CompareEvent[];
  assert.deepEqual([first!.failure?.op, first!.failure?.gradientOf, first!.failure?.layer], [
    "tanh",
    null,
    "tanh1",
  ]);
  assert.notEqual(second!.failure, null);
  assert.equal(error?.message, `step 1: ${first!.failure!.message}`);
  assert.match(text, /\ntanh1 +2x\S+ +\S+ +\S+ +!/);
  assert(text.includes(`\nstep 1: ${first!.failure!.message}\n`));
});
