// The update, the loop, and the trajectory that PyTorch took.

import assert from "node:assert/strict";
import { test } from "node:test";
import { batches, type Dataset, fashionMnist, inMemory, synthetic, take } from "../data/mod.ts";
import { type Device, foldIn, gradients, nn, Parameter, randomKey, SGD, tensor } from "../mod.ts";
import {
  Evaluator,
  jsonReporter,
  makeSchedule,
  prepareJob,
  runJob,
  textReporter,
  train,
  type TrainEvent,
  TrainingStep,
} from "../train/mod.ts";
import { startOf } from "../train/start_event.ts";
import { devices } from "./devices.ts";
import { fill, loadTrajectory } from "./fixtures/mod.ts";

const all = await devices();

test("sgd: v = m v - wd lr w - lr g; w = w + v", async () => {
  for (const device of all) {
    const w = new Parameter(tensor([4, -2], { device }), { name: "w" });
    const sgd = new SGD([w], { momentum: 0.5, weightDecay: 0.25 });
    // The loss w^2 has the gradient 2 w.
    sgd.step(gradients(w.square().sum(), [w]), 0.5);
    assert.deepEqual(await sgd.velocities[0]!.array(), [-4.5, 2.25]);
    assert.deepEqual(await w.array(), [-0.5, 0.25]);
    sgd.step(gradients(w.square().sum(), [w]), 0.25);
    assert.deepEqual(await sgd.velocities[0]!.array(), [-1.96875, 0.984375]);
    assert.deepEqual(await w.array(), [-2.46875, 1.234375]);
    assert.throws(() => sgd.step([], 1), /SGD: 1 parameters, got 0 gradients/);
    assert.throws(() => new SGD([w], { momentum: 1 }), RangeError);
    assert.throws(() => new SGD([w], { weightDecay: NaN }), RangeError);
  }
});

test("schedules", () => {
  const linear = makeSchedule("linear", 0.1);
  const rates = [linear.rate(0, 400), linear.rate(49, 400), linear.rate(100, 400), linear.rate(200, 400)];
  [0.001, 0.05 * 351 / 400, 0.075, 0.05].forEach((wanted, i) => assert(Math.abs(rates[i]! - wanted) < 1e-9));
  const plateau = makeSchedule("plateau", 1);
  for (const accuracy of [0.1, 0.2, 0.2, 0.15]) plateau.epochEnded(accuracy);
  assert.equal(plateau.rate(9, 10), 1);
  plateau.epochEnded(0.2);
  assert.equal(plateau.rate(9, 10), 0.1);
  const impatient = makeSchedule("plateau", 1, 1);
  for (const accuracy of [0.1, 0.1, 0.2, 0.2, 0.2, 0.2]) impatient.epochEnded(accuracy);
  assert(Math.abs(impatient.rate(9, 10) - 0.001) < 1e-9);
});

/** The small AlexNet with the fixture's weights, and the first losses of its training. */
async function followTrajectory(
  device: Device,
  steps: number,
): Promise<{ losses: number[]; model: nn.Module }> {
  const fixture = await loadTrajectory();
  const model = nn.build(nn.models.alexnet_mini, { key: randomKey(0, { device }), dropout: 0 });
  const parameters = model.parameters();
  for (const [name, { shape, seed, scale }] of Object.entries(fixture.parameters)) {
    parameters.get(name)!.assign(tensor(fill(shape, seed, scale), { shape, device }));
  }
  const { train, shape } = await fashionMnist();
  const optimiser = new SGD(parameters.values(), fixture);
  const step = new TrainingStep({ device, model, optimiser, batch: fixture.batch, shape });
  await step.prepare();
  const arriving = [];
  for await (
    const { images, labels } of batches(take(train, steps * fixture.batch), shape, {
      batch: 64,
      last: "drop",
    })
  ) {
    arriving.push(step.run(images, labels, fixture.lr, null));
  }
  return { losses: (await Promise.all(arriving)).map(({ loss }) => loss), model };
}

for (const device of all) {
  test(`trajectory: twenty steps as PyTorch takes them, ${device.name}`, async () => {
    const fixture = await loadTrajectory();
    const { losses, model } = await followTrajectory(device, 20);
    assert.equal(losses.length, 20);
    losses.forEach((loss, i) => {
      const expected = fixture.losses[i]!;
      const error = Math.abs(loss - expected) / expected;
      assert(error <= (i < 8 ? 1e-5 : 0.02), `step ${i + 1}: ${loss} is ${error} away from ${expected}`);
    });
    for (const [name, parameter] of model.parameters()) {
      const norm = await parameter.square().sum().sqrt().item();
      const expected = fixture.finalNorms[name]!;
      assert(Math.abs(norm - expected) <= 0.02 * expected, `${name} has the norm ${norm}, wants ${expected}`);
    }
  });
}

