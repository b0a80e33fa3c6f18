// What graphs become before a GPU sees them: which ops share a kernel, which values share memory, what is written in
// place, into how many tiles and splits a product is cut. Counted, because a plan that does more than it must gives the
// right numbers all the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compiled, Limits } from "../backends/webgpu/compile.ts";
import type { Dispatch } from "../backends/webgpu/shader.ts";
import { type WebGpuBackend, webgpuDevice } from "../backends/webgpu/mod.ts";
import { byteLength, type PlanValue } from "../backends/webgpu/values.ts";
import {
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  crossEntropy,
  device,
  evaluate,
  gradients,
  nn,
  ones,
  Parameter,
  randomKey,
  type Tensor,
  tensor,
  zeros,
} from "../mod.ts";
import { labels, planOf } from "./plans.ts";

const gpu = await device("webgpu");
const on = { device: gpu };

const leaf = (...shape: number[]) =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape, ...on });
/** The buffers that a plan works in. */
const bytesOf = ({ slots }: Compiled) => slots.map(({ bytes }) => bytes);

test("plans: a chain of element-wise ops is one kernel, with one array", () => {
  const x = leaf(100);
  const plan = planOf([x.mul(2).exp().add(x).relu()]);
  assert.deepEqual(labels(plan), ["mul+exp+add+relu"]);
  assert.deepEqual(bytesOf(plan), [400]);
  assert.equal(plan.dispatches[0]!.invocations, 25);
});

test("plans: what two kernels need is computed once, and stored", () => {
  const shared = leaf(8, 20).exp();
  const plan = planOf([shared.sum({ axis: 0 }), shared.max({ axis: 1 })]);
  assert.deepEqual(labels(plan), ["exp", "sum", "max"]);
  // Of two readers in one kernel it needs no memory.
  assert.deepEqual(labels(planOf([shared.square().add(shared.neg())])), ["exp+square+neg+add"]);
});

test("plans: an output in the middle of a chain is stored by the chain's kernel", () => {
  const middle = leaf(100).exp();
  const plan = planOf([middle.neg(), middle]);
  assert.deepEqual(labels(plan), ["exp+neg"]);
  assert.deepEqual(bytesOf(plan), [400, 400]);
});

test("plans: however many operands a kernel reads by index, none is called like a type", () => {
  const x = leaf(8);
  const shifted = Array.from({ length: 40 }, (_, i) => x.pad({ before: [i], after: [40 - i] }));
  const { dispatches } = planOf([shifted.reduce((a, b) => a.add(b))]);
  const named = dispatches.flatMap(({ functions = "" }) =>
    [...functions.matchAll(/fn (\w+)/g)].map(([, name]) => name)
  );
  assert.ok(named.length > 40);
  assert.deepEqual(named.filter((name) => /^[fiu]\d+$/.test(name!)), []);
});

test("plans: bias, relu and a residual are computed where a convolution stores", () => {
  const [x, w, bias, residual] = [leaf(2, 4, 8, 8), leaf(4, 4, 3, 3), leaf(1, 4, 1, 1), leaf(2, 4, 8, 8)];
  const y = conv2d(x, w, { padding: 1 });
  const fused = planOf([y.add(bias).relu().add(residual)]);
  // Packing and the product itself: nothing comes after.
  assert.deepEqual([...new Set(labels(fused))], ["conv2d+add+relu"]);
  assert.ok(fused.dispatches.at(-1)!.functions!.includes("fn bAt"));
  // Not where somebody else reads the convolution, nor across a transposition.
  assert.equal(labels(planOf([y.relu(), y])).at(-1), "relu");
  assert.equal(labels(planOf([y.transpose().relu()])).at(-1), "relu");
});

test("plans: what was fused behind a product is taken apart where bindings are short", () => {
  const [a, b, c] = [leaf(16, 16), leaf(16, 16), leaf(16, 16)];
  const y = a.matmul(b).add(c).mul(leaf(16, 16));
  assert.deepEqual(labels(planOf([y])).at(-1), "matmul+add+mul");
  const apart = planOf([y], [], { maxBindings: 4 });
  assert.deepEqual(labels(apart).slice(-2), ["matmul", "add+mul"]);
  assert.throws(() => planOf([y], [], { maxBindings: 2 }), {
    name: "RangeError",
    message: /^\w+: the arrays span 3 bindings of 134217728 bytes, and this adapter lets a kernel have 2$/,
  });
});

