// Every gradient rule against central differences in f64, and so the gradients of gradients. Whether each primitive is
// among the samples is read from the registry.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fermi from "../mod.ts";
import { checkGradients } from "../debug/mod.ts";
import { device, gradients, type Tensor, tensor } from "../mod.ts";
import { apply, applyOne, definitionOf } from "../tensor/declare.ts";
import { postorder } from "../tensor/graph.ts";
import { gatherInRangeOp, scatterAddOp } from "../tensor/ops/indexing.ts";
import { padOp } from "../tensor/ops/movement/mod.ts";
import { maxPool2dOp, maxPool2dPickOp } from "../tensor/ops/pool2d.ts";
import { ops } from "../tensor/ops/registry.ts";
import { fill } from "./fixtures/mod.ts";

const exact = await device("cpu", { precision: "f64" });

let seed = 0;
/** Numbers between -1 and 1, none of which are close to another or to 0. */
function numbers(...shape: number[]): Tensor {
  const order = fill(shape, ++seed, 1);
  const ranks = Array.from(order.keys()).sort((a, b) => order[a]! - order[b]!);
  const data = new Float64Array(order.length);
  ranks.forEach((index, rank) => data[index] = (rank + 0.3) / order.length * 2 - 1);
  return tensor(data, { shape, device: exact });
}
const positive = (...shape: number[]) => known(numbers(...shape), (x) => x + 1.5);
const apart = (x: Tensor) => known(x, (value) => value + Math.sign(value) * 0.2);
const integers = (...values: number[]) => tensor(Int32Array.from(values), { device: exact });

/** A leaf made from another leaf's numbers. */
function known(x: Tensor, f: (value: number) => number): Tensor {
  if (x.value?.kind !== "host") throw new TypeError("wants a leaf");
  return tensor(Float64Array.from(x.value.data, f), { shape: x.shape, device: exact });
}

interface Sample {
  readonly args: readonly Tensor[];
  readonly f: (...args: Tensor[]) => Tensor;
}

function sample(args: readonly Tensor[], f: (...args: Tensor[]) => Tensor): Sample {
  return { args, f };
}

const conv = { stride: [2, 1], padding: [1, 0, 2, 1], dilation: [1, 2], groups: 2 } as const;
const pool = { window: [3, 2], stride: [2, 1], padding: [1, 0] } as const;
const lrn = { alpha: 0.3, beta: 0.75, k: 2, groups: 2 };
const places = integers(2, 0, 2, 7, -1);

