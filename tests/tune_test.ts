// The tuner: what is measured is right, and kept; nothing is measured, or looked up, that was not asked for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openGpu } from "../backends/webgpu/adapter.ts";
import { FAMILIES } from "../backends/webgpu/kernels/forced.ts";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import type { DispatchStep } from "../backends/webgpu/lower.ts";
import { type WebGpuBackend, webgpuDevice } from "../backends/webgpu/mod.ts";
import type { WebGpuOptions } from "../backends/webgpu/options.ts";
import { reference } from "../backends/webgpu/reference.ts";
import { type Dispatch, paramWords, shaderText } from "../backends/webgpu/shader.ts";
import { moreThan, SAMPLE } from "../backends/webgpu/stopwatch.ts";
import { agree } from "../backends/webgpu/agree.ts";
import { KERNELS } from "../backends/webgpu/tune_store.ts";
import type { PlanValue } from "../backends/webgpu/values.ts";
import {
  avgPool2d,
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  type Device,
  device,
  gradients,
  InputSlot,
  localResponseNorm,
  maxPool2d,
  ones,
  Parameter,
  type Tensor,
  tensor,
} from "../mod.ts";
import { apply } from "../tensor/declare.ts";
import { readKept, writeKept } from "./kept.ts";
import { PAIRS, planted, type Way, wayOf } from "./planted_ways.ts";
import { planOf } from "./plans.ts";

const opened = await openGpu("auto");
opened.device.destroy();
const { identity } = opened;

/** With nothing kept of this adapter. */
async function plantedHere(ways: readonly Way[], work: (taken: Way[]) => Promise<void>): Promise<void> {
  await writeKept(identity, "");
  await planted(ways, work);
}

test("tune: the fastest of those that are right is taken, kept, and found by the next device", () =>
  plantedHere(["slow", "wrong", "a half", "not a number", "not WGSL", "fast"], async (taken) => {
    assert.equal(await wayOf("cached", taken), "slow");
    assert.equal(await wayOf("on", taken), "fast");
    taken.length = 0;
    assert.equal(await wayOf("cached", taken), "fast");
    assert.deepEqual([...new Set(taken)], ["fast"]);
    // Neither looked up nor measured.
    taken.length = 0;
    assert.equal(await wayOf("off", taken), "slow");
    assert.deepEqual([...new Set(taken)], ["slow"]);
  }));

test("tune: the winner may have a choice of its own", () =>
  plantedHere(["slow", "faster or fast"], async (taken) => {
    assert.equal(await wayOf("on", taken), "fast");
    assert.match((await readKept(identity))!, /"planted: [^"]*": "faster or fast",\s*"inner: [^"]*": "fast"/);
  }));

test("tune: of two that take microseconds the faster wins, whichever is the guess", async () => {
  for (const ways of [["fast", "faster"], ["faster", "fast"]] as const) {
    for (let i = 0; i < 3; i++) {
      await plantedHere(ways, async (taken) => assert.equal(await wayOf("on", taken), "fast", `${ways}`));
    }
  }
});

test("tune: a plan is repeated until a sample is long, in few steps, however long one run takes", () => {
  for (const ms of [0.0001, 0.003, 0.01, 0.7, 39, 40, 5000]) {
    // What is submitted takes its time too.
    const sampleOf = (repeats: number) => 2 + ms * repeats;
    const counts = [1];
    const next = () => moreThan(counts.at(-1)!, sampleOf(counts.at(-1)!) / counts.at(-1)!);
    while (next() > counts.at(-1)!) counts.push(next());
    const repeats = counts.at(-1)!;
    assert.ok(sampleOf(repeats) >= SAMPLE || repeats === 16384, `${ms}: ${counts}`);
    assert.ok(sampleOf(repeats) < 1.5 * SAMPLE || repeats === 1, `${ms}: ${counts}`);
    assert.ok(counts.length < 10, `${ms}: ${counts}`);
  }
});