/** A tiny network on tiny images. */
async function tiny(device: Device): Promise<{ model: nn.Module; dataset: Dataset; optimiser: SGD }> {
  const key = randomKey(5, { device });
  const dataset = await synthetic({ key, shape: [1, 8, 8], classes: 4, trainCount: 42, testCount: 22 });
  const model = new nn.Sequential({
    flatten: new nn.Flatten(),
    hidden: new nn.Linear(64, 16, { key: foldIn(key, 10) }),
    relu: new nn.ReLU(),
    dropout: new nn.Dropout({ p: 0.25 }),
    output: new nn.Linear(16, 4, { key: foldIn(key, 11) }),
  });
  return { model, dataset, optimiser: new SGD(model.parameters().values()) };
}

async function runTiny(
  device: Device,
  options: { steps: number; lr?: number; evalEvery?: number; signal?: AbortSignal; onStep?: () => void },
): Promise<{ events: TrainEvent[]; result: Awaited<ReturnType<typeof train>> }> {
  const events: TrainEvent[] = [];
  const result = await train({
    ...await tiny(device),
    ...options,
    device,
    schedule: makeSchedule("linear", options.lr ?? 0.5),
    batch: 8,
    stepKey: randomKey(1, { device }),
    shuffleKey: randomKey(2, { device }),
    report: (event) => {
      events.push(event);
      if (event.event === "step") options.onStep?.();
    },
  });
  return { events, result };
}

const sequence = (events: TrainEvent[]) =>
  events.map((event) =>
    event.event === "step" || event.event === "eval" ? `${event.event} ${event.step}` : event.event
  );

test("loop: steps in order, the last partial batch dropped, evaluations where they belong", async () => {
  for (const device of all) {
    const { events, result } = await runTiny(device, { steps: 12, evalEvery: 3 });
    const expected = [1, 2, 3, "e3", 4, 5, "e5", 6, "e6", 7, 8, 9, "e9", 10, "e10", 11, 12, "e12"].map((
      entry,
    ) => typeof entry === "number" ? `step ${entry}` : `eval ${entry.slice(1)}`);
    assert.deepEqual(sequence(events), expected);
    assert.deepEqual([result.steps, result.interrupted], [12, false]);
    const epochs = events.flatMap((event) => event.event === "step" ? [event.epoch] : []);
    assert.deepEqual(epochs, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]);
  }
});

test("loop: learns, and a seed is a run", async () => {
  for (const device of all) {
    const [first, again] = [await runTiny(device, { steps: 40 }), await runTiny(device, { steps: 40 })];
    const losses = ({ events }: typeof first) =>
      events.flatMap((event) => event.event === "step" ? [event.loss] : []);
    assert.deepEqual(losses(first), losses(again));
    assert(first.result.evaluation!.accuracy > 0.9, `${first.result.evaluation!.accuracy}`);
  }
});

test("loop: a signal ends it with what was learned", async () => {
  const controller = new AbortController();
  let seen = 0;
  const { events, result } = await runTiny(all[0]!, {
    steps: 1000,
    signal: controller.signal,
    onStep: () => ++seen === 7 && controller.abort(),
  });
  assert(result.interrupted);
  assert(result.steps >= 7 && result.steps < 30);
  assert.equal(sequence(events).at(-1), `eval ${result.steps}`);
  assert.equal(result.evaluation !== null, true);
});

test("loop: a loss that is not finite ends it with one sentence", async () => {
  for (const device of all) {
    await assert.rejects(runTiny(device, { steps: 40, lr: 1e30 }), /loss is not finite (at|after) step \d+/);
  }
});

test("evaluation: every image counts once, whatever the batch", async () => {
  for (const device of all) {
    const { model, dataset } = await tiny(device);
    const { shape, classes, test: split } = dataset;
    const measure = (batch: number) => new Evaluator({ model, device, split, shape, classes, batch }).run();
    const [one, seven, many] = [await measure(1), await measure(7), await measure(100)];
    assert.equal(one.accuracy, seven.accuracy);
    assert.equal(one.accuracy, many.accuracy);
    assert(Math.abs(one.loss - seven.loss) < 1e-6 * one.loss);
    assert(Math.abs(one.loss - many.loss) < 1e-6 * one.loss);
  }
});

