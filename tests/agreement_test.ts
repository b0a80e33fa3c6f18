// Every op of the registry on samples (`samples/`): numbers, gradients and gradients of gradients on the CPU, on WebGPU
// and on its variants against derived bounds (`debug/bounds.ts`), where small whole numbers have to agree bit for bit.
// FERMI_SEED and FERMI_RUNS choose other samples and more of them. Candidates by force are in `forced_test.ts`.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { boundFormulas } from "../debug/bound_formulas.ts";
import { FUSED } from "../debug/bounds.ts";
import { zeros } from "../mod.ts";
import { ops } from "../tensor/ops/registry.ts";
import { AgreementTable } from "./agreement_table.ts";
import { check, cpu, type Order, ORDERS, together } from "./agreement.ts";
import { type Variant, webgpuVariants } from "./devices.ts";
import { samples } from "./samples/mod.ts";
import type { Case, Make } from "./samples/sample.ts";
import { growth, hold, replay, runs } from "./seeds.ts";

/** How many cases an op gets on the main device; the variants share a few of each order. */
const RUNS: Readonly<Record<Order, number>> = {
  output: runs(25),
  behind: runs(5),
  gradient: runs(7),
  second: runs(3),
};
const VARIANT_RUNS: Readonly<Record<Order, number>> = {
  output: runs(5),
  behind: runs(1),
  gradient: runs(2),
  second: runs(1),
};

const [main, windowed, ...others] = await webgpuVariants();
if (main === undefined || windowed === undefined) throw new Error("no WebGPU device");

const variants = [windowed, ...others];
/** On which variants: the product that a case is put behind does not fit into bindings of 4 KiB. */
const ON_VARIANTS: Readonly<Record<Order, readonly Variant[]>> = {
  output: variants,
  behind: others,
  gradient: variants,
  second: variants,
};

const table = new AgreementTable();

async function property(
  op: string,
  cases: fc.Arbitrary<Case>,
  { numRuns, order, on, offset }: { numRuns: number; order: Order; on: readonly Variant[]; offset: number },
): Promise<void> {
  const checked = fc.asyncProperty(cases, async (sample) => {
    const able = on.filter(({ device }) => sample.needs.every((dtype) => device.supports(dtype)));
    const found = await check(sample, able, order);
    // The CPU alone agrees with itself.
    if (found.length > 0 && able.some(({ device }) => device !== cpu)) table.add(op, order, found);
  });
  await hold(checked, { numRuns, offset }, { file: "agreement_test.ts", test: `: ${op}` });
}

/** Splits cases up, to be run together: a runtime may take its time to say that numbers have arrived (Deno: 12 ms). */
function shards(runs: number): number[] {
  const count = Math.ceil(runs / 12);
  return Array.from({ length: count }, (_, i) => Math.floor((runs + i) / count));
}

/** The most elements, of all of an op, that may be open: where the operands' errors reach a jump, or f16 overflows. */
const MOST_OPEN = 0.01;
/**
 * More of casts, where WGSL leaves open what becomes of an f32 that is beyond f16, of long products, which f16 does not
 * hold either, and of ops with indices out of range, where it leaves open what an addition makes of their NaN.
 */
const MORE_OPEN: Readonly<Record<string, number>> = {
  cast: 0.06,
  prod: 0.03,
  gather: 0.05,
  crossEntropy: 0.05,
  crossEntropyGradient: 0.05,
};
/** The fewest that must be exact where a bound promises that some are: a quarter of all fillings are whole numbers. */
const LEAST_EXACT = 0.25;
/** Shares of fewer elements say little. */
const FEW = 5000;
/** How many pipelines all ops may need, of which 1,038 were seen, and on a variant. More means that a size has become a constant of a shader. */
const MOST_PIPELINES = 1600 * growth;
const MOST_OF_A_VARIANT = 700 * growth;

/** Fails where bounds have degraded: too many elements are open, or too few exact of an op whose bound says that some are. */
function checkShares(op: string): void {
  const row = table.row(op);
  if (row === undefined || row.elements < FEW) return;
  const { elements, open, exact } = row;
  const most = MORE_OPEN[op] ?? MOST_OPEN;
  assert(open <= most * elements, `${op}: ${open} of ${elements} elements are open`);
  const promised = /exact|same/.test(boundFormulas[op as keyof typeof boundFormulas]);
  assert(!promised || exact >= LEAST_EXACT * elements, `${op}: only ${exact} of ${elements} had to be exact`);
}

for (const [op, { cases, errors, gradient }] of Object.entries(samples)) {
  test(`agreement: ${op}`, async () => {
    const all = [{ name: "cpu", device: cpu }, main];
    const real = cases.filter(({ wrt }) => wrt.length > 0);
    await together(ORDERS.flatMap((order, offset) => {
      const derived = order === "gradient" || order === "second";
      if (derived && gradient === "flat") return [];
      const drawn = derived ? real : cases;
      return [
        ...shards(RUNS[order]).map((numRuns, shard) =>
          property(op, drawn, { numRuns, order, on: all, offset: offset + 100 * shard })
        ),
        property(op, drawn, {
          numRuns: VARIANT_RUNS[order],
          order,
          on: ON_VARIANTS[order],
          offset: 10 + offset,
        }),
      ];
    }));
    await replay(() => checkShares(op), { file: "agreement_test.ts", test: `: ${op}` });
  });
  if (errors === "takes any tensor") continue;
  test(`errors: ${op}`, () => {
    for (const { call, error, name } of errors) {
      for (const [here, elsewhere] of [[cpu, main.device], [main.device, cpu]] as const) {
        const make: Make = (shape, dtype = "f32", where = "here") =>
          zeros(shape, { dtype, device: where === "here" ? here : elsewhere });
        assert.throws(() => call(make), { name, message: error });
      }
    }
  });
}

test("agreement: bounds allow more to those composites that have a kernel", () => {
  const composites = [...ops.values()].filter(({ decompose }) => decompose !== undefined);
  assert.deepEqual(
    composites.map(({ name }) => name).filter((name) => name in kernels).sort(),
    Object.keys(FUSED).sort(),
  );
});

test("agreement: every op of the registry has samples", () => {
  assert.deepEqual(Object.keys(samples).sort(), [...ops.keys()].sort());
});

const pipelinesOf = ({ device }: Variant) => (device.backend as WebGpuBackend).pipelines.count;

test("agreement: one pipeline serves many shapes", () => {
  for (const [i, each] of [main, ...variants].entries()) {
    const most = i === 0 ? MOST_PIPELINES : MOST_OF_A_VARIANT;
    assert(pipelinesOf(each) <= most, `${each.name}: ${pipelinesOf(each)} pipelines`);
  }
});

after(async () => {
  const all = [main, ...variants];
  const pipelines = all.map((each) => `${each.name}: ${pipelinesOf(each)} pipelines`);
  for (const { device } of all) device.destroy();
  console.log([table.text(), ...pipelines].join("\n"));
  await table.keep(main.device.description);
});