test("tune: where sums are exact another rounding is wrong", () =>
  plantedHere(["slow", "rounded"], async (taken) => assert.equal(await wayOf("on", taken), "slow")));

test("tune: a guess that is wrong is no measure for the others", () =>
  plantedHere(
    ["wrong", "a half", "slow", "fast"],
    async (taken) => assert.equal(await wayOf("on", taken), "fast"),
  ));

test("tune: an evaluation fails that no way computes rightly, and names the op", () =>
  plantedHere(["wrong", "a half"], async (taken) => {
    const gpu = await device("webgpu", { tune: "on" });
    const x = tensor(PAIRS, { shape: [256, 2], device: gpu });
    const message = "max: webgpu computes it wrongly on this adapter in every way there is (wrong, a half)";
    await assert.rejects(x.max({ axis: 1 }).data(), { name: "Error", message });
    // Nor later, and nothing of it is kept; the device goes on.
    await assert.rejects(x.max({ axis: 1 }).neg().data(), { name: "Error", message });
    assert.equal(await readKept(identity), "");
    assert.equal(await x.sum().item(), PAIRS.reduce((a, b) => a + b));
    gpu.destroy();
    assert.ok(taken.includes("a half"));
  }));

test("tune: what fails on the device the evaluation fails at", () =>
  plantedHere(["not WGSL", "wrong"], async (taken) => {
    await assert.rejects(wayOf("on", taken), /^Error: max: webgpu validation error: /);
    assert.equal(taken.at(-1), "not WGSL");
  }));

test("tune: whole numbers agree to the bit, others but for roundings of the largest", () => {
  const cases: [dtype: "f32" | "f16", wanted: number[], found: number[], same: boolean][] = [
    ["f32", [3, 1000000], [3, 1000000], true],
    ["f32", [3, 1000000], [3, 1000001], false],
    ["f32", [3, 1000000], [3 + 2 ** -20, 1000000], false],
    ["f32", [0.5, 1000000], [0.5, 1000001], true],
    ["f32", [0.5, 10000], [0.5, 10001], false],
    ["f32", [2 ** 25], [2 ** 25 + 4], true],
    ["f32", [0.5, 1], [NaN, 1], false],
    ["f16", [3, 4096], [3, 4100], false],
    ["f16", [0.5, 4096], [0.5, 4100], true],
    ["f16", [0.5, 4096], [0.5, 4104], false],
    ["f16", [3, Infinity], [3, Infinity], true],
    ["f16", [3, Infinity], [4, Infinity], false],
    ["f16", [0.5, Infinity], [0.5, 65504], false],
  ];
  for (const [dtype, wanted, found, same] of cases) {
    const agreed = agree([{ dtype, data: Float64Array.from(found) }], [{ data: Float64Array.from(wanted) }]);
    assert.equal(agreed, same, `${dtype} ${wanted} and ${found}`);
  }
});

test("tune: what loses leaves nothing behind", () =>
  plantedHere(["slow", "faster", "fast"], async (taken) => {
    const gpu = await device("webgpu", { tune: "on" });
    await tensor(PAIRS, { shape: [256, 2], device: gpu }).max({ axis: 1 }).data();
    assert.deepEqual([taken.includes("faster"), taken.at(-1)], [true, "fast"]);
    assert.equal((gpu.backend as WebGpuBackend).pipelines.count, 1);
    gpu.destroy();
  }));

test("tune: where nothing else is right the guess stays, and that is kept too", () =>
  plantedHere(["slow", "a half", "wrong", "not a number", "not WGSL"], async (taken) => {
    assert.equal(await wayOf("on", taken), "slow");
    taken.length = 0;
    assert.equal(await wayOf("on", taken), "slow");
    assert.deepEqual([...new Set(taken)], ["slow"]);
  }));

