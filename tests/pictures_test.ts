// What pictures of a run are made from: counts, neighbours, the places of kernels, curves, and a look at a network.

import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Dataset, ImageInput, synthetic } from "../data/mod.ts";
import { device, foldIn, nn, randomKey, tensor } from "../mod.ts";
import type { EvalEvent, StepEvent } from "../train/events.ts";
import { Course } from "../train/pictures/course.ts";
import { drawKernels, tilingOf } from "../train/pictures/kernels.ts";
import { Observer } from "../train/pictures/look.ts";
import { confusion, evenly, largest, nearest, variety } from "../train/pictures/numbers.ts";
import { fit, percent, shorten } from "../train/pictures/words.ts";
import { drawBar } from "../train/progress_bar.ts";
import { seed } from "./seeds.ts";

test("confusion: row what it is, column what it was taken for", () => {
  assert.deepEqual([...confusion([0, 1, 1, 2, 2, 2], [0, 1, 0, 2, 2, 1], 3)], [1, 0, 0, 1, 1, 0, 0, 1, 2]);
  const pair = fc.tuple(fc.nat(4), fc.nat(4));
  fc.assert(
    fc.property(fc.array(pair), (pairs) => {
      const counts = confusion(pairs.map(([label]) => label), pairs.map(([, guess]) => guess), 5);
      for (let label = 0; label < 5; label++) {
        for (let guess = 0; guess < 5; guess++) {
          const expected = pairs.filter(([a, b]) => a === label && b === guess).length;
          assert.equal(counts[label * 5 + guess], expected);
        }
      }
    }),
    { seed },
  );
  assert.throws(() => confusion([3], [0], 3), /class 3 of image 0 is not one of 3/);
  assert.throws(() => confusion([0], [-1], 3), RangeError);
});

test("nearest: the same as sorting all distances", () => {
  const whole = fc.integer({ min: -3, max: 3 });
  const case_ = fc.integer({ min: 1, max: 5 }).chain((size) =>
    fc.tuple(
      fc.array(whole, { minLength: size, maxLength: size }),
      fc.array(fc.array(whole, { minLength: size, maxLength: size }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
    )
  );
  fc.assert(
    fc.property(case_, ([point, candidates, count]) => {
      const squares = candidates.map((each) => each.reduce((sum, x, i) => sum + (x - point[i]!) ** 2, 0));
      const order = squares.map((_, i) => i).sort((a, b) => squares[a]! - squares[b]! || a - b);
      const found = nearest(Float32Array.from(point), Float32Array.from(candidates.flat()), count);
      assert.deepEqual(
        found,
        order.slice(0, count).map((index) => ({ index, distance: Math.sqrt(squares[index]!) })),
      );
    }),
    { seed, numRuns: 300 },
  );
});

test("choices: the largest, evenly spread, and of many classes", () => {
  assert.deepEqual(largest([1, 5, 2, 5, 0], 3), [1, 3, 2]);
  assert.deepEqual(evenly(10, 5), [1, 3, 5, 7, 9]);
  assert.deepEqual(evenly(3, 8), [0, 1, 2]);
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 8 }),
      (labels, n) => {
        const places = variety(labels.length, n, (index) => labels[index]!);
        assert.equal(places.length, Math.min(n, labels.length));
        assert.equal(new Set(places).size, places.length);
        const classes = new Set(places.map((place) => labels[place]));
        assert.equal(classes.size, Math.min(places.length, new Set(labels).size));
      },
    ),
    { seed },
  );
});

