// What docs/special_values.md says of gradients at ties, kinks and poles, of softmax and its loss at extreme logits, and
// of tensors without elements: the same on every device, exactly.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as fermi from "../mod.ts";
import { type Device, device, gradients, ones, type Tensor, tensor, zeros } from "../mod.ts";
import { webgpuVariants } from "./devices.ts";

const variants = await webgpuVariants();
const cpu = await device("cpu");
const all = [{ name: "cpu", device: cpu }, ...variants];
const INF = Infinity;

/** A function of tensors, numbers for them, and its gradients. */
type Row = readonly [
  what: string,
  f: (...operands: readonly Tensor[]) => Tensor,
  operands: readonly (readonly number[])[],
  meant: readonly (readonly number[])[],
];

const window = (x: Tensor, stride: number) =>
  fermi.maxPool2d(x.reshape([1, 1, 1, x.size]), { window: [1, 2], stride: [1, stride] });

/** -0 is written where the sign of a zero is meant to be that of the arithmetic; zeros are compared without it. */
const GRADIENTS: readonly Row[] = [
  ["relu", (x) => x!.relu(), [[-1, 0, -0, 2, -INF, INF]], [[0, 0, 0, 1, 0, 1]]],
  ["relu of NaN", (x) => x!.relu(), [[NaN]], [[0]]],
  ["abs", (x) => x!.abs(), [[-3, 0, -0, 3, -INF]], [[-1, 0, 0, 1, -1]]],
  ["sign", (x) => x!.sign(), [[-3, 0, 3]], [[0, 0, 0]]],
  ["floor", (x) => x!.floor(), [[0.5, 1]], [[0, 0]]],
  ["square", (x) => x!.square(), [[0, INF]], [[0, INF]]],
  ["sqrt", (x) => x!.sqrt(), [[0, INF]], [[INF, 0]]],
  ["rsqrt", (x) => x!.rsqrt(), [[0, INF]], [[-INF, 0]]],
  ["log", (x) => x!.log(), [[0, INF]], [[INF, 0]]],
  ["exp", (x) => x!.exp(), [[-INF, 1000]], [[0, INF]]],
  ["tanh", (x) => x!.tanh(), [[-INF, INF, 1000]], [[0, 0, 0]]],
  ["sigmoid", (x) => x!.sigmoid(), [[-INF, INF, -1000]], [[0, 0, 0]]],
  ["div by 0", (a, b) => a!.div(b!), [[1], [0]], [[INF], [-INF]]],
  ["pow", (a, b) => a!.pow(b!), [[0, 0, 0, 0, -2], [2, 1, 0.5, 0, 2]], [[0, 1, INF, 0, -4], [0, 0, 0, 0, 0]]],
  ["maximum, ties to a", (a, b) => a!.maximum(b!), [[1, 2, 0, -INF], [1, 3, -0, -INF]], [
    [1, 0, 1, 1],
    [0, 1, 0, 0],
  ]],
  ["minimum, ties to a", (a, b) => a!.minimum(b!), [[1, 2, 0, INF], [1, 3, -0, INF]], [
    [1, 1, 1, 1],
    [0, 0, 0, 0],
  ]],
  ["maximum of x and x", (x) => x!.maximum(x!), [[1, 2]], [[1, 1]]],
  ["max, the first", (x) => x!.max(), [[1, 7, 7, 7]], [[0, 1, 0, 0]]],
  ["max of equals", (x) => x!.max(), [[-INF, -INF]], [[1, 0]]],
  ["max of zeros", (x) => x!.max(), [[-0, 0]], [[1, 0]]],
  ["min, the first", (x) => x!.min(), [[5, 1, 1]], [[0, 1, 0]]],
  ["maxPool2d, the first", (x) => window(x!, 2), [[4, 4, 1, 1]], [[1, 0, 1, 0]]],
  ["maxPool2d, overlapping", (x) => window(x!, 1), [[4, 4, 4]], [[1, 1, 0]]],
  ["maxPool2d of -infinity", (x) => window(x!, 2), [[-INF, -INF]], [[1, 0]]],
  ["prod beside a 0", (x) => x!.prod(), [[0, 2, 3]], [[6, 0, 0]]],
  ["prod beside two", (x) => x!.prod(), [[0, 0, 3]], [[0, 0, 0]]],
  ["where, not chosen", (a, b) => a!.greater(0).where(a!, b!), [[1, -1], [NaN, 2]], [[1, 0], [0, 1]]],
  // 0 times an infinite slope: what is not chosen is computed all the same, as in every such library.
  ["where over sqrt", (x) => x!.greater(0).where(x!.sqrt(), 0), [[0, 4]], [[NaN, 0.25]]],
  ["where under sqrt", (x) => x!.greater(0).where(x!.greater(0).where(x!, 1).sqrt(), 0), [[0, 4]], [[
    0,
    0.25,
  ]]],
  ["cast", (x) => x!.cast("i32").cast("f32"), [[2.5]], [[0]]],
  ["logSoftmax, masked", (x) => x!.logSoftmax().gather(tensor(Int32Array.of(1), { device: x!.device })), [
    [-INF, 0, -INF],
  ], [[0, 0, 0]]],
];

