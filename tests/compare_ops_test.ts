// compareOps on small graphs: what is not finite, what is wrong only when fused, what was read before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareOps, describeOp, recordProvenance } from "../debug/mod.ts";
import { gradients, InputSlot, nn, Parameter, randomKey, type Tensor, tensor } from "../mod.ts";
import { devices } from "./devices.ts";
import { assertRight, spoiled } from "./spoiled.ts";

const [cpu, gpu] = await devices();

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

test("compare: what is wrong only as it is usually evaluated fails, as fused", async () => {
  let evaluations = 0;
  const wrong = spoiled(gpu!, "exp", (data) => {
    if (evaluations++ === 0) data[0]! += 2 ** -20;
  });
  const { ops, fused, first } = await compareOps([tensor([0, -1], { device: wrong }).exp()]);
  assert.deepEqual([ops[0]!.worst <= 1, ops[0]!.outputs[0]!.fused], [true, 8]);
  assert(first!.worst > 1 && first === fused[0]);
  const right = await compareOps([tensor([0, -1], { device: gpu! }).exp()]);
  assertRight(right);
  assert.deepEqual(right.fused, []);
});

test("compare: a fused kernel that is wrong, while each of its ops is right on its own", async () => {
  // Right where the sum before it is read as well: then the two are kernels of their own.
  const wrong = spoiled(gpu!, "relu", (data, tensor, asked) => {
    if (tensor.shape.length === 4 && !asked.has(tensor.node!.inputs[0]!)) {
      data[data.indexOf(Math.max(...data))]! *= 1.001;
    }
  });
  const key = randomKey(3, { device: wrong });
  const model = new nn.Sequential({
    conv1: new nn.Conv2d(1, 4, { window: 3, padding: 1, key }),
    relu1: new nn.ReLU(),
    conv2: new nn.Conv2d(4, 2, { window: 3, key }),
  });
  const x = tensor(Float32Array.from({ length: 49 }, (_, i) => i % 7), {
    shape: [1, 1, 7, 7],
    device: wrong,
  });
  const { ops, fused, first } = await compareOps(() => model.forward(x).square().sum());
  assert(ops.every(({ worst }) => worst <= 1));
  assert.deepEqual(first!.fused!.filter(({ op }) => op.name !== "reshape").map(({ op }) => op.name), [
    "conv2dWithBias",
    "relu",
  ]);
  assert.match(
    describeOp(first!),
    /^conv2dWithBias\+relu of layers conv1, relu1 leaves its bound, only when fused: .+:\d+: element \[0, \d, \d, \d\] is /,
  );
  assert.equal(fused[0], first);
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
    assert.deepEqual(await compareOps([]), { ops: [], fused: [], first: null });
  }
  await assert.rejects(
    compareOps([tensor([1], { device: cpu! }), tensor([1], { device: gpu! })]),
    { name: "TypeError", message: "compareOps: tensors are on cpu and on webgpu" },
  );
});

test("compare: tensors that were read are looked behind, or refused", async () => {
  for (const on of [cpu!, gpu!]) {
    const y = tensor([1, 0], { device: on }).log().sum();
    await y.item();
    const { ops } = await compareOps([y]);
    assert.deepEqual(ops.map(({ node }) => node.op.name), ["log", "sum"]);
    const w = new Parameter(tensor([2], { device: on }), { name: "w" });
    w.assign(w.mul(2));
    await w.data();
    const z = w.square();
    await z.data();
    w.assign(w.mul(2));
    await w.data();
    await assert.rejects(
      compareOps([z]),
      /^Error: compareOps: a tensor was read before, and w, from which it was made, has been updated since/,
    );
    await assert.rejects(compareOps([w]), /^Error: compareOps: no op to compare/);
  }
});

test("compare: a function's ops know where they were made", async () => {
  const { ops } = await compareOps(() => {
    const y = tensor([1], { device: cpu! }).exp();
    return y; // Bun leaves a function out whose last act is a call
  });
  assert.match(ops[0]!.node.made!.lines[0]!, /compare_ops_test/);
});

test("compare: only a product before a sum may be rounded otherwise", async () => {
  const x = tensor([10, 10], { device: gpu! });
  const near = tensor([Math.fround(Math.exp(10)) - 4, 99], { device: gpu! });
  const off = spoiled(gpu!, "sub", (data) => data[0]! += 2 ** -10); // half a unit of what was subtracted from
  const on = (value: Tensor) => tensor(value.hostData!, { device: off });
  await Promise.all([x.data(), near.data()]);
  const [a, b] = [on(x), on(near)];
  const { first } = await compareOps([a.exp().sub(b)]);
  assert.equal(first?.node.op.name, "sub");
  const big = tensor([148.4, 1], { device: off });
  const product = tensor([Math.fround(Math.fround(148.4) ** 2) - 4, 1], { device: off });
  assert.equal((await compareOps([big.square().neg().sub(product.neg())])).first, null);
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