test("tune: what is kept is not believed when it is spoiled, old, of another adapter, or knows other candidates", () =>
  plantedHere(["slow", "fast"], async (taken) => {
    await wayOf("on", taken);
    const text = (await readKept(identity))!;
    assert.equal(await wayOf("cached", taken), "fast");
    const spoiled = [
      text.slice(0, -3),
      "null",
      '{"winners":7}',
      text.replace(KERNELS, "00000000"),
      text.replace(/"adapter": "/, "$&another "),
      text.replace(/: "fast"/g, ': "faster"'),
      text.replace(/: "fast"/g, ": 7"),
      text.replaceAll("slow,fast", "slow,faster"),
    ];
    for (const other of spoiled) {
      assert.notEqual(other, text);
      await writeKept(identity, other);
      assert.equal(await wayOf("cached", taken), "slow", other);
    }
    // And measured again, beside what is kept of other shapes.
    await writeKept(identity, text.replace('"planted:', '"other": "x",\n  "planted:'));
    await wayOf("on", taken);
    assert.match((await readKept(identity))!, /"other": "x"/);
  }));

test("tune: what comes while there is measuring waits its turn", () =>
  plantedHere(["slow", "fast"], async () => {
    const gpu: Device = await device("webgpu", { tune: "on" });
    const slot = new InputSlot([1, 2], { device: gpu });
    const w = new Parameter(ones([1], { device: gpu }));
    slot.write([1, 2]);
    w.assign(w.add(slot.max({ axis: 1 })));
    const first = w.data();
    slot.write([5, 4]);
    const second = slot.max({ axis: 1 }).mul(w).data();
    w.assign(w.mul(10));
    assert.deepEqual([...await first, ...await second, ...await w.data()], [3, 15, 30]);
    gpu.destroy();
  }));

test("tune: a device that is destroyed while it measures says so", () =>
  plantedHere(["slow", "fast"], async () => {
    const gpu = await device("webgpu", { tune: "on" });
    const reading = tensor(PAIRS, { shape: [256, 2], device: gpu }).max({ axis: 1 }).data();
    gpu.destroy();
    await assert.rejects(reading, /^Error: webgpu: the device was destroyed$/);
  }));

/** Of each product the last results, by images and channels, some of them in groups. */
const REFERRED: Readonly<Record<string, (make: (...shape: number[]) => Tensor) => readonly Tensor[]>> = {
  "matmul": (make) => [make(3, 7, 20).matmul(make(3, 9, 20).transpose([0, 2, 1]))],
  "conv2d": (make) => [conv2d(make(3, 6, 7, 8), make(8, 3, 3, 2), { groups: 2, stride: [2, 1], padding: 1 })],
  "conv2dInputGradient": (make) => [
    conv2dInputGradient(make(3, 8, 5, 7), make(8, 3, 3, 2), { groups: 2, shape: [3, 6, 7, 8] }),
  ],
  "conv2dWeightGradient": (make) => [
    conv2dWeightGradient(make(3, 6, 7, 8).flip({ axis: 2 }), make(3, 8, 5, 7), {
      groups: 2,
      shape: [8, 3, 3, 2],
    }),
  ],
  "conv2dParameterGradients": (make) => {
    const [x, weight, bias] = [make(3, 6, 7, 8), make(8, 6, 3, 2), make(8)];
    const y = conv2d(x, weight, { bias });
    return gradients(y.mul(make(...y.shape)).sum(), [weight, bias]);
  },
  "sum": (make) => [make(3, 40, 5, 7).sum({ axis: [1, 3] })],
  "argmax": (make) => [make(3, 100, 4).argmax({ axis: 1 })],
  "localResponseNorm": (make) => [localResponseNorm(make(3, 6, 2, 3), { groups: 2, size: 3 })],
  "avgPool2dGradient": (make) => {
    const x = make(3, 4, 5, 7);
    const y = avgPool2d(x, { window: 3, stride: 2, padding: 1 });
    return gradients(y.mul(make(...y.shape)).sum(), [x]);
  },
};

test("tune: what candidates are held to is the op's definition, of a few results", async () => {
  const gpu = await device("webgpu");
  const cpu = await device("cpu");
  const number = (seed: number, i: number) => (seed * 31 + i * 7 + (i * i) % 11) % 5 - 2;
  for (const [name, call] of Object.entries(REFERRED)) {
    const made = (on: Device) => {
      const leaves: Tensor[] = [];
      const outputs = call((...shape) => {
        const data = Float32Array.from(
          { length: shape.reduce((a, b) => a * b, 1) },
          (_, i) => number(leaves.length, i),
        );
        const made = tensor(data, { shape, device: on });
        leaves.push(made);
        return made;
      });
      return { leaves, outputs };
    };
    const { leaves, outputs } = made(gpu);
    let asked: DispatchStep | null = null;
    planOf(outputs, [], {
      choose: ({ item }) => (item.kind === "dispatch" && item.op.name === name && (asked = item), undefined),
    });
    assert.ok(asked, name);
    const step: DispatchStep = asked;
    const seedOf = ({ length }: PlanValue) => leaves.findIndex(({ size }) => size === length);
    const library = { apply, tensor, openCpu: () => Promise.resolve(cpu) };
    const sampled = await reference(step, (value, i) => number(seedOf(value), i), library);
    const expected = await Promise.all(made(cpu).outputs.map((y) => y.data()));
    assert.equal(sampled.length, expected.length);
    sampled.forEach(({ data, places }, k) => {
      assert.ok(
        places.length >= 2 && places.length < expected[k]!.length && places.includes(expected[k]!.length - 1),
      );
      assert.deepEqual([...data], Array.from(places, (place) => expected[k]![place]!), name);
    });
  }
  gpu.destroy();
});

test("tune: real kernels are tuned, with results as without", async () => {
  await writeKept(identity, "");
  const product = async (tune: "off" | "on", variants: WebGpuOptions["variants"] = {}) => {
    const gpu = await webgpuDevice("auto", { tune, variants });
    const x = tensor(Float32Array.from({ length: 1600 }, (_, i) => i % 7 - 3), {
      shape: [40, 40],
      device: gpu,
    });
    const y = await x.matmul(x).relu().data();
    gpu.destroy();
    return y;
  };
  assert.deepEqual(await product("on"), await product("off"));
  assert.match((await readKept(identity))!, /"product: [^"]*matmul[^"]*40[^"]*": "/);
  // Tiles are asked about where lanes work alone, whoever is faster here.
  assert.deepEqual(await product("on", { product: "registers" }), await product("off"));
  assert.match((await readKept(identity))!, /"tile: [^"]*matmul[^"]*40[^"]*": "/);
});