const samples: Readonly<Record<string, Sample>> = {
  "add, sub, mul": sample([numbers(2, 1, 3), numbers(2, 1)], (a, b) => a.add(b).mul(a.sub(b)).mul(b)),
  div: sample([numbers(2, 3), positive(3)], (a, b) => a.div(b)),
  neg: sample([numbers(3)], (x) => x.neg().mul(x)),
  abs: sample([apart(numbers(5))], (x) => x.abs().mul(x)),
  square: sample([numbers(3)], (x) => x.square().square()),
  relu: sample([apart(numbers(6))], (x) => x.relu().mul(x)),
  exp: sample([numbers(3)], (x) => x.exp()),
  log: sample([positive(3)], (x) => x.log()),
  sqrt: sample([positive(3)], (x) => x.sqrt()),
  rsqrt: sample([positive(3)], (x) => x.rsqrt()),
  tanh: sample([numbers(3)], (x) => x.tanh()),
  sigmoid: sample([numbers(3)], (x) => x.sigmoid()),
  pow: sample([positive(2, 2), numbers(2, 2)], (a, b) => a.pow(b)),
  "pow of negatives": sample([apart(numbers(4))], (x) => x.pow(3).add(x.pow(2))),
  "maximum, minimum": sample(
    [numbers(6), known(numbers(6), (x) => x + 0.13)],
    (a, b) => a.maximum(b).mul(a.minimum(b)).mul(a),
  ),
  where: sample([numbers(2, 2), numbers(2)], (a, b) => a.greater(0).where(a.square(), b.exp())),
  cast: sample([numbers(3)], (x) => x.cast("f16").square().cast("f32")),
  "reshape, transpose, flip": sample(
    [numbers(2, 3, 2)],
    (x) => x.transpose([2, 0, 1]).reshape([3, 4]).flip({ axis: 1 }).exp(),
  ),
  broadcastTo: sample([numbers(2, 1)], (x) => x.broadcastTo([2, 2, 3]).exp()),
  slice: sample([numbers(5, 4)], (x) => x.slice({ start: [1, 0], end: [5, -1], step: [2, 3] }).exp()),
  pad: sample(
    [numbers(2, 3), numbers()],
    (x, value) => applyOne(padOp, [x, value], { before: [1, 0], after: [0, 2], interior: [2, 1] }).exp(),
  ),
  concat: sample([numbers(2, 1), numbers(2, 3)], (a, b) => fermi.concat([a, b, a], { axis: 1 }).exp()),
  sum: sample([numbers(2, 3, 2)], (x) => x.sum({ axis: [0, 2] }).square()),
  mean: sample([numbers(2, 3)], (x) => x.mean({ axis: 0, keepDims: true }).mul(x)),
  prod: sample([numbers(2, 3, 2)], (x) => x.prod({ axis: [0, 2] })),
  "prod with zeros": sample(
    [tensor([[0, 2, 3], [0, 0, 5], [1, 2, 0]], { device: exact })],
    (x) => x.prod({ axis: 1 }),
  ),
  max: sample([numbers(2, 3, 2)], (x) => x.max({ axis: [0, 2] }).exp()),
  min: sample([numbers(2, 3)], (x) => x.min({ axis: 1, keepDims: true }).mul(x)),
  matmul: sample([numbers(2, 2, 3), numbers(1, 3, 2)], (a, b) => a.matmul(b).square()),
  "matmul of transposed": sample(
    [numbers(3, 2), numbers(4, 3)],
    (a, b) => a.transpose().matmul(b.transpose()).square(),
  ),
  "matmul of vectors": sample([numbers(3), numbers(3, 2)], (a, b) => a.matmul(b).square()),
  linear: sample(
    [numbers(2, 3, 4), numbers(5, 4), numbers(5)],
    (x, w, bias) => fermi.linear(x, w, bias).square(),
  ),
  conv2d: sample([numbers(2, 4, 3, 4), numbers(2, 2, 2, 2)], (x, w) => fermi.conv2d(x, w, conv)),
  "conv2d with bias": sample(
    [numbers(2, 4, 3, 4), numbers(2, 2, 2, 2), numbers(2)],
    (x, w, bias) => fermi.conv2d(x, w, { ...conv, bias }),
  ),
  maxPool2d: sample([numbers(1, 2, 4, 4)], (x) => fermi.maxPool2d(x, pool).square()),
  maxPool2dPick: sample([numbers(1, 2, 4, 4)], (x) => {
    const geometry = { ...pool, padding: [1, 0, 1, 0] } as const;
    const index = apply(maxPool2dOp, [x.detach()], geometry)[1]!;
    return applyOne(maxPool2dPickOp, [x, index], geometry).exp();
  }),
  avgPool2d: sample([numbers(1, 2, 4, 4)], (x) => fermi.avgPool2d(x, pool).square()),
  localResponseNorm: sample([numbers(1, 6, 1, 2)], (x) => fermi.localResponseNorm(x, { ...lrn, size: 3 })),
  "localResponseNorm, even": sample(
    [numbers(1, 6, 1, 2)],
    (x) => fermi.localResponseNorm(x, { ...lrn, size: 4 }),
  ),
  softmax: sample([numbers(2, 3)], (x) => x.softmax({ axis: 0 })),
  logSoftmax: sample([numbers(2, 3)], (x) => x.logSoftmax()),
  crossEntropy: sample([numbers(3, 4)], (x) => fermi.crossEntropy(x, integers(3, 0, 1))),
  dropout: sample([numbers(8)], (x) => fermi.dropout(x, fermi.randomKey(5, { device: exact })).exp()),
  gather: sample([numbers(2, 3)], (x) => x.gather(integers(2, 0, 2).reshape([3, 1]), { axis: 1 }).exp()),
  gatherInRange: sample([numbers(3, 2)], (x) => applyOne(gatherInRangeOp, [x, places], { axis: 0 }).exp()),
  crop: sample(
    [numbers(2, 1, 3, 4)],
    (x) =>
      fermi.crop(x, integers(0, 1, 0, -1, 2, 1, 1, 0, 1, 2, -1, 0).reshape([2, 2, 3]), { size: [2, 3] })
        .exp(),
  ),
  scatterAdd: sample(
    [numbers(2, 5)],
    (x) => applyOne(scatterAddOp, [x, places], { axis: 1, extent: 3 }).exp(),
  ),
};

/** A scalar that weighs every element differently, so that no two mistakes cancel. */
function weighted(...tensors: readonly Tensor[]): Tensor {
  return tensors
    .map((x, i) => x.mul(tensor(fill(x.shape, 900 + i, 2), { shape: x.shape, device: exact })).sum())
    .reduce((a, b) => a.add(b));
}

for (const [name, { args, f }] of Object.entries(samples)) {
  test(`gradients: ${name}`, async () => {
    await checkGradients((...xs) => weighted(f(...xs)), args);
  });
  test(`gradients of gradients: ${name}`, async () => {
    const slope = (...xs: readonly Tensor[]) => weighted(...gradients(weighted(f(...xs)), xs));
    await checkGradients(slope, args, { tolerance: 1e-6 });
  });
}

test("gradients: the samples have every op that has a gradient", () => {
  const seen = new Set<string>();
  for (const { args, f } of Object.values(samples)) {
    const slopes = gradients(weighted(f(...args)), args);
    // Differentiated above: what the functions are made of, and what their gradients are made of.
    postorder([f(...args), ...slopes], ({ node }) => {
      if (node === null) return [];
      seen.add(node.op.name);
      return node.op.decompose === undefined ? node.inputs : [...node.inputs, ...definitionOf(node)];
    });
  }
  const missing = [...ops.values()].filter((op) => op.gradient !== null && !seen.has(op.name));
  assert.deepEqual(missing.map((op) => op.name), []);
});

test("gradients: what none reaches is zeros, and no rule is asked", () => {
  const x = numbers(3);
  const [dx] = gradients(x.exp().floor().sum(), [x]);
  const zerosHere = fermi.zeros([3], { device: exact });
  assert.deepEqual([dx!.node!.op, dx!.node!.inputs[0]!.node], [zerosHere.node!.op, null]);
});

test("gradients: an error of the rule is found, and names its place", async () => {
  const wrong = (x: Tensor) => x.square().add(x.detach());
  await assert.rejects(
    () => checkGradients(wrong, [numbers(2)]),
    /argument 0, element \[\d\]: the gradient is -?[\d.]+, the central difference -?[\d.]+/,
  );
});
