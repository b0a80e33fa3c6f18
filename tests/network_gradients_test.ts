// The gradients of whole networks against central differences, in f64 on the CPU backend.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  concat,
  crossEntropy,
  device,
  foldIn,
  localResponseNorm,
  nn,
  normal,
  randomBits,
  randomKey,
  type Tensor,
  tensor,
} from "../mod.ts";
import {
  type CheckDoneEvent,
  type CheckEvent,
  type GradientEvent,
  networkGradients,
  prepareCheck,
  runCheck,
  textCheckReporter,
} from "../train/mod.ts";
import { replay, runs, seed } from "./seeds.ts";

const f64 = await device("cpu", { precision: "f64" });

/** Every parameter as a whole, some of its elements, and the one with the largest gradient. */
async function check(
  model: nn.Module,
  images: readonly [number, number, number, number],
  { limit, seed }: { readonly limit: number; readonly seed: number },
): Promise<GradientEvent[]> {
  const key = randomKey(seed, { device: f64 });
  const x = normal(foldIn(key, 0), images);
  const bits = await randomBits(foldIn(key, 1), [images[0]]).data();
  const labels = tensor(Int32Array.from(bits, (each) => each % CLASSES), { device: f64 });
  const loss = () => crossEntropy(model.forward(x, nn.training(foldIn(key, 2))), labels);
  const slopes: GradientEvent[] = [];
  for await (const slope of networkGradients({ model, loss, limit, seed })) slopes.push(slope);
  assert.deepEqual(slopes.filter(({ agrees }) => !agrees), []);
  // One direction each, and gradients that are not all zero.
  const whole = slopes.filter(({ element }) => element === null);
  assert.deepEqual(whole.map(({ parameter }) => parameter), [...model.parameters().keys()]);
  assert.ok(whole.every(({ analytic }) => analytic !== 0));
  return slopes;
}

const CLASSES = 10;

test("gradients of networks: LeNet-5", async () => {
  const model = nn.build(nn.models.lenet5, { key: randomKey(1, { device: f64 }) });
  await check(model, [2, 1, 28, 28], { limit: 4, seed: 3 });
});

test("gradients of networks: AlexNet for small images, with groups, normalisation and dropout", async () => {
  const key = randomKey(1, { device: f64 });
  const model = nn.build(nn.models.alexnet_mini, { key, init: "he", dropout: 0.5 });
  await check(model, [1, 1, 28, 28], { limit: 2, seed: 4 });
});

/** Two paths from one convolution, of kinds that are drawn, side by side, and added to a third that goes past them. */
class TwoPaths extends nn.Module {
  readonly stem: nn.Conv2d;
  readonly left: nn.Conv2d;
  readonly right: nn.Conv2d;
  readonly past: nn.Conv2d;
  readonly head: nn.Linear;
  readonly #choices: readonly number[];

  constructor(key: Tensor, choices: readonly number[]) {
    super();
    this.#choices = choices;
    const { stride, dilation, maps } = this.#drawn();
    const conv = (
      number: number,
      from: number,
      to: number,
      options: { groups?: number; dilation?: number },
    ) =>
      new nn.Conv2d(from, to, {
        key: foldIn(key, number),
        window: 3,
        padding: options.dilation ?? 1,
        bias: nn.init.normal(0.1),
        ...options,
      });
    this.stem = new nn.Conv2d(2, maps, { key: foldIn(key, 0), window: 3, stride, padding: 1 });
    this.left = conv(1, maps, maps, { groups: 2 });
    this.right = conv(2, maps, maps, { dilation });
    this.past = conv(3, maps, 2 * maps, {});
    this.head = new nn.Linear(2 * maps, CLASSES, { key: foldIn(key, 4), weight: nn.init.normal(0.5) });
  }

  #drawn() {
    const [stride, dilation, maps] = this.#choices.map((choice) => choice % 2);
    return { stride: 1 + stride!, dilation: 1 + dilation!, maps: 4 + 2 * maps! };
  }

  override forward(x: Tensor, context: nn.ForwardContext = nn.evaluation): Tensor {
    const [, , , left, right, pool] = this.#choices;
    const bend = (y: Tensor, choice: number) => [y.relu(), y.tanh(), y.sigmoid(), y.abs()][choice % 4]!;
    const stem = bend(this.stem.forward(x), left! >>> 2);
    const paths = concat([
      localResponseNorm(bend(this.left.forward(stem), left!), { alpha: 0.5 }),
      bend(this.right.forward(stem), right!),
    ], { axis: 1 });
    const sum = new nn.Dropout({ p: 0.25 }).forward(paths.add(this.past.forward(stem)), context);
    const options = { window: 3, stride: 2, padding: 1 };
    const Pool = pool! % 2 === 0 ? nn.MaxPool2d : nn.AvgPool2d;
    return this.head.forward(new Pool(options).forward(sum).mean({ axis: [2, 3] }));
  }
}

test("gradients of networks: random ones with two paths", async () => {
  const draw = await randomBits(randomKey(seed, { device: f64 }), [runs(12), 6]).array() as number[][];
  for (const [i, choices] of draw.entries()) {
    const model = new TwoPaths(randomKey(i, { device: f64 }), choices);
    const what = `network ${i}, ${choices}`;
    await replay(async () => {
      await assert.doesNotReject(() => check(model, [2, 2, 7, 7], { limit: 6, seed: i }), what);
    }, { file: "network_gradients_test.ts", test: ": random ones with two paths" });
  }
});

test("gradients of networks: a check that is interrupted says so, and shows all that it found", async () => {
  const recipe = { batch: 1 };
  const job = await prepareCheck({ model: "lenet5", dataset: "synthetic", seed: 1, limit: 2, recipe });
  const controller = new AbortController();
  let text = "";
  const tell = textCheckReporter({ write: (more: string) => text += more }, { quiet: false });
  const events: CheckEvent[] = [];
  const running = runCheck(job, f64, (event) => {
    events.push(event);
    tell(event);
    if (events.length === 2) controller.abort();
  }, controller.signal);
  await assert.rejects(running, { message: "interrupted after 1 of 40 gradients" });
  const done = events.at(-1) as CheckDoneEvent;
  assert.deepEqual([events.length, done.interrupted, done.gradients, done.planned], [3, true, 1, 40]);
  assert.match(
    text,
    /\nconv1\.weight +\[6, 1, 5, 5\] +\[.*\n.*interrupted after 1 of 40 gradients: of these all 1 gradients agree within /,
  );
});
