// The fixtures are only as good as the arrays that `fill` makes from their recipes, and as the files being whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, loadAlexnet, loadOps, loadTrajectory } from "./fixtures/mod.ts";

const elements = (shape: number[]) => shape.reduce((product, size) => product * size, 1);

test("fixtures: fill gives the known first values, rounded once to f32", () => {
  const known = [-0.215749711, -0.264248908, -0.934548318, 0.106938377];
  assert.deepEqual(fill([4], 1, 2), Float32Array.from(known));
  assert.deepEqual(fill([2, 2], 1, 2), fill([4], 1, 2));
  assert.equal(fill([], 1, 2).length, 1);
  assert.equal(fill([3, 0], 1, 2).length, 0);
});

test("fixtures: fill stays within half its scale", () => {
  const values = fill([100_000], 7001, 2);
  assert(values.every((value) => value >= -1 && value <= 1));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  assert(Math.abs(mean) < 0.01, `mean ${mean}`);
});

test("fixtures: every op case is whole", async () => {
  const cases = await loadOps();
  assert.equal(cases.length, 56);
  for (const { op, inputs, output, gradients } of cases) {
    assert.equal(output.data.length, elements(output.shape), op);
    assert.deepEqual(
      gradients.map((gradient) => gradient.length),
      inputs.map(({ shape }) => elements(shape)),
      op,
    );
  }
});

test("fixtures: AlexNet has its 60,965,224 parameters", async () => {
  const { parameters, labels, logits, gradients } = await loadAlexnet();
  const total = Object.values(parameters).reduce((sum, { shape }) => sum + elements(shape), 0);
  assert.equal(total, 60_965_224);
  assert.equal(logits.length, labels.length * 1000);
  assert.deepEqual(Object.keys(gradients), Object.keys(parameters));
});

test("fixtures: the trajectory has twenty losses", async () => {
  const { losses, parameters, finalNorms } = await loadTrajectory();
  assert.equal(losses.length, 20);
  assert.deepEqual(Object.keys(finalNorms), Object.keys(parameters));
});