/** Enough of them that how they are cut is worth a choice. */
async function elementwise(tune: "off" | "on"): Promise<unknown> {
  const gpu = await device("webgpu", { tune });
  const x = tensor(Float32Array.from({ length: 1 << 18 }, (_, i) => i % 97 / 97), { device: gpu });
  const y = await x.mul(0.5).exp().add(x.flip({ axis: 0 })).data();
  gpu.destroy();
  return y;
}

test("tune: element-wise kernels are cut by measurement, and give the same bits", async () => {
  await writeKept(identity, "");
  assert.deepEqual(await elementwise("on"), await elementwise("off"));
  const kept = (await readKept(identity))!;
  assert.match(kept, /"run: 1,0.5,2,4: mul\+exp\+add [^"]* -> f32\[up to 262144\]": "/);
  assert.match(kept, /"workgroup: 1,0.5,2,4: mul\+exp\+add /);
});

test("tune: element-wise kernels that give other bits than the guess are out", async () => {
  await writeKept(identity, "");
  const table = kernels as { exp: unknown };
  const original = kernels.exp;
  // By the run: whatever is fast, only the guess is itself.
  table.exp = { kind: "elementwise", expression: ([x]: readonly string[]) => `(${x} + f32(p.run))` };
  try {
    assert.deepEqual(await elementwise("on"), await elementwise("off"));
    assert.match((await readKept(identity))!, /"run: [^"]*": "1"/);
  } finally {
    table.exp = original;
  }
});