/** Logits, and for each label the loss; 3 and -1 are no classes. NaN and +infinity among logits are open. */
const LOSSES: readonly (readonly [logits: readonly number[], label: number, loss: number])[] = [
  [[1000, 0, -1000], 0, 0],
  [[1000, 0, -1000], 1, 1000],
  [[1000, 0, -1000], 2, 2000],
  [[3e38, 0, -3e38], 2, INF],
  [[-INF, 0, -INF], 1, 0],
  [[-INF, 0, -INF], 0, INF],
  [[0, 0, 0], 3, NaN],
  [[0, 0, 0], -1, NaN],
  // Rows that are done in parts, most of which have nothing but -infinity.
  [Array.from({ length: 100 }, (_, k) => k === 5 || k === 70 ? 1 : -INF), 70, Math.log(2)],
  [Array.from({ length: 70 }, (_, k) => k === 3 ? -1e30 : -INF), 3, 0],
];

const SOFTMAX: readonly (readonly [logits: readonly number[], softmax: readonly number[]])[] = [
  [[1000, 0, -1000], [1, 0, 0]],
  [[3e38, 3e38, -3e38], [0.5, 0.5, 0]],
  [[-INF, 0, -INF], [0, 1, 0]],
  [[-3e38, -INF, -3e38], [0.5, 0, 0.5]],
  [[-1000, -1000, -1000], [1 / 3, 1 / 3, 1 / 3]],
];

/** Off by no more than exp and log of WebGPU may be, near 1; special ones not at all. */
function close(what: string, value: number, meant: number): void {
  const same = Object.is(value + 0, meant + 0) || Math.abs(value - meant) <= 2 ** -20;
  assert(same, `${what}: ${value}, but ${meant} is meant`);
}

