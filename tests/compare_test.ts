// Comparing every op with the CPU: right devices pass, a device that gets one number wrong is found out, and the table of a
// step has all layers and parameters.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareOps, describeOp, recordProvenance } from "../debug/mod.ts";
import { type Device, nn, randomKey, SGD, type Tensor } from "../mod.ts";
import {
  type CompareEvent,
  prepareJob,
  runJob,
  textReporter,
  type TrainEvent,
  TrainingStep,
} from "../train/mod.ts";
import { devices, webgpuVariants } from "./devices.ts";
import { assertRight, spoiled } from "./spoiled.ts";

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

for (const { name, device: on } of [{ name: "cpu", device: cpu! }, ...variants]) {
  test(`compare: every op of a step of training is within its bound, ${name}`, async () => {
    const { step } = await makeStep(on);
    for (let i = 0; i < 2; i++) {
      const found = await compareOps(step());
      assertRight(found);
      const names = new Set(found.ops.map(({ node }) => node.op.name));
      for (
        const wanted of [
          "conv2dWithBias",
          "conv2dInputGradient",
          "conv2dParameterGradients",
          "linear",
          "linearParameterGradients",
          "localResponseNormGradient",
          "maxPool2dGradient",
          "dropout",
          "reshape",
          "matmul",
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
  const wrong = spoiled(gpu!, "conv2dParameterGradients", (data) => {
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
    ["conv2dParameterGradients", "gradient", "towers"],
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
    /^conv2dParameterGradients \(gradient of conv2dWithBias\) leaves its bound: layer towers, .+:\d+: element /,
  );
  assert(sentence.includes(`: element [${at.join(", ")}] is `), sentence);
  // What was made from the wrong number is right.
  assert.deepEqual(ops.filter(({ worst }) => worst > 1).map(({ node }) => node.op.name), [
    first!.node.op.name,
  ]);
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
