// Which values a plan computes twice instead of keeping them, and that the numbers are the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compiled } from "../backends/webgpu/compile.ts";
import type { Binding } from "../backends/webgpu/shader.ts";
import {
  device,
  evaluate,
  InputSlot,
  Parameter,
  randomKey,
  type Tensor,
  tensor,
  uniform,
  zeros,
} from "../mod.ts";
import { labels, planOf } from "./plans.ts";

const gpu = await device("webgpu");

/** 1 MiB of floats. */
const SIZE = 1 << 18;

/** Reductions that must come one after the other: so many kernels lie between what is before and behind. */
function longWay(from: Tensor, kernels: number): Tensor {
  let x = from;
  for (let i = 0; i < kernels; i++) x = x.add(i).reshape([1, -1]).broadcastTo([2, x.size]).sum({ axis: 0 });
  return x;
}

/** Something cheap that is read at once, and by a sum after `kernels` others. */
function readTwice(
  {
    size = SIZE,
    kernels = 20,
    cheap = (x: Tensor) => x.cast("f32").div(255).sub(0.5),
    on = gpu,
    bytes = new Uint8Array(size),
  } = {},
): Tensor {
  const slot = new InputSlot([size], { dtype: "u8", device: on });
  slot.write(bytes);
  const value = cheap(slot);
  const early = value.reshape([16, -1]).sum({ axis: 1 });
  const late = longWay(early, kernels);
  return value.reshape([16, -1]).transpose().matmul(late.reshape([16, 1])).reshape([-1]);
}

const count = (plan: Compiled, label: string) => labels(plan).filter((each) => each === label).length;
/** How often the cheap kernel is in the plan. */
const times = (y: Tensor) => count(planOf([y]), "cast+div+sub");

test("recompute: a large cheap value is computed again for a reader that comes late", () => {
  const plan = planOf([readTwice()]);
  assert.equal(count(plan, "cast+div+sub"), 2);
  const [first, second] = plan.dispatches.flatMap(({ label, bindings }) =>
    label === "cast+div+sub" ? [bindings.find(({ access }) => access === "write")!.value] : []
  );
  const users = (value: typeof first) =>
    plan.dispatches.flatMap(({ bindings }, i) =>
      bindings.some((binding) => binding.value === value) ? [i] : []
    );
  // Each lives from its kernel to the next, and the second is there for the last.
  assert.deepEqual(users(first), [0, 1]);
  assert.equal(users(second).length, 2);
  assert.ok(users(second)[1]! > 20);
});

test("recompute: what is small, read soon, dear or wanted outside is kept", () => {
  assert.equal(times(readTwice({ size: SIZE - 16 })), 1);
  assert.equal(times(readTwice({ kernels: 3 })), 1);
  const kept = (label: string, cheap: (x: Tensor) => Tensor) =>
    assert.equal(labels(planOf([readTwice({ cheap })])).filter((each) => each.startsWith(label)).length, 1);
  // A gathering op, one step too many, operands that take longer to read, and one that would have to be kept instead.
  kept("randomBits", () => uniform(randomKey(1, { device: gpu }), [SIZE]));
  kept("cast+neg", (x) => Array.from({ length: 8 }).reduce<Tensor>((y) => y.neg(), x.cast("f32")));
  const other = new InputSlot([SIZE], { device: gpu });
  kept("cast+add", (x) => x.cast("f32").add(other));
  kept("neg", (x) => x.cast("f32").reshape([-1, 1]).sum({ axis: 1 }).neg());
  const slot = new InputSlot([SIZE], { dtype: "u8", device: gpu });
  const value = slot.cast("f32").div(255).sub(0.5);
  const late = longWay(value.reshape([16, -1]).sum({ axis: 1 }), 20).sum();
  assert.equal(count(planOf([value, value.mul(late).reshape([16, -1]).sum({ axis: 0 })]), "cast+div+sub"), 1);
});

test("recompute: not from a state that has been overwritten by then", async () => {
  const w = new Parameter(zeros([SIZE], { device: gpu }), { name: "w" });
  await evaluate(w);
  const value = w.mul(2).add(1);
  const early = value.reshape([16, -1]).sum({ axis: 1 });
  const late = longWay(early, 20);
  const y = value.reshape([16, -1]).transpose().matmul(late.reshape([16, 1])).reshape([-1]);
  assert.equal(count(planOf([y]), "mul+add"), 2);
  // The update needs an early number only, and comes as soon as all who read the old content were there.
  const v = new Parameter(zeros([SIZE / 16], { device: gpu }), { name: "v" });
  const plan = planOf([], [[v, y], [w, w.sub(early.sum())]]);
  const last = (wanted: (binding: Binding) => boolean) =>
    plan.dispatches.findLastIndex(({ bindings }) => bindings.some(wanted));
  const update = last(({ value: { home, length }, access }) =>
    home.kind === "state" && length === SIZE && access !== "read"
  );
  assert.ok(update > 0 && update < plan.dispatches.length - 10);
  assert.equal(count(plan, "mul+add"), 1);
});

test("recompute: the numbers are those of the CPU", async () => {
  const bytes = Uint8Array.from({ length: SIZE }, (_, i) => i % 3 === 0 ? 255 : 0);
  const cheap = (x: Tensor) => x.cast("f32").div(255).sub(1);
  const read = async (on: typeof gpu) => {
    const y = readTwice({ on, cheap, kernels: 18, bytes });
    return await y.mul(tensor(2 ** -18, { device: on })).data();
  };
  assert.equal(count(planOf([readTwice({ cheap, kernels: 18 })]), "cast+div+sub"), 2);
  const [ours, theirs] = [await read(gpu), await read(await device("cpu"))];
  for (let i = 0; i < 1000; i++) {
    assert.ok(Math.abs(ours[i]! / theirs[i]! - 1) < 1e-5, `${i}: ${ours[i]}, ${theirs[i]}`);
  }
});
