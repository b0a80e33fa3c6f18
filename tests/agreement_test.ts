// Every op of the registry on samples (`samples/`): numbers and gradients on the CPU, on WebGPU and on its variants
// against derived bounds (`bounds.ts`), where small whole numbers have to agree bit for bit. FERMI_SEED and FERMI_RUNS
// choose other samples and more of them.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { type Device, device, gradients, type Tensor, zeros } from "../mod.ts";
import { ops } from "../tensor/ops/registry.ts";
import { type Agreement, analyse, compare } from "../debug/bounds.ts";
import { webgpuVariants } from "./devices.ts";
import { samples } from "./samples/mod.ts";
import { type Case, cotangentFor, materialise } from "./samples/sample.ts";
import { replay, runs, seed } from "./seeds.ts";

const FORWARD_RUNS = runs(40);
const GRADIENT_RUNS = runs(12);
/** The variants share these. */
const VARIANT_RUNS = runs(8);

const cpu = await device("cpu");
const [main, ...variants] = (await webgpuVariants()).map(({ name, device }) => ({ name, device }));
if (main === undefined) throw new Error("no WebGPU device");

const table: {
  op: string;
  worst: number;
  gradient: number;
  exact: number;
  open: number;
  elements: number;
}[] = [];

/** The outputs of a case, or the gradients of its sum against cotangents, on a device. */
function results(sample: Case, on: Device, gradient: boolean): readonly Tensor[] {
  const operands = sample.inputs.map((input) => materialise(input, on));
  const outputs = sample.call(operands.map(({ x }) => x));
  if (!gradient) return outputs;
  const weighed = outputs.filter(({ dtype }) => dtype === "f32" || dtype === "f16")
    .map((output, i) => output.mul(cotangentFor(output, sample.inputs[0]!.seed + i)).sum());
  // Of a cast to an integer there is none.
  if (weighed.length === 0) return [];
  return gradients(weighed.reduce((a, b) => a.add(b)), sample.wrt.map((i) => operands[i]!.leaf));
}

/** Checks one case on devices; all its tensors are read by one evaluation. */
async function check(
  sample: Case,
  on: readonly { readonly name: string; readonly device: Device }[],
  gradient: boolean,
): Promise<Agreement[]> {
  const reference = results(sample, cpu, gradient);
  const bounds = analyse(reference);
  const found: Agreement[] = [];
  for (const { name, device } of on) {
    const tensors = device === cpu ? reference : results(sample, device, gradient);
    await device.evaluate(tensors, true);
    for (const [i, tensor] of tensors.entries()) {
      const what = `${name}, ${gradient ? `gradient ${sample.wrt[i]}` : `output ${i}`}`;
      assert.deepEqual([tensor.shape, tensor.dtype], [reference[i]!.shape, reference[i]!.dtype], what);
      found.push(compare(what, await tensor.data(), bounds.get(reference[i]!)!));
    }
  }
  return found;
}

async function property(
  op: string,
  cases: fc.Arbitrary<Case>,
  { numRuns, gradient, on, offset }: {
    numRuns: number;
    gradient: boolean;
    on: readonly { readonly name: string; readonly device: Device }[];
    offset: number;
  },
): Promise<void> {
  const row = table.find((row) => row.op === op)!;
  const checked = fc.asyncProperty(cases, async (sample) => {
    if (gradient && sample.wrt.length === 0) return;
    for (const { worst, exact, open, elements } of await check(sample, on, gradient)) {
      if (gradient) row.gradient = Math.max(row.gradient, worst);
      else row.worst = Math.max(row.worst, worst);
      row.exact += exact;
      row.open += open;
      row.elements += elements;
    }
  });
  await replay(() => fc.assert(checked, { seed: seed + offset, numRuns }), "agreement_test.ts");
}

for (const [op, { cases, errors }] of Object.entries(samples)) {
  test(`agreement: ${op}`, async () => {
    table.push({ op, worst: 0, gradient: 0, exact: 0, open: 0, elements: 0 });
    const all = [{ name: "cpu", device: cpu }, main];
    await property(op, cases, { numRuns: FORWARD_RUNS, gradient: false, on: all, offset: 0 });
    await property(op, cases, { numRuns: GRADIENT_RUNS, gradient: true, on: all, offset: 1 });
    await property(op, cases, { numRuns: VARIANT_RUNS, gradient: false, on: variants, offset: 2 });
  });
  if (errors.length === 0) continue;
  test(`errors: ${op}`, () => {
    for (const { call, error } of errors) {
      for (const on of [cpu, main.device]) {
        assert.throws(() => call((shape, dtype = "f32") => zeros(shape, { dtype, device: on })), {
          message: error,
        });
      }
    }
  });
}

test("agreement: every op of the registry has samples", () => {
  assert.deepEqual(Object.keys(samples).sort(), [...ops.keys()].sort());
});

after(() => {
  const percent = (part: number, whole: number) => `${(100 * part / Math.max(1, whole)).toFixed(0)}%`;
  console.log("op                       output gradient  exact  open elements   (worst error / bound)");
  for (const { op, worst, gradient, exact, open, elements } of table) {
    const cells = [
      worst.toFixed(2),
      gradient.toFixed(2),
      percent(exact, elements),
      percent(open, elements),
      elements,
    ];
    console.log(op.padEnd(24) + cells.map((cell, i) => `${cell}`.padStart(i === 1 ? 9 : 7)).join(""));
  }
  for (const { name, device } of [main, ...variants]) {
    console.log(`${name}: ${(device.backend as WebGpuBackend).pipelines.count} pipelines`);
    device.destroy();
  }
});
