// When things are computed, and from what: copies between devices, values under way, contents that come and go.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  avgPool2d,
  conv2d,
  type Device,
  device,
  evaluate,
  full,
  gather,
  gradients,
  InputSlot,
  logSoftmax,
  ones,
  Parameter,
  tensor,
  zeros,
} from "../mod.ts";
import { devices } from "./devices.ts";

const all = await devices();

for (const device of all) {
  const here = { device };
  const other = all.find((each) => each !== device) as Device;
  const there = { device: other };
  const name = (what: string) => `evaluation: ${what}, ${device.name}`;

  test(name("copies between devices are read, assigned and differentiated"), async () => {
    assert.deepEqual(await tensor([1, 2, 3], here).to(other).array(), [1, 2, 3]);
    assert.deepEqual(await new Parameter(tensor([1, 2], here).to(other)).array(), [1, 2]);
    const x = tensor([1, 2, 3], here);
    assert.deepEqual(await gradients(x.to(other).square().sum(), [x])[0]!.array(), [2, 4, 6]);
    assert.deepEqual(await x.to(other).mul(2).to(device).add(x).array(), [3, 6, 9]);
  });

  test(name("an update that waits for a copy takes effect in its turn"), async () => {
    const w = new Parameter(zeros([2], here));
    const reading = tensor([1, 2], there).to(device).add(0).data();
    w.assign(tensor([5, 6], there).to(device));
    await reading;
    assert.deepEqual(await w.array(), [5, 6]);
    const product = tensor([3, 3], there).to(device).mul(w).data();
    w.assign(w.add(1));
    const after = w.data();
    assert.deepEqual([...await product], [15, 18]);
    assert.deepEqual([...await after], [6, 7]);
  });

  test(name("what is made from a value under way is made from that value"), async () => {
    const w = new Parameter(tensor(1, here));
    const a = w.mul(2);
    const first = a.data();
    w.assign(w.add(10));
    const second = w.data();
    assert.equal(await a.add(1).item(), 3);
    assert.deepEqual([[...await first], [...await second]], [[2], [11]]);
    const [x, y] = await Promise.all([a.data(), a.data()]);
    assert.deepEqual(x, y);
  });

  test(name("gradients are for the content that y saw, or throw"), async () => {
    const x = tensor([1, 2], here);
    const v = x.mul(2);
    const p = new Parameter(v, { name: "p" });
    await evaluate(p);
    assert.deepEqual(await gradients(v.sum(), [x])[0]!.array(), [2, 2]);
    const early = new Parameter(tensor([3], here));
    const loss = early.square().sum();
    early.assign(early.add(1));
    assert.deepEqual(await gradients(loss, [early])[0]!.array(), [6]);
    const seen = p.square().sum();
    assert.equal(await seen.item(), 20);
    assert.deepEqual(await gradients(seen, [p])[0]!.array(), [4, 8]);
    await p.data();
    p.assign(p.add(1));
    await evaluate(p);
    assert.equal(await seen.item(), 20);
    assert.throws(
      () => gradients(seen, [p]),
      /^Error: gradients: y was made from p, which has been updated since/,
    );
  });

  test(name("an expression outlives the parameters that it was the content of"), async () => {
    const z = zeros([3], here);
    const p = new Parameter(z);
    await evaluate(p);
    p.assign(p.add(1));
    await evaluate(p);
    assert.deepEqual(await new Parameter(z).array(), [0, 0, 0]);
    assert.deepEqual(await p.array(), [1, 1, 1]);
  });

  test(name("an evaluation that cannot be done leaves the updates of others queued"), async () => {
    const w = new Parameter(ones([2], here), { name: "w" });
    await evaluate(w);
    const stale = w.mul(2);
    w.assign(w.add(1));
    await evaluate(w);
    w.assign(w.add(1));
    await assert.rejects(stale.data(), /made from w/);
    assert.deepEqual(await w.array(), [3, 3]);
    assert.throws(() => logSoftmax(zeros([2, 0], here)), /^RangeError: logSoftmax: \[2, 0\] has no classes/);
  });

  test(name("an update in place reads its old content in two ways"), async () => {
    const w = new Parameter(ones([2, 4], here));
    w.assign(w.sub(w.reshape([8]).mul(0.5).reshape([2, 4])));
    assert.deepEqual([...await w.data()], new Array(8).fill(0.5));
  });

  test(
    name("kernels that look elsewhere than at their own element are not fused behind a product"),
    async () => {
      const image = conv2d(ones([1, 1, 3, 3], here), ones([1, 1, 3, 3], here), { padding: 1 });
      const pooled = avgPool2d(image, { window: 3, stride: 1, padding: 1 });
      const ninths = (await pooled.mul(9).data()).map(Math.round);
      assert.deepEqual([...ninths], [25, 35, 25, 35, 49, 35, 25, 35, 25]);
      const rows = tensor([[1, 2], [3, 4]], here).matmul(tensor([[1, 0], [0, 1]], here));
      assert.deepEqual(await gather(rows, tensor(Int32Array.of(1, 0), here)).array(), [[3, 4], [1, 2]]);
    },
  );

  test(name("numbers meet integers as they are, or not at all"), async () => {
    assert.throws(() => tensor(Uint32Array.of(5), here).add(-1), /^RangeError: -1 is no u32/);
    assert.throws(() => tensor(Uint8Array.of(5), here).less(300), /^RangeError: 300 is no u8/);
    assert.equal(await tensor(5, { dtype: "i32", ...here }).argmax().item(), 0);
    if (device.supports("f16")) {
      assert.equal(await full([100_000], 1, { dtype: "f16", ...here }).mean().item(), 1);
    }
    for (const exponent of [3, 5, -2]) {
      const powers = await tensor([7, 10, -3], here).pow(exponent).data();
      [7, 10, -3].forEach((base, i) => assert.equal(powers[i], Math.fround(base ** exponent)));
    }
  });

  test(name("states that start from one tensor are told apart"), async () => {
    const start = tensor([3], here);
    const [a, b] = [new Parameter(start), new Parameter(start)];
    const both = gradients(a.mul(5).add(b.mul(7)).sum(), [a, b]);
    assert.deepEqual(await Promise.all(both.map((gradient) => gradient.array())), [[5], [7]]);
    a.assign(b);
    const of = gradients(a.square().mul(b).sum(), [a, b]);
    assert.deepEqual(await Promise.all(of.map((gradient) => gradient.array())), [[18], [9]]);
    b.assign(b.add(1));
    await evaluate(b);
    assert.deepEqual([await a.array(), await b.array()], [[3], [4]]);
    const w = new Parameter(start);
    const early = w.mul(3);
    w.assign(tensor([2], here));
    assert.deepEqual(await gradients(w.mul(5).add(early).sum(), [w])[0]!.array(), [5]);
  });

  test(name("a loop need not wait for what it reads"), async () => {
    const slot = new InputSlot([1], here);
    const w = new Parameter(zeros([1], here));
    const reads = [1, 2, 3, 4, 5].map((step) => {
      slot.write([step]);
      const loss = slot.mul(w);
      w.assign(w.add(slot));
      return Promise.all([loss.data(), w.data()]);
    });
    const last = (await Promise.all(reads)).at(-1)!;
    assert.deepEqual(last.map(([value]) => value), [50, 15]);
  });

  test(name("what a loop queues before it writes a slot is carried out"), async () => {
    const slot = new InputSlot([1], here);
    const w = new Parameter(zeros([1], here));
    for (let step = 1; step <= 5; step++) {
      slot.write([step]);
      w.assign(w.add(slot));
    }
    assert.deepEqual(await w.array(), [15]);
  });

  test(name("parameters that depend on each other learn without being read"), async () => {
    const w1 = new Parameter(tensor([1], here), { name: "w1" });
    await evaluate(w1);
    const w2 = new Parameter(tensor([2], here), { name: "w2" });
    let [x, y] = [1, 2];
    for (let step = 0; step < 40; step++) {
      const [g1, g2] = gradients(w1.mul(w2).sum(), [w1, w2]);
      w1.assign(w1.sub(g1!.mul(0.01)));
      w2.assign(w2.sub(g2!.mul(0.01)));
      [x, y] = [x - 0.01 * y, y - 0.01 * x];
    }
    assert(Math.abs(await w1.item() - x) < 1e-5 && Math.abs(await w2.item() - y) < 1e-5);
  });

  test(name("a disposed parameter does not take the device with it"), async () => {
    const gone = new Parameter(tensor([1], here), { name: "gone" });
    const p = new Parameter(tensor([1], here), { name: "p" });
    await evaluate(p, gone);
    p.assign(gone.mul(2));
    gone.dispose();
    const failures = [];
    for (let i = 0; i < 3; i++) await tensor([1], here).add(1).data().catch((error) => failures.push(error));
    assert(failures.length <= 2);
    assert.deepEqual(await tensor([1], here).add(1).array(), [2]);
  });

  test(name("updates do not pile up in a loop that asks for nothing"), async () => {
    const w = new Parameter(zeros([2], here), { name: "w" });
    const v = new Parameter(ones([2], here), { name: "v" });
    for (let step = 1; step <= 100; step++) {
      const [dw] = gradients(w.mul(v).sum(), [w]);
      v.assign(v.add(dw!.mul(0.01)));
      w.assign(w.add(v));
    }
    // More than 16 steps were carried out on the way.
    assert(w.version > 2, `${w.version}`);
    let [x, y] = [0, 1];
    for (let step = 1; step <= 100; step++) {
      y += y * 0.01;
      x += y;
    }
    assert(Math.abs((await w.data())[0]! - x) < 1e-3 * x);
  });

  test(name("a long chain of ops"), async () => {
    let x = zeros([5], here);
    for (let i = 0; i < 300; i++) x = x.add(i % 7);
    assert.equal((await x.data())[4], Array.from({ length: 300 }, (_, i) => i % 7).reduce((a, b) => a + b));
  });
}

test("devices that are opened at once live side by side", async () => {
  const opened = await Promise.all([1, 2, 3].map(() => device("webgpu")));
  const sums = await Promise.all(opened.map((on, i) => tensor([i, 1], { device: on }).sum().item()));
  assert.deepEqual(sums, [1, 2, 3]);
  for (const on of opened) on.destroy();
});