test("plans: a kernel has at most 64 steps, and as many operands as there are bindings", () => {
  let x = leaf(10);
  for (let i = 0; i < 100; i++) x = x.exp();
  assert.equal(planOf([x]).dispatches.length, 2);
  const sum = Array.from({ length: 30 }, () => leaf(10)).reduce((a, b) => a.add(b));
  assert.equal(planOf([sum]).dispatches.length, 3);
  assert.equal(planOf([sum], [], { maxBindings: 8 }).dispatches.length, 5);
  for (const dispatch of planOf([sum], [], { maxBindings: 8 }).dispatches) {
    assert.ok(dispatch.bindings.length <= 8);
  }
});

test("plans: a chain that cannot fuse works in two arrays, however long", () => {
  let x = leaf(12, 12);
  for (let i = 0; i < 10; i++) x = x.sum({ axis: 0, keepDims: true }).broadcastTo([12, 12]);
  assert.deepEqual(bytesOf(planOf([x.sum({ axis: 1 })])), [48, 48]);
});

/** Fails when values overlap that are alive at one time, one leaves its buffer, or one is written beside another there. */
function checkMemory({ dispatches, slots, placeOf, outputs }: Compiled): void {
  const kept = new Set(outputs.map(({ value }) => value));
  const alive = new Map<PlanValue, { from: number; to: number }>();
  dispatches.forEach(({ bindings, label }, position) => {
    for (const { value, access } of bindings) {
      if (value.home.kind !== "workspace") continue;
      const { from } = alive.get(value) ?? { from: position };
      alive.set(value, { from, to: kept.has(value) ? Infinity : position });
      const { slot } = placeOf.get(value)!;
      const beside = bindings.some((other) =>
        other.value !== value && placeOf.get(other.value)?.slot === slot && access !== "read"
      );
      assert.ok(!beside, `${label} writes into a buffer that it also reads`);
    }
  });
  const all = [...alive].map(([value, life]) => {
    const { slot, offset } = placeOf.get(value)!;
    return { value, life, slot, offset, end: offset + byteLength(value) };
  });
  all.forEach((a, i) => {
    assert.ok(slots[a.slot]!.bytes >= a.end, `${a.value.label} does not fit`);
    assert.equal(a.offset % 256, 0, "bindings start at multiples of 256");
    for (const b of all.slice(i + 1)) {
      if (a.slot !== b.slot || a.offset >= b.end || b.offset >= a.end) continue;
      const apart = a.life.to < b.life.from || b.life.to < a.life.from;
      assert.ok(apart, `${a.value.label} and ${b.value.label} overlap`);
    }
  });
}

test("plans: memory is shared by size, and never by values that live together", () => {
  const [a, b] = [leaf(1000).exp(), leaf(10).exp()];
  const large = a.sum({ keepDims: true });
  const small = b.sum({ keepDims: true });
  const plan = planOf([large.add(small), a.max(), b.max()]);
  checkMemory(plan);
  // a; the partial results of its reductions, one after the other; b; results, where no memory is free for them.
  assert.deepEqual(bytesOf(plan), [4000, 128, 48, 16, 16]);
});

test("plans: an update is written in place, after all who read the old value", async () => {
  const w = new Parameter(zeros([20], on), { name: "w" });
  const v = new Parameter(zeros([20], on), { name: "v" });
  await evaluate(w, v);
  const x = leaf(20);
  const inPlace = planOf([], [[w, w.add(x)]]);
  assert.deepEqual([inPlace.copies.length, inPlace.slots.length], [0, 0]);
  // The loss reads the old content: it comes first.
  const read = planOf([w.mul(x).sum()], [[w, w.add(x)]]);
  assert.deepEqual([labels(read), read.copies.length], [["mul", "sum", "add"], 0]);
  // The new content is a shuffle of the old one: a kernel cannot overwrite what it still has to read.
  assert.equal(planOf([], [[w, w.flip()]]).copies.length, 1);
  // It may be shuffled where another state is read.
  assert.equal(planOf([], [[w, w.add(v.flip())]]).copies.length, 0);
  // Two states that change places: one of them has to wait in between.
  assert.equal(planOf([], [[w, v.mul(1)], [v, w.mul(1)]]).copies.length, 1);
});