test("kernels: 96 of 11x11x3 are six rows of sixteen, three a tower", () => {
  const shape = [96, 3, 11, 11];
  const { columns, rows, tops, scale } = tilingOf(shape, 2);
  assert.deepEqual([columns, rows, scale], [16, 3, 5]);
  const weights = Float32Array.from({ length: 96 * 3 * 121 }, (_, i) => Math.sin(i) * (1 + i % 7));
  const { width, height, pixels } = drawKernels(weights, shape, 2);
  assert.deepEqual([width, height], [16 * 60 - 5, 2 * 3 * 60 + 2 * 5 - 5]);
  for (const kernel of [0, 17, 47, 48, 95]) {
    const own = weights.subarray(kernel * 363, (kernel + 1) * 363);
    const most = Math.max(...own.map(Math.abs));
    const top = tops[Math.floor(kernel / 48)]! + Math.floor(kernel % 48 / 16) * 60;
    const left = kernel % 16 * 60;
    for (const [y, x] of [[0, 0], [3, 7], [10, 10]] as const) {
      const at = ((top + y * scale + 2) * width + left + x * scale + 2) * 4;
      const expected = [0, 1, 2].map((channel) =>
        Math.round(127.5 + 127.5 * own[channel * 121 + y * 11 + x]! / most)
      );
      assert.deepEqual([...pixels.subarray(at, at + 4)], [...expected, 255], `kernel ${kernel}, ${y}, ${x}`);
    }
  }
  // Between kernels, and between towers, nothing is drawn.
  assert.equal(pixels[57 * 4 + 3], 0);
  assert.equal(pixels[(3 * 60 + 2) * width * 4 + 3], 0);
});

test("kernels: grey ones, one tower, and one that is all zero", () => {
  const { width, height, pixels } = drawKernels(new Float32Array(6 * 25), [6, 1, 5, 5], 1);
  const { scale } = tilingOf([6, 1, 5, 5], 1);
  assert.deepEqual([width, height], [(6 * 6 - 1) * scale, 5 * scale]);
  assert.deepEqual([...pixels.subarray(0, 4)], [128, 128, 128, 255]);
});

const step = (step: number, loss = 1): StepEvent => ({
  event: "step",
  step,
  epoch: 1,
  loss,
  accuracy: 0.5,
  lr: 0.1,
  imagesPerSecond: 10,
});
const evaluation = (step: number): EvalEvent => ({
  event: "eval",
  epoch: 1,
  step,
  accuracy: 0.5,
  loss: 1,
  crops: 1,
  images: 10,
});

test("course of a run: as many points as can be drawn, and their means are those of the steps", () => {
  for (const steps of [1, 599, 600, 601, 5000]) {
    const course = new Course();
    for (let i = 1; i <= steps; i++) course.add(step(i, i));
    const { stretches } = course;
    assert(stretches.length <= 600 && stretches.length >= Math.min(steps, 300), `${stretches.length}`);
    assert.deepEqual([stretches[0]!.first, stretches.at(-1)!.last, course.steps], [1, steps, steps]);
    for (const [i, { first, last, count, loss }] of stretches.entries()) {
      assert.equal(count, last - first + 1);
      assert.equal(first, (stretches[i - 1]?.last ?? 0) + 1);
      assert(Math.abs(loss - (first + last) / 2) < 1e-9 * loss);
    }
  }
});

test("course of a run: steps that are made again after a checkpoint count once", () => {
  const course = new Course();
  for (let i = 1; i <= 10; i++) course.add(step(i, 1));
  course.add(evaluation(5));
  course.add(evaluation(10));
  assert.deepEqual(course.evaluations.map(({ step }) => step), [5, 10]);
  for (let i = 7; i <= 9; i++) course.add(step(i, 2));
  assert.deepEqual(course.stretches.map(({ loss }) => loss), [1, 1, 1, 1, 1, 1, 2, 2, 2]);
  assert.deepEqual([course.evaluations.map(({ step }) => step), course.steps], [[5], 9]);
});

