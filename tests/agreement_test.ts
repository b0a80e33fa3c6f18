// Every op of the registry on samples (`samples/`): numbers, gradients and gradients of gradients on the CPU, on WebGPU
// and on its variants against derived bounds (`debug/bounds.ts`), where small whole numbers have to agree bit for bit.
// FERMI_SEED and FERMI_RUNS choose other samples and more of them, FERMI_VARIANTS=all every variant of the product by force.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { boundFormulas } from "../debug/bound_formulas.ts";
import { type Agreement, analyse, compare, FUSED } from "../debug/bounds.ts";
import { type Device, device, gradients, type Tensor, tensor, zeros } from "../mod.ts";
import { ops } from "../tensor/ops/registry.ts";
import { AgreementTable } from "./agreement_table.ts";
import { forcedProducts, forcedTiles, PRODUCTS, type Variant, webgpuVariants } from "./devices.ts";
import { samples } from "./samples/mod.ts";
import { type Case, cotangentFor, type Make, materialise } from "./samples/sample.ts";
import { growth, hold, replay, runs } from "./seeds.ts";

/** What is asked of a case: its outputs, the same behind a product, their gradients, the gradients of those. */
const ORDERS = ["output", "behind", "gradient", "second"] as const;
type Order = (typeof ORDERS)[number];
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

const cpu = await device("cpu");
const [main, windowed, ...others] = await webgpuVariants();
if (main === undefined || windowed === undefined) throw new Error("no WebGPU device");

const variants = [windowed, ...others];
/** Those on which products get one tile and no other. */
const tiles = await forcedTiles();
let products: Promise<Variant[]> | null = null;
/** Those on which an op that chooses gets one candidate and no other; variants of the product are opened for the first. */
async function forcedOf(op: string): Promise<readonly Variant[]> {
  return PRODUCTS.has(op) ? [...tiles, ...await (products ??= forcedProducts(main!.device))] : [];
}
/** All WebGPU devices that were opened. */
const opened = async () => [main, ...variants, ...tiles, ...await products ?? []];
/** On which variants: the product that a case is put behind does not fit into bindings of 4 KiB. */
const ON_VARIANTS: Readonly<Record<Order, readonly Variant[]>> = {
  output: variants,
  behind: others,
  gradient: variants,
  second: variants,
};

const table = new AgreementTable();

const isReal = ({ dtype }: Tensor) => dtype === "f32" || dtype === "f16";

/**
 * How long the sum of that product is: of short results so long that it is split, and what is behind it is in the small
 * kernel of the rest; of long ones short, and what is behind it is in the kernel of the product itself.
 */
const depthFor = (size: number) => size > 512 ? 8 : 256;

/** y + 3 as y + a product of matrices: what can be fused is then computed where the product stores, one by one. */
function behindProduct(y: Tensor): Tensor {
  const { size, shape, dtype, device } = y;
  const depth = depthFor(size);
  const rows = tensor(new Float32Array(size * depth).fill(3 / depth), {
    shape: [size, depth],
    dtype,
    device,
  });
  const ones = tensor(new Float32Array(depth).fill(1), { shape: [depth, 1], dtype, device });
  return y.add(rows.matmul(ones).reshape(shape));
}

/** The outputs of a case, the gradients of their sum against cotangents, or the gradients of such a sum of those. */
function results(sample: Case, on: Device, order: Order): readonly Tensor[] {
  const operands = sample.inputs.map((input) => materialise(input, on));
  const leaves = sample.wrt.map((i) => operands[i]!.leaf);
  const differentiate = (ys: readonly Tensor[], seed: number) => {
    const weighed = ys.filter(isReal).map((y, i) => y.mul(cotangentFor(y, seed + i)).sum());
    // Of a cast to an integer there is none.
    return weighed.length === 0 ? [] : gradients(weighed.reduce((a, b) => a.add(b)), leaves);
  };
  const outputs = sample.call(operands.map(({ x }) => x));
  if (order === "output") return outputs;
  if (order === "behind") return outputs.filter(isReal).map(behindProduct);
  const { seed } = sample.inputs[0]!;
  const first = differentiate(outputs, seed);
  return order === "gradient" ? first : differentiate(first, seed + 7);
}

/** Checks one case on devices; all its tensors are read by one evaluation. */
async function check(
  sample: Case,
  on: readonly Variant[],
  order: Order,
): Promise<Agreement[]> {
  const reference = results(sample, cpu, order);
  const bounds = analyse(reference);
  const found: Agreement[] = [];
  const computed = await Promise.all(on.map(async ({ name, device }) => {
    const tensors = device === cpu ? reference : results(sample, device, order);
    await device.evaluate(tensors, true);
    return { name, tensors };
  }));
  for (const { name, tensors } of computed) {
    for (const [i, tensor] of tensors.entries()) {
      const what = `${name}, ${order} ${order === "output" || order === "behind" ? i : sample.wrt[i]}`;
      assert.deepEqual([tensor.shape, tensor.dtype], [reference[i]!.shape, reference[i]!.dtype], what);
      found.push(compare(what, await tensor.data(), bounds.get(reference[i]!)!));
    }
  }
  return found;
}

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

async function together(properties: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(properties)) if (each.status === "rejected") throw each.reason;
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
    const forced = await forcedOf(op);
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
          on: [...ON_VARIANTS[order], ...forced],
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

test("agreement: one pipeline serves many shapes", async () => {
  for (const [i, each] of (await opened()).entries()) {
    const most = i === 0 ? MOST_PIPELINES : MOST_OF_A_VARIANT;
    assert(pipelinesOf(each) <= most, `${each.name}: ${pipelinesOf(each)} pipelines`);
  }
});

after(async () => {
  const all = await opened();
  const pipelines = all.map((each) => `${each.name}: ${pipelinesOf(each)} pipelines`);
  for (const { device } of all) device.destroy();
  console.log([table.text(), ...pipelines].join("\n"));
  await table.keep(main.device.description);
});