/** Each lane works on its own, on a GPU too. */
const REGISTERS: Partial<Limits> = {
  choose: ({ family }) => family === "product" ? "registers" : undefined,
};

test("plans: a product is cut into tiles for the adapter, and into splits while it is not busy", () => {
  const product = (
    m: number,
    k: number,
    n: number,
    parallelism: number,
    limits: Partial<Limits> = REGISTERS,
  ) => {
    const { dispatches } = planOf([leaf(m, k).matmul(leaf(k, n))], [], { parallelism, ...limits });
    return dispatches.filter(({ label }) => label === "matmul").slice(-2).map(({ invocations }) =>
      invocations
    );
  };
  // 16 x 16 tiles on a few cores, 8 x 8 on a GPU.
  assert.equal(product(256, 64, 256, 256).at(-1), 16 * 16);
  assert.equal(product(256, 64, 256, 65536).at(-1), 32 * 32);
  // One tile and a long sum: 64 k and more a split, then the splits are summed.
  assert.equal(product(8, 4096, 8, 1).at(-1), 1);
  assert.deepEqual(product(8, 4096, 8, 65536), [64, 64]);
  assert.deepEqual(product(8, 4096, 8, 16), [16, 64]);
  // Tiles of 128 x 128 for 256 lanes; of 32 x 32 for 64, in 32 splits, of which each has 128 k.
  assert.deepEqual(product(2048, 64, 4096, 65536, {}), [16 * 32 * 256]);
  assert.deepEqual(product(32, 4096, 32, 65536, {}), [32 * 64, 32 * 32]);
});

test("plans: for a GPU nothing is packed, and no zeros are put around images", () => {
  const gpu = { parallelism: 65536 };
  const count = (y: Tensor) => planOf([y], [], gpu).dispatches.length;
  assert.equal(count(leaf(30, 40).transpose().matmul(leaf(50, 30).transpose())), 1);
  const [x, weight] = [leaf(2, 3, 9, 9), leaf(4, 3, 3, 3)];
  const padded = { padding: 1, stride: 2 };
  assert.deepEqual([conv2d(x, weight), conv2d(x, weight, padded)].map(count), [1, 1]);
  assert.equal(count(conv2dWeightGradient(x, leaf(2, 4, 7, 7), { shape: weight.shape })), 1);
  assert.equal(count(conv2dWeightGradient(x, leaf(2, 4, 5, 5), { ...padded, shape: weight.shape })), 1);
  // A product for each remainder by the stride.
  assert.equal(count(conv2dInputGradient(leaf(2, 4, 5, 5), weight, { ...padded, shape: x.shape })), 4);
  // Lines and pixels are counted in half a word: of larger images each lane copies its own.
  const long = (width: number) => count(conv2d(leaf(1, 1, 1, width), leaf(1, 1, 1, 3), { padding: [0, 1] }));
  assert.deepEqual([long(32_000), long(33_000)], [1, 3]);
});

test("plans: for a GPU what is the same all along a row of a product is loaded once a row", () => {
  const gpu = { parallelism: 65536 };
  const last = (y: Tensor) => planOf([y], [], gpu).dispatches.at(-1)!;
  const y = conv2d(leaf(2, 3, 9, 9), leaf(4, 3, 3, 3), { groups: 1 });
  const row0 = (dispatch: Dispatch) => /f32>?\(row0\)/.test(dispatch.functions!);
  assert.ok(row0(last(y.add(leaf(1, 4, 1, 1)))));
  assert.ok(row0(last(leaf(6, 8).matmul(leaf(8, 5)).add(leaf(6, 1)))));
  // Along the columns, along parts of a row, and where there are more of them.
  for (const other of [leaf(2, 4, 7, 7), leaf(4, 1, 7), leaf(2, 1, 1, 1), leaf(7)]) {
    assert.ok(!row0(last(y.add(other))), `${other.shape}`);
  }
  assert.ok(!row0(last(leaf(6, 8).matmul(leaf(8, 5)).add(leaf(5)))));
});