test("look: features are what the last layer gets, and neighbours and guesses follow from them", async () => {
  const cpu = await device("cpu");
  const key = randomKey(3, { device: cpu });
  const shape = [1, 8, 8] as const;
  const made: Dataset = await synthetic({ key, shape, classes: 4, trainCount: 40, testCount: 20 });
  const model = new nn.Sequential({
    conv1: new nn.Conv2d(1, 4, { window: 3, key: foldIn(key, 1) }),
    relu1: new nn.ReLU(),
    conv2: new nn.Conv2d(4, 6, { window: 3, groups: 2, key: foldIn(key, 2) }),
    flatten: new nn.Flatten(),
    fc3: new nn.Linear(96, 10, { key: foldIn(key, 3) }),
    dropout: new nn.Dropout(),
    fc4: new nn.Linear(10, 4, { key: foldIn(key, 4) }),
  });
  const input = new ImageInput({ images: shape, device: cpu });
  const observer = new Observer({ device: cpu, model, dataset: made, input, precision: "f32" }, 16);
  const look = (await observer.look(3))!;
  // Asked before each of the 2 + 3 batches, and after each of the two parts.
  for (const batches of [0, 1, 2, 3, 5, 6]) {
    let asked = 0;
    assert.equal(await observer.look(4, () => asked++ >= batches), null);
  }
  observer.dispose();
  assert.deepEqual([look.step, look.tested, look.compared, look.features], [3, 20, 40, 10]);
  assert.deepEqual([look.kernels!.shape, look.kernels!.towers], [[4, 1, 3, 3], 2]);

  /** Features and probabilities of one image, by the network's own forward pass. */
  const of = async (image: Uint8Array) => {
    const x = input.test(tensor(image, { shape: [1, ...shape], device: cpu }));
    const layers = [...model.layers.values()].slice(0, -1);
    const features = layers.reduce((y, layer) => layer.forward(y), x);
    return { features: await features.data(), probabilities: await model.forward(x).softmax().data() };
  };
  for (const { image, top } of [...look.samples, ...look.mistakes]) {
    const { probabilities } = await of(image);
    const order = largest(probabilities, 4);
    assert.deepEqual(top.map(({ label }) => label), order);
    for (const [i, { probability }] of top.entries()) {
      assert(Math.abs(probability - probabilities[order[i]!]!) < 1e-6);
    }
  }
  assert(look.mistakes.every(({ label, top }) => label !== top[0]!.label));
  const right = look.confusion!.filter((_, i) => i % 5 === 0).reduce((a, b) => a + b);
  assert.equal(look.confusion!.reduce((a, b) => a + b), 20);
  assert(right + look.mistakes.length <= 20);
  for (const { image, nearest } of look.likenesses) {
    const own = (await of(image)).features;
    const distances = await Promise.all(nearest.map(async ({ image, distance }) => {
      const { features } = await of(image);
      const expected = Math.hypot(...features.map((value, i) => value - own[i]!));
      assert(Math.abs(distance - expected) < 1e-5, `${distance}, ${expected}`);
      return distance;
    }));
    assert.equal(nearest.length, 6);
    assert.deepEqual(distances, distances.toSorted((a, b) => a - b));
  }
});

test("bar: as wide as the terminal allows, and what matters most stays", () => {
  const state = {
    epoch: 2,
    epochs: 15,
    made: 30,
    steps: 120,
    loss: 0.5234,
    error: 0.189,
    imagesPerSecond: 412.3,
    left: { epoch: 65, run: 4000 },
  };
  assert.equal(
    drawBar(state, 200),
    `epoch  2/15 ${"━".repeat(8)}${
      "─".repeat(24)
    }   30/120  loss 0.523  error 18.9%  412 images/s  1:05 left, run 1:06:40`,
  );
  assert.match(drawBar({ ...state, made: 120, took: 61 }, 200), / ━{32} {2}120\/120 .* in 1:01$/);
  for (let columns = 1; columns <= 120; columns++) {
    const text = drawBar(state, columns);
    assert(text.length < columns || columns === 1, `${columns}: ${text}`);
    if (columns >= 40) assert.match(text, /loss 0\.523/);
  }
});

test("words: shares and names as people read them", () => {
  assert.deepEqual([0, 0.00001, 0.0005, 0.5, 0.9999, 1].map(percent), [
    "0%",
    "<0.01%",
    "0.05%",
    "50.0%",
    "100%",
    "100%",
  ]);
  const bold = { size: 12, bold: true };
  assert.deepEqual([fit("Ankle boot", 200, bold), fit("Ankle boot", 70, bold), fit("WWWWWW", 70, bold)], [
    "Ankle boot",
    "Ankle b…",
    "WWWW…",
  ]);
  assert.deepEqual([fit("Ankle boot", 5, bold), fit("\u{1f45f}\u{1f45f}", 20, bold)], ["A…", "\u{1f45f}…"]);
  assert.deepEqual([shorten("Ankle boot", 20), shorten("Ankle boot", 8)], ["Ankle boot", "Ankle b…"]);
});
