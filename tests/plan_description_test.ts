// What `--plan` tells of a step: the same as a device counts that is given the step, and a drawing that holds together.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Limits } from "../backends/webgpu/compile.ts";
import * as gpuKernels from "../backends/webgpu/kernels/gpu.ts";
import { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { PlanningBackend } from "../backends/webgpu/planner.ts";
import { drawPlan } from "../debug/plan_drawing.ts";
import { planLines, type StepPlan } from "../debug/plan_table.ts";
import { Device, nn, randomKey, SGD } from "../mod.ts";
import { summarise } from "../nn/tables.ts";
import { planStep, preparePlan } from "../train/plan_job.ts";
import { TrainingStep } from "../train/step.ts";
import { fakeGpu } from "./fake_gpu.ts";

const LIMITS: Limits = {
  windowBytes: 1 << 27,
  maxBindings: 10,
  maxGroups: 65535,
  parallelism: 256,
  copyBelow: 1 << 18,
  band: 0,
  abilities: { subgroup: 0, matrices: false, workgroupBytes: 32768, workgroupLanes: 256 },
  gpu: gpuKernels,
};

/** A first step, in which parameters get their first values too, and the sizes of all states. */
async function runStep(device: Device, name: "alexnet" | "lenet5", batch: number): Promise<void> {
  const key = randomKey(1, { device });
  const { input: shape } = nn.models[name];
  const model = nn.build(nn.models[name], { key });
  const optimiser = new SGD(model.parameters().values());
  const step = new TrainingStep({ model, optimiser, device, batch, shape });
  await step.run(new Uint8Array(batch * shape.reduce((a, b) => a * b)), new Int32Array(batch), 0.01, key);
}

async function planned(name: "alexnet" | "lenet5", batch: number): Promise<StepPlan> {
  const planner = new PlanningBackend({ device: fakeGpu().device, limits: LIMITS });
  const job = preparePlan({ model: name, dataset: "synthetic", seed: 0, recipe: { batch } });
  return await planStep(job, new Device("webgpu", "a <device> & more", planner), planner);
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

test("plan description: dispatches, pipelines and bytes are what a device counts", async () => {
  for (const [name, batch, parallelism] of [["alexnet", 8, 256], ["lenet5", 4, 65536]] as const) {
    const limits = { ...LIMITS, parallelism };
    const { device, counts } = fakeGpu();
    const backend = new WebGpuBackend(device, limits, false, null);
    let bytes = 0;
    backend.memory.onCreate = (label, size) => {
      // What is some kilobytes in all is not described.
      if (!["scalars", "parameters", "read back"].includes(label)) bytes += size;
    };
    await runStep(new Device("webgpu", "fake", backend), name, batch);

    const planner = new PlanningBackend({ device: fakeGpu().device, limits });
    await runStep(new Device("webgpu", "fake", planner), name, batch);
    const plan = planner.last!;
    assert.equal(plan.dispatches.length, counts.dispatches);
    assert.equal(plan.pipelines, counts.pipelines);
    assert.equal(sum(plan.states.map((state) => state.bytes)) + plan.inputBytes + sum(plan.slots), bytes);
  }
});

test("plan description: a step of AlexNet has the operations of its products, and few besides", async () => {
  const batch = 8;
  const { flops } = await planned("alexnet", batch);
  const { layers, multiplyAdds } = summarise(nn.models.alexnet);
  // Forward, for the weights, and for the input of all layers but the first.
  const products = 2 * batch * (3 * multiplyAdds - layers[0]!.multiplyAdds);
  // Of 61 million parameters each takes three operations, or five with those of constants; activations are fewer.
  assert.ok(flops > products + 3 * 61e6 && flops < products + 10 * 61e6, `${flops}, products ${products}`);
});

test("plan description: what lives has a place of its own", async () => {
  const { values, slots, dispatches, peak, memory, bytesMoved } = await planned("alexnet", 8);
  for (const [i, { bytesLive }] of dispatches.entries()) {
    const living = values.filter(({ first, last }) => first <= i && i <= last);
    assert.equal(bytesLive, sum(living.map(({ bytes }) => bytes)));
    assert.ok(bytesLive <= peak.bytes);
    for (const [k, a] of living.entries()) {
      assert.ok(a.offset >= 0 && a.offset + a.bytes <= slots[a.slot]!, a.name);
      for (const b of living.slice(k + 1)) {
        const apart = a.slot !== b.slot || a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
        assert.ok(apart, `${a.name} and ${b.name} at ${i}`);
      }
    }
  }
  assert.equal(dispatches[peak.dispatch]!.bytesLive, peak.bytes);
  assert.ok(peak.bytes <= memory.workspace);
  assert.equal(memory.workspace, sum(slots));
  assert.equal(memory.momentum, memory.parameters);
  assert.equal(memory.parameters, 4 * 60_965_224);
  assert.equal(bytesMoved, sum(dispatches.map(({ bytesRead, bytesWritten }) => bytesRead + bytesWritten)));
  // The update alone reads weight, velocity and gradient, and writes two of them.
  assert.ok(bytesMoved > 5 * memory.parameters);
});

test("plan description: arrays and dispatches have the names of layers, primes stand for gradients", async () => {
  const { values, dispatches } = await planned("alexnet", 8);
  const names = new Set(values.map(({ name }) => name));
  for (const name of ["input", "relu1", "norm1", "pool1", "pool1 index", "dropout6", "relu4' where"]) {
    assert.ok(names.has(name), `${name}: ${[...names]}`);
  }
  const layers = dispatches.map(({ layer }) => layer);
  for (const layer of ["conv2 relu2", "conv5' relu4'", "fc6'", "fc8.bias"]) {
    assert.ok(layers.includes(layer), `${layer}: ${layers}`);
  }
});

test("plan description: a line a dispatch, and the totals", async () => {
  const plan = await planned("lenet5", 4);
  const [lines, brief] = [planLines(plan, false), planLines(plan, true)];
  assert.match(lines[0]!, /^lenet5: 61,706 parameters, a training step of 4 images, planned for a <device>/);
  assert.equal(lines.filter((line) => /^ *\d+ {2}/.test(line)).length, plan.dispatches.length);
  assert.equal(lines.filter((line) => line.endsWith("  peak")).length, 1);
  assert.ok(lines.join("\n").endsWith(brief.slice(2).join("\n")));
  const { length } = plan.dispatches;
  const totals = brief.find((line) =>
    line.startsWith(`${length} dispatches of ${plan.pipelines} pipelines; `)
  )!;
  const [gflop, megabytes] = totals.match(/[\d.]+(?= GFLOP| MB moved)/g)!.map(Number);
  assert.ok(
    Math.abs(gflop! * 1e9 / plan.flops - 1) < 0.001 && Math.abs(megabytes! * 1e6 - plan.bytesMoved) < 1e5,
  );
});

test("plan description: the drawing is well-formed, with a rectangle for each array", async () => {
  for (const plan of [await planned("lenet5", 4), await planned("alexnet", 128)]) {
    const tags = tagsOf(drawPlan(plan));
    assert.equal(tags.filter((tag) => /^rect class="\w+ value"/.test(tag)).length, plan.values.length);
    assert.equal(tags.filter((tag) => tag.startsWith('circle class="peak"')).length, 1);
    for (const tag of tags) assert.doesNotMatch(tag, /NaN|undefined|"-/);
  }
  assert.throws(() => tagsOf("<svg><g></svg>"), /g is open/);
  assert.throws(() => tagsOf('<svg a="b & c"></svg>'), /bare &/);
});

/** The tags of a text that has to be XML: each is closed, in order, and all else is text or quoted. */
function tagsOf(xml: string): string[] {
  assert.doesNotMatch(xml, /&(?!(amp|lt|gt|quot|#39);)/, "bare &");
  const open: string[] = [];
  const tags: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z]+)((?: [\w:-]+="[^"<>]*")*)(\/?)>/g,
    (_, closing, name, attributes, single) => {
      if (closing) assert.equal(open.pop(), name, `${open.at(-1)} is open`);
      else {
        tags.push(name + attributes);
        if (!single) open.push(name);
      }
      return "";
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]/);
  return tags;
}