test("plans: a long reduction is cut while the adapter is not busy", () => {
  const sum = (count: number, parallelism: number) =>
    planOf([leaf(count).sum()], [], { parallelism }).dispatches.map(({ invocations }) => invocations);
  assert.deepEqual(sum(100, 1), [1]);
  assert.deepEqual(sum(1 << 16, 256), [256, 1]);
  // The root of 2000, and what is left over.
  assert.deepEqual(sum(2000, 1), [45, 1]);
  // For a GPU each of sixteen workgroups has a part, and one has theirs; what one is enough for is not cut.
  assert.deepEqual(sum(1 << 16, 65536), [16 * 256, 256]);
  // What waits for memory alone takes four times the lanes.
  assert.deepEqual(sum(1 << 26, 65536), [4 * 65536, 256]);
  assert.deepEqual(sum(8000, 65536), [256]);
  // Fifty results keep 256 invocations busy with six parts each.
  const rows = planOf([leaf(50, 1000).sum({ axis: 1 })]).dispatches;
  assert.deepEqual(rows.map(({ invocations }) => invocations), [300, 50]);
});

test("plans: transposed and whole operands are read where they are, others are packed first", () => {
  const [a, b] = [leaf(64, 64), leaf(64, 64)];
  const kernels = (x: Tensor, y: Tensor) => planOf([x.matmul(y)]).dispatches.length;
  assert.ok(kernels(a.transpose(), b) <= kernels(a, b));
  assert.ok(kernels(a.slice({ start: [1, 1], end: [64, 64] }), b.slice({ end: 63 })) >= 2);
});

test("plans: a large matrix is read along k where it lies, a small one is packed first", () => {
  const kernels = (copyBelow: number) => {
    const [square, b] = [leaf(8, 8), leaf(8, 4)];
    return planOf([square.matmul(b)], [], { copyBelow }).dispatches.length;
  };
  assert.deepEqual([64, 63].map(kernels), [2, 1]);
  const [product] = planOf([leaf(8, 8).matmul(leaf(8, 4))], [], { copyBelow: 0 }).dispatches;
  assert.equal(planOf([leaf(8, 7).matmul(leaf(7, 4))], [], { copyBelow: 0 }).dispatches.length, 1);
  // What is short is not cut into turns, of which each writes all of the result.
  const longs = (k: number) =>
    planOf([leaf(8, k).matmul(leaf(k, 4))], [], { copyBelow: 0 }).dispatches.length;
  assert.deepEqual([64, 128].map(longs), [1, 2]);
  // A turn has one k: a number of each of the tile's rows of a, and its two vec4s of b.
  assert.deepEqual(["a", "b"].map((name) => product!.body.match(RegExp(`\\b${name}\\(`, "g"))!.length), [
    8,
    2,
  ]);
});

test("plans: packing has few long runs for cores, and many short ones for a GPU", () => {
  const [a, b] = [leaf(4, 64), leaf(64, 4)];
  const packed = (parallelism: number) =>
    planOf([a.matmul(b)], [], { parallelism, ...REGISTERS }).dispatches[0]!.invocations;
  assert.deepEqual([256, 65536].map(packed), [2, 16]);
});

test("plans: one value for two states is computed into one and copied into the other", async () => {
  const [w, v] = [new Parameter(zeros([20], on)), new Parameter(zeros([20], on))];
  await evaluate(w, v);
  const value = leaf(20).exp();
  assert.equal(planOf([], [[w, value], [v, value]]).copies.length, 1);
  w.assign(value.add(1));
  v.assign(w);
  await evaluate(w, v);
  assert.deepEqual([await w.data(), await v.data()], Array(2).fill(new Float32Array(20).fill(2)));
});

test("plans: a state is one binding, also where it is met as what was assigned to it", async () => {
  const w = new Parameter(ones([8], on), { name: "w" });
  await evaluate(w);
  w.assign(w.add(1));
  const before = w.exp();
  await evaluate(w);
  const { dispatches } = planOf([before.add(w.square())]);
  assert.deepEqual(dispatches.map(({ bindings }) => bindings.length), [2]);
});