/** Something of each family's to choose. */
const CHOOSING: Readonly<Record<string, (on: Device) => Tensor>> = {
  "product": (on) => leaf(on, 300, 200, "f16").matmul(leaf(on, 200, 300, "f16")),
  "tile": (on) => leaf(on, 64, 32).transpose().matmul(leaf(on, 64, 4)),
  "tile along k": (on) => leaf(on, 32, 64).matmul(leaf(on, 64, 4)),
  "panels": (on) =>
    conv2d(leaf(on, 64, 72).reshape([1, 64, 8, 9]), leaf(on, 256, 64).reshape([256, 64, 1, 1])),
  "workgroup": (on) => leaf(on, 1024, 256).exp(),
  "run": (on) => leaf(on, 1024, 256).exp(),
  "partials": (on) => leaf(on, 1, 4096).sum(),
  "splits": (on) => leaf(on, 32, 16384).matmul(leaf(on, 16384, 64)),
  "lanes": (on) => leaf(on, 64, 32).matmul(leaf(on, 32, 64)),
  "maps": (on) => localResponseNorm(leaf(on, 256, 256).reshape([1, 256, 16, 16])),
  "blocks": (on) => {
    const x = leaf(on, 16, 16).reshape([1, 1, 16, 16]);
    return gradients(maxPool2d(x, { window: 2 }).sum(), [x])[0]!;
  },
};

/** An adapter that can run all variants of the product. */
const LARGE = {
  parallelism: 65536,
  abilities: { subgroup: 32, matrices: true, workgroupBytes: 49152, workgroupLanes: 1024 },
};

function leaf(device: Device, rows: number, columns: number, dtype: "f32" | "f16" = "f32"): Tensor {
  return tensor(new Float32Array(rows * columns), { shape: [rows, columns], dtype, device });
}

/** The plan where a family's choice falls on a candidate. */
function planWith(on: Device, family: string, wanted: string): readonly Dispatch[] {
  const choose = (question: { readonly family: string }) => question.family === family ? wanted : undefined;
  return planOf([CHOOSING[family]!(on)], [], {
    choose,
    copyBelow: 0,
    ...(family === "product" || family === "workgroup" ? LARGE : {}),
  }).dispatches;
}

test("tune: a candidate that is asked for is taken wherever there is the choice", async () => {
  // Plans are made without a GPU, which need not have f16.
  const cpu = await device("cpu");
  for (const [family, candidates] of Object.entries(FAMILIES)) {
    const textOf = (wanted: string) =>
      planWith(cpu, family, wanted).map((dispatch) =>
        shaderText(dispatch, 1 << 27) + paramWords(dispatch) + dispatch.workgroupSize
      ).join();
    const plans = candidates.map(({ name }) => textOf(name));
    assert.equal(new Set(plans).size, candidates.length, family);
    assert.ok(plans.includes(textOf("no such candidate")), family);
  }
});

test("tune: what is kept belongs to these kernels", async () => {
  const cpu = await device("cpu");
  let hash = 0x811c9dc5;
  for (const [family, candidates] of Object.entries(FAMILIES)) {
    for (const { name } of candidates) {
      const texts = planWith(cpu, family, name).map((dispatch) => shaderText(dispatch, 1 << 27));
      const code = texts.join().replaceAll(/\/\/.*/g, "").replaceAll(/\s+/g, " ");
      for (const letter of code) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
    }
  }
  const found = (hash >>> 0).toString(16).padStart(8, "0");
  assert.equal(found, KERNELS, `the kernels changed: KERNELS in tune_store.ts is to be "${found}"`);
});
