// The CPU backend defines what every op means, so it is held against what is known from elsewhere: PyTorch's numbers,
// published random blocks, and cases that one can work out by hand. Its gradients: cpu_gradients_test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fermi from "../mod.ts";
import { device, evaluate, gradients, InputSlot, Parameter, type Tensor, tensor } from "../mod.ts";
import { computeAll } from "../backends/cpu/interpreter.ts";
import { normalQuantile } from "../backends/cpu/kernels/normal_quantile.ts";
import { threefry } from "../backends/cpu/kernels/random.ts";

const cpu = await device("cpu");
const exact = await device("cpu", { precision: "f64" });
const on = { device: cpu };

const hex = (words: ArrayLike<number>) => Array.from(words, (word) => word.toString(16).padStart(8, "0"));
const list = async (x: Tensor) => Array.from(await x.data());

// ---- random numbers -------------------------------------------------------------------------------------------

test("threefry: the known answers of Random123", () => {
  const known = [
    { key: [0, 0], counter: [0, 0], words: ["6b200159", "99ba4efe"] },
    { key: [-1, -1], counter: [-1, -1], words: ["1cb996fc", "bb002be7"] },
    { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], words: ["c4923a9c", "483df7a0"] },
  ];
  for (const { key, counter, words } of known) {
    const array = (data: number[]) => ({ shape: [2], dtype: "u32", data: Uint32Array.from(data) } as const);
    const out = array([0, 0]);
    threefry([array(key), array(counter)], {}, [out]);
    assert.deepEqual(hex(out.data), words);
  }
});

test("randomBits: block j fills elements 2j and 2j + 1, whatever the shape", async () => {
  const key = fermi.randomKey(0, on);
  assert.deepEqual(hex(await fermi.randomBits(key, [2]).data()), ["6b200159", "99ba4efe"]);
  const many = await fermi.randomBits(key, [3, 3]).data();
  assert.deepEqual(many.slice(0, 5), await fermi.randomBits(key, [5]).data());
  assert.equal(new Set(many).size, 9);
});

test("uniform and normal: ranges and moments", async () => {
  const key = fermi.randomKey(2 ** 40 + 7, on);
  const u = await fermi.uniform(key, [20_000]).data();
  assert(u.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24)));
  const z = await list(fermi.normal(key, [20_000]));
  const mean = z.reduce((a, b) => a + b) / z.length;
  const variance = z.reduce((a, b) => a + (b - mean) ** 2, 0) / z.length;
  assert(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.03, `mean ${mean}, variance ${variance}`);
});

test("normalQuantile: known quantiles to 15 digits, and the inverse of the distribution function", () => {
  const known = [[0.5, 0], [0.975, 1.959963984540054], [1e-6, -4.753424308822899], [
    0.9999,
    3.719016485455709,
  ]] as const;
  for (const [probability, quantile] of known) {
    assert(Math.abs(normalQuantile(probability) - quantile) <= 1e-15 * Math.max(1, 4 * Math.abs(quantile)));
  }
  // P(Z < z) = 1/2 + density(z) * (z + z^3/3 + z^5/15 + ...), all terms positive.
  const below = (z: number) => {
    let [total, term] = [0, z];
    for (let n = 3; Math.abs(term) > 1e-18; n += 2) [total, term] = [total + term, term * z * z / n];
    return 0.5 + Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * total;
  };
  for (let p = 2 ** -25; p < 1; p += 0.00137) {
    assert(Math.abs(below(normalQuantile(p)) - p) < 4e-16, `at ${p}`);
  }
});

// ---- meanings at the edges ------------------------------------------------------------------------------------

test("integers wrap modulo 2^32", async () => {
  const i32 = (...values: number[]) => tensor(Int32Array.from(values), on);
  const u32 = (...values: number[]) => tensor(Uint32Array.from(values), on);
  const largest = 2 ** 31 - 1;
  assert.deepEqual(await list(i32(largest, largest).mul(i32(largest, 2))), [1, -2]);
  assert.deepEqual(await list(i32(largest).square()), [1]);
  assert.deepEqual(await list(u32(0xffffffff).mul(u32(0xffffffff))), [1]);
  assert.deepEqual(await list(i32(largest).add(1)), [-(2 ** 31)]);
  assert.deepEqual(await list(u32(0).sub(1)), [0xffffffff]);
  assert.deepEqual(await list(i32(-(2 ** 31)).neg()), [-(2 ** 31)]);
  assert.equal(await i32(largest, largest, 3).sum().item(), 1);
  assert.equal(await u32(0xffffffff, 0xffffffff, 3).sum().item(), 1);
  assert.equal(await u32(0xffffffff, 0xffffffff, 3).prod().item(), 3);
  const added = gradients(tensor([1, 2], on).gather(i32(1, 1, 5, -1)).sum(), [tensor([1, 2], on)]);
  assert.deepEqual(await list(added[0]!), [0, 0]);
});