for (const { name, device: on } of all) {
  const here = { device: on };

  test(`special gradients, ${name}: ties, kinks and poles`, async () => {
    const found = GRADIENTS.map(([, f, operands]) => {
      const leaves = operands.map((numbers) => tensor([...numbers], here));
      return gradients(f(...leaves), leaves);
    });
    await on.evaluate(found.flat(), true);
    for (const [i, [what, , , meant]] of GRADIENTS.entries()) {
      for (const [k, gradient] of found[i]!.entries()) {
        const values = Array.from(await gradient.data(), (value) => value + 0);
        assert.deepEqual(values, meant[k], `${what}, gradient ${k}`);
      }
    }
  });

  test(`special gradients, ${name}: softmax and its loss at extreme logits`, async () => {
    const logits = SOFTMAX.map(([row]) => [...row]);
    const probabilities = await fermi.softmax(tensor(logits, here)).data();
    const logarithms = await fermi.logSoftmax(tensor(logits, here)).data();
    for (const [i, [row, meant]] of SOFTMAX.entries()) {
      for (const [k, p] of meant.entries()) {
        close(`softmax(${row})[${k}]`, probabilities[3 * i + k]!, p);
        if (p > 0) close(`logSoftmax(${row})[${k}]`, logarithms[3 * i + k]!, Math.log(p));
        else assert(logarithms[3 * i + k]! <= -1000, `logSoftmax(${row})[${k}]`);
      }
    }
    for (const [row, label, loss] of LOSSES) {
      const x = tensor([[...row]], here);
      const y = fermi.crossEntropy(x, tensor(Int32Array.of(label), here));
      const [dx] = gradients(y, [x]);
      close(`crossEntropy([${row}], ${label})`, await y.item(), loss);
      // softmax - onehot, also where the loss is infinite; a label that is no class is nowhere in it.
      const softmax = Array.from(await fermi.softmax(x).data());
      for (const [k, value] of Array.from(await dx!.data()).entries()) {
        close(`its gradient ${k}`, value, softmax[k]! - (k === label ? 1 : 0));
      }
    }
  });

  test(`special gradients, ${name}: the mean over a batch with a label that is no class is NaN`, async () => {
    const loss = fermi.crossEntropy(zeros([3, 2], here), tensor(Int32Array.of(0, 2, 1), here));
    assert.equal(await loss.item(), NaN);
  });

  test(`special gradients, ${name}: open logits`, async () => {
    for (const row of [[NaN, 0, 0], [0, 0, NaN], [INF, 0, 0], [-INF, -INF, -INF]]) {
      const x = tensor(row, here);
      const found = [...await fermi.softmax(x).data()];
      if (on === cpu) assert.deepEqual(found, [NaN, NaN, NaN]);
      // Where NaN is overlooked no probabilities come out either: not three numbers whose sum is 1.
      assert(
        Math.abs(found.reduce((a, b) => a + b) - 1) > 0.1 || found.some((p) => Number.isNaN(p)),
        `${found}`,
      );
    }
  });

  test(`special gradients, ${name}: tensors without elements`, async () => {
    const none = zeros([0, 3], here);
    const values = async (x: Tensor) => [x.shape, Array.from(await x.data())] as const;
    const cases: readonly (readonly [Tensor, readonly number[], readonly number[]])[] = [
      [none.sum(), [], [0]],
      [none.sum({ axis: 0 }), [3], [0, 0, 0]],
      [none.sum({ axis: 1 }), [0], []],
      [none.prod(), [], [1]],
      [none.mean(), [], [NaN]],
      [none.mean({ axis: 0 }), [3], [NaN, NaN, NaN]],
      [none.max({ axis: 1 }), [0], []],
      [none.argmin({ axis: 1 }), [0], []],
      [none.relu().add(1).transpose().flip(), [3, 0], []],
      [zeros([2, 0], here).matmul(none), [2, 3], Array(6).fill(0)],
      [none.matmul(zeros([3, 2], here)), [0, 2], []],
      [fermi.concat([none, ones([1, 3], here), none]), [1, 3], [1, 1, 1]],
      [none.pad({ before: [1, 0], after: [1, 0], value: 7 }), [2, 3], Array(6).fill(7)],
      [none.gather(tensor(Int32Array.of(0, -1), here)), [2, 3], Array(6).fill(NaN)],
      [ones([2, 3], here).slice({ axis: 1, start: 2, end: 2 }).sum(), [], [0]],
      [fermi.conv2d(zeros([0, 1, 2, 2], here), ones([1, 1, 1, 1], here)), [0, 1, 2, 2], []],
      [fermi.maxPool2d(zeros([0, 1, 2, 2], here), { window: 2 }), [0, 1, 1, 1], []],
      [fermi.logSoftmax(none), [0, 3], []],
      [fermi.uniform(fermi.randomKey(1, here), [0, 2]), [0, 2], []],
      [gradients(none.sum(), [none])[0]!, [0, 3], []],
    ];
    await on.evaluate(cases.map(([x]) => x), true);
    for (const [i, [x, shape, meant]] of cases.entries()) {
      assert.deepEqual(await values(x), [shape, meant], `case ${i}`);
    }
    const weight = ones([1, 1, 1, 1], here);
    const [dw] = gradients(fermi.conv2d(zeros([0, 1, 2, 2], here), weight), [weight]);
    assert.deepEqual(await values(dw!), [[1, 1, 1, 1], [0]]);
    throwing(none, on);
  });
}

/** Of nothing there is no largest, and no class. */
function throwing(none: Tensor, on: Device): void {
  for (const f of [fermi.max, fermi.min, fermi.argmax, fermi.argmin]) {
    assert.throws(() => f(none), { name: "RangeError", message: /of nothing has no value/ });
    assert.throws(() => f(none, { axis: 0 }), { name: "RangeError", message: /of nothing has no value/ });
  }
  assert.throws(() => fermi.softmax(none, { axis: 0 }), { name: "RangeError", message: /has no classes/ });
  const labels = tensor(new Int32Array(0), { device: on });
  assert.throws(() => fermi.crossEntropy(none, labels), { name: "RangeError", message: /are empty/ });
}

after(() => {
  for (const { device } of variants) device.destroy();
});