test("plans: convolutions put no more zeros around images than their windows reach", () => {
  const shape = [4, 4, 6, 6];
  const bytes = (window: number, padding: number) => {
    const weight = leaf(4, 4, window, window);
    const y = conv2d(leaf(...shape), weight, { padding });
    const dx = conv2dInputGradient(leaf(...y.shape), weight, { shape, padding });
    const dw = conv2dWeightGradient(leaf(...shape), leaf(...y.shape), { shape: weight.shape, padding });
    return [y, dx, dw].map((tensor) => bytesOf(planOf([tensor])));
  };
  // Images, kernels and the result: 4 x 4 x 6 x 6 floats, and no zero more.
  assert.deepEqual(bytes(1, 0), [[2304, 2304, 64], [2304, 2304, 64], [2304, 2304, 128]]);
  // One row of zeros on each side of what is read under the window: 8 x 8.
  assert.deepEqual(bytes(3, 1), [[4096, 2304, 576], [4096, 2304, 576], [4096, 2304, 1152]]);
});

test("plans: four neighbours are one load, and so is an element that repeats", () => {
  const loads = (x: Tensor) => planOf([leaf(6, 8).add(x)]).dispatches[0]!.body.match(/\bin_x1\(/g)?.length;
  assert.equal(loads(leaf(6, 8)), 1);
  assert.equal(loads(leaf(8)), 1);
  assert.equal(loads(leaf(6, 1)), 1);
  assert.equal(loads(leaf(8, 6).transpose()), 4);
  const [dispatch] = planOf([leaf(8).add(leaf(16).slice({ start: 4, end: 12 }))]).dispatches;
  assert.equal(dispatch!.body.match(/\bin_x1\(/g)!.length, 1);
});

test("plans: matrices stacked along two axes are read where one stack would be", () => {
  const kernels = (...lead: number[]) => {
    const [a, b] = [leaf(...lead, 16, 16), leaf(...lead, 16, 16)];
    return planOf([a.transpose([...lead.keys(), lead.length + 1, lead.length]).matmul(b)]).dispatches.length;
  };
  assert.equal(kernels(2, 3), kernels(6));
  assert.equal(kernels(2, 1, 3), kernels(6));
});

test("plans: what a gradient needs besides is not computed twice", () => {
  const [x, w] = [leaf(4, 8), leaf(8, 3)];
  const y = x.matmul(w).tanh();
  const plan = planOf([y.sum(), ...gradients(y.sum(), [x, w])]);
  // The gradient of tanh takes its result; the sum of all elements is beside it, and then come two products.
  assert.deepEqual([...new Set(labels(plan))], ["matmul+tanh", "sum", "square+sub+mul", "matmul"]);
});

test("plans: a step of AlexNet's small sister", async () => {
  const network = nn.build(nn.models.alexnet_mini, { key: randomKey(1, on) });
  const parameters = [...network.parameters().values()];
  await evaluate(...parameters);
  const labels = tensor(new Int32Array(16), on);
  const loss = crossEntropy(network.forward(leaf(16, 1, 28, 28), nn.training(randomKey(2, on))), labels);
  const slopes = gradients(loss, parameters);
  const plan = planOf([loss], parameters.map((w, i) => [w, w.sub(slopes[i]!.mul(0.01))]));
  checkMemory(plan);
  assert.equal(plan.copies.length, 0);
  const { length } = plan.dispatches;
  const bytes = bytesOf(plan).reduce((sum, each) => sum + each);
  // Measured: who changes the planner on purpose writes the new numbers here.
  assert.deepEqual({ dispatches: length, bytes }, { dispatches: 117, bytes: 5_646_352 });
});

test("plans: an equal graph finds its plan, another attribute does not", async () => {
  // A device of its own: on a shared one, plans go with parameters that the garbage collector takes.
  const own = await device("webgpu");
  const plansAfter = async (axis: number, value: number) => {
    await tensor([[value, 1], [2, 3]], { device: own }).sum({ axis }).data();
    return (own.backend as WebGpuBackend).plans;
  };
  assert.deepEqual([await plansAfter(0, 1), await plansAfter(0, 5), await plansAfter(1, 1)], [1, 1, 2]);
  own.destroy();
});

test("plans: they are kept while they take no more than three times the memory of the one in use", async () => {
  const own = await webgpuDevice("auto", { planBytes: 0 });
  const backend = own.backend as WebGpuBackend;
  const run = (x: number) =>
    tensor(new Float32Array(1 << 16), { shape: [1 << x, 1 << (16 - x)], device: own }).sum().item();
  const kept: number[] = [];
  for (let i = 0; i < 6; i++) {
    await run(i);
    kept.push(backend.plans);
  }
  assert.deepEqual(kept, [1, 2, 3, 3, 3, 3]);
  own.destroy();
});