test("casts truncate and clamp; comparisons give 0 and 1", async () => {
  const x = tensor([-1.5, 2.9, 300, 0], on);
  assert.deepEqual(await list(x.cast("i32")), [-1, 2, 300, 0]);
  assert.deepEqual(await list(x.cast("u8")), [0, 2, 255, 0]);
  assert.deepEqual(await x.cast("bool").data(), Uint8Array.of(1, 1, 1, 0));
  assert.deepEqual(await x.less(2.5).data(), Uint8Array.of(1, 0, 0, 1));
});

test("results are rounded once, also to f16", async () => {
  // 1 + 2^-11 is a tie in f16, and 2^-24 decides it upwards, but would itself be lost in an f32.
  const x = tensor([1, 2 ** -11, 2 ** -24], { ...on, dtype: "f16" });
  assert.equal(await x.sum().item(), 1 + 2 ** -10);
  assert.equal(await tensor(1, on).add(2 ** -11).cast("f16").item(), 1);
  assert.equal(await tensor(1, { device: exact, dtype: "f16" }).div(3).item(), 1 / 3);
  assert.deepEqual(await tensor([1], on).div(3).data(), Float32Array.of(1 / 3));
  // Sums are kept in f64: 2^24 + 1 - 2^24 is lost in f32.
  assert.equal(await tensor([2 ** 24, 1, -(2 ** 24)], on).sum().item(), 1);
  const row = tensor([[2 ** 24, 1, -(2 ** 24)]], on);
  assert.equal(await row.matmul(fermi.ones([3, 1], on)).item(), 1);
});

test("NaN stays NaN, and stays out of where it does not belong", async () => {
  const x = tensor([NaN, 1, -Infinity], on);
  assert.deepEqual(await list(x.relu()), [NaN, 1, 0]);
  assert.deepEqual(await list(x.maximum(0)), [NaN, 1, 0]);
  assert.deepEqual([await x.max().item(), await x.min().item(), await x.sum().item()], [NaN, NaN, NaN]);
  assert.deepEqual(await list(x.equal(x)), [0, 1, 1]);
  assert.deepEqual(await list(x.greater(0).where(x, 0)), [0, 1, 0]);
  assert.deepEqual(await list(x.gather(tensor(Int32Array.of(1, 3, -1), on))), [1, NaN, NaN]);
  const image = x.reshape([1, 1, 1, 3]);
  assert.deepEqual(await list(fermi.maxPool2d(image, { window: [1, 2], stride: 1 })), [NaN, 1]);
  const low = fermi.full([1, 1, 2, 2], -Infinity, on);
  assert.deepEqual(await list(fermi.maxPool2d(low, { window: 2, padding: 1 })), Array(4).fill(-Infinity));
  assert.equal(await fermi.crossEntropy(tensor([[1, 2]], on), tensor(Int32Array.of(2), on)).item(), NaN);
});

test("ties go to the first", async () => {
  const x = tensor([[1, 3, 3], [2, 2, 1]], on);
  assert.deepEqual(await list(x.argmax({ axis: 1 })), [1, 0]);
  assert.deepEqual(await list(x.argmin({ axis: 0 })), [0, 1, 1]);
  assert.equal(await x.argmax().item(), 1);
  assert.deepEqual(await list(gradients(x.max({ axis: 1 }), [x])[0]!), [0, 1, 0, 1, 0, 0]);
  const image = tensor([[[[1, 1], [1, 1]]]], on);
  assert.deepEqual(await list(gradients(fermi.maxPool2d(image, { window: 2 }), [image])[0]!), [1, 0, 0, 0]);
});