test("evaluation: of equal scores the first class ranks first, in both errors, and NaN is an error", async () => {
  const [classes, size] = [12, 12];
  // One image a class, all of which get the same scores.
  const split = inMemory(
    new Uint8Array(classes * size),
    Uint8Array.from({ length: classes }, (_, k) => k),
    size,
  );
  const descending = Array.from({ length: classes }, (_, k) => -k);
  const both = [1, 10] as const;
  // Ten crops average what softmax gives, which is NaN for a whole row or open.
  const rows: [what: string, scores: number[], crops: readonly (1 | 10)[]][] = [
    ["all equal", descending.map(() => 0.5), both],
    ["pairs", descending.map((_, k) => -(k >> 1)), both],
    ["ties across the fifth place", [3, 1, 4, 1, 5, 1, 1, 2, 1, 0, 1, -1], both],
    ["the largest at the end, twice", [...descending.slice(0, 10), 7, 7], both],
    ["infinities", descending.map((score, k) => k % 3 === 1 ? -Infinity : score), [1]],
    ["one NaN", descending.map((score, k) => k === 3 ? NaN : score), [1]],
    ["nothing but NaN", descending.map(() => NaN), both],
  ];
  for (const device of all) {
    for (const [what, scores, ways] of rows) {
      const bias = () => tensor(scores, { device });
      const layer = new nn.Linear(size, classes, {
        key: randomKey(1, { device }),
        weight: nn.init.constant(0),
        bias,
      });
      const model = new nn.Sequential({ flatten: new nn.Flatten(), layer });
      // A NaN is ahead of all, and all are ahead of it.
      const ranks = scores.map((own, label) =>
        scores.filter((score, k) => k !== label && !(score < own || score === own && k > label)).length
      );
      const share = (places: number) => ranks.filter((rank) => rank < places).length / classes;
      for (const crops of ways) {
        const options = { model, device, split, shape: [1, 3, 4], classes, crops, batch: 50 } as const;
        const evaluator = new Evaluator(options);
        const { accuracy, top5Error } = await evaluator.run();
        assert.deepEqual(
          [accuracy, top5Error],
          [share(1), 1 - share(5)],
          `${what}, ${crops}, ${device.name}`,
        );
        evaluator.dispose();
      }
    }
  }
});

test("job: the start tells whose weights a network starts with", async () => {
  const measured = {
    parameters: 1,
    dataset: "synthetic",
    trainImages: 1,
    testImages: 1,
    backend: "cpu",
    device: "a device",
    augment: "none",
    stepsPerEpoch: 1,
    steps: 1,
  } as const;
  const told = async (model: nn.ModelName, init?: nn.InitName) => {
    const job = await prepareJob({ model, dataset: "synthetic", seed: 0, recipe: { init } });
    return startOf(job, measured).init;
  };
  const models = ["alexnet", "alexnet_mini", "alexnet_owt", "lenet5"] as const;
  assert.deepEqual(await Promise.all(models.map((model) => told(model))), [
    "paper",
    "he",
    "pytorch",
    "paper",
  ]);
  assert.deepEqual(await Promise.all(models.map((model) => told(model, "he"))), Array(4).fill("he"));
});

test("job: reports as JSON lines and as text", async () => {
  const recipe = { batch: 16 };
  const job = await prepareJob({
    model: "lenet5",
    dataset: "synthetic",
    seed: 1,
    steps: 2,
    limit: 40,
    recipe,
  });
  let [json, quiet, text] = ["", "", ""];
  const reporters = [
    jsonReporter({ write: (part) => json += part }, { quiet: false }),
    textReporter({ write: (part) => quiet += part }, { quiet: true }),
    textReporter({ write: (part) => text += part }, { quiet: false }),
  ];
  await runJob(job, all[0]!, (event) => reporters.forEach((reporter) => reporter(event)));
  const events = json.trimEnd().split("\n").map((line) => JSON.parse(line) as TrainEvent);
  assert.deepEqual(sequence(events), ["start", "step 1", "step 2", "eval 2", "done"]);
  assert.match(quiet, /^done after 2 steps and 0:\d\d: test accuracy 0\.\d{4}, test loss \d\.\d{4}\n$/);
  assert.match(text, /^lenet5: 61,706 parameters, on cpu/);
});