test("tensors without elements", async () => {
  const none = fermi.zeros([0, 3], on);
  assert.deepEqual(await list(none.add(1).relu().transpose().flip()), []);
  assert.deepEqual(await list(none.sum({ axis: 0 })), [0, 0, 0]);
  assert.equal(await none.prod().item(), 1);
  assert.deepEqual(await list(fermi.zeros([2, 0], on).matmul(none)), Array(6).fill(0));
  assert.deepEqual(await list(fermi.concat([none, tensor([[1, 2, 3]], on)])), [1, 2, 3]);
  assert.deepEqual(await list(none.pad({ before: [1, 0], value: 7 })), [7, 7, 7]);
  assert.deepEqual(await list(none.gather(tensor(new Int32Array(0), on), { axis: 1 })), []);
  const weight = fermi.ones([1, 1, 1, 1], on);
  const images = fermi.zeros([0, 1, 2, 2], on);
  assert.deepEqual(await list(fermi.conv2d(images, weight)), []);
  assert.deepEqual(await list(gradients(fermi.conv2d(images, weight), [weight])[0]!), [0]);
  assert.deepEqual(await list(fermi.maxPool2d(images, { window: 2 })), []);
});

// ---- states -----------------------------------------------------------------------------------------------------

test("what lies between is dropped after its last use", () => {
  let x = tensor([1, 2], on);
  const shared = x.mul(3);
  for (let i = 0; i < 10; i++) x = x.add(shared).neg();
  const loss = x.softmax().sum();
  const kept = [...computeAll([loss, shared], "f32").keys()];
  assert.deepEqual(kept.map(({ node }) => node!.op.name), ["mul", "sum"]);
});

test("what was read needs nothing any more of what it was made from", async () => {
  const p = new Parameter(tensor([1, 2], on));
  const y = p.mul(2);
  await y.data();
  p.dispose();
  assert.deepEqual(await list(y.add(1)), [3, 5]);
});

test("updates see the old values, of all states, and happen once", async () => {
  const a = new Parameter(tensor([1, 2], on), { name: "a" });
  const b = new Parameter(tensor([3, 4], on), { name: "b" });
  a.assign(a.mul(10));
  assert.deepEqual(await list(a), [10, 20]);
  const [oldA, oldB] = [a.snapshot(), b.snapshot()];
  a.assign(oldB);
  b.assign(oldA);
  assert.deepEqual(await list(b), [10, 20]);
  assert.deepEqual(await list(a), [3, 4]);
  a.assign(a.add(1));
  a.assign(a.add(1));
  await evaluate(b.add(0));
  assert.deepEqual(await list(a), [5, 6]);
});

test("what was read or evaluated does not change with the state", async () => {
  const p = new Parameter(tensor([1, 2], on));
  await evaluate(p);
  const [before, column] = [p.snapshot(), p.reshape([2, 1])];
  const read = await before.data();
  await evaluate(column);
  p.assign(p.mul(3));
  await evaluate(p);
  assert.deepEqual(await list(p), [3, 6]);
  assert.deepEqual(await list(column), [1, 2]);
  assert.deepEqual(await list(before), [1, 2]);
  assert.deepEqual(Array.from(read), [1, 2]);
});

test("an expression of an earlier content throws", async () => {
  const p = new Parameter(tensor([1], on), { name: "p" });
  await evaluate(p);
  const doubled = p.mul(2);
  p.assign(p.add(1));
  await evaluate(p);
  await assert.rejects(() => doubled.data(), /made from p, which has been updated since/);
  assert.throws(() => gradients(doubled, [p]), /updated since/);
  const slot = new InputSlot([1], { device: cpu, name: "x" });
  const old = slot.add(1);
  slot.write([5]);
  assert.equal(await slot.add(1).item(), 6);
  await assert.rejects(() => old.data(), /made from x/);
});

test("a gradient for a parameter is one for the latest content that was used", async () => {
  const p = new Parameter(tensor([1, 2], on), { name: "p" });
  await evaluate(p);
  const earlier = p.mul(5);
  p.assign(tensor([3, 4], on));
  const y = p.mul(2).add(earlier); // the graph has the later content first
  p.assign(p.mul(10));
  assert.deepEqual(await list(gradients(y, [p])[0]!), [2, 2]);
});

test("a released state names the mistake", async () => {
  const p = new Parameter(tensor([1], on));
  await evaluate(p);
  p.dispose();
  await assert.rejects(() => p.mul(2).data(), /released by dispose/);
});

test("an evaluation that fails names the op", async () => {
  await assert.rejects(() => fermi.zeros([1e6, 1e6], on).data(), /^Error: broadcastTo: /);
});
