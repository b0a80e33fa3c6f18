// Random programs (`samples/programs.ts`) on the CPU and on WebGPU, evaluated in different orders: what is fused, kept or
// computed again must not change a number beyond its derived bound; many of them are whole and have to be the same.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { analyse, compare } from "../debug/bounds.ts";
import { type Device, device, evaluate, type HostArray, Parameter, type Tensor, tensor } from "../mod.ts";
import { type Variant, webgpuVariants } from "./devices.ts";
import { build, leavesOf, type Program, programs } from "./samples/programs.ts";
import { materialise } from "./samples/sample.ts";
import { growth, hold, runs } from "./seeds.ts";

const cpu: Variant = { name: "cpu", device: await device("cpu") };
const variants = await webgpuVariants();

const leavesOn = (program: Program, on: Device) => leavesOf(program).map((input) => materialise(input, on).x);

/** Ways to come by all results of a program. */
const orders: Readonly<Record<string, (program: Program, on: Device) => Promise<readonly Tensor[]>>> = {
  "all at once": async (program, on) => {
    const { results } = build(program, leavesOn(program, on));
    await on.evaluate(results, true);
    return results;
  },
  "one after the other, the last first": async (program, on) => {
    const { results } = build(program, leavesOn(program, on));
    for (const tensor of [...results].reverse()) await tensor.data();
    return results;
  },
  "every second kept on the device, then all": async (program, on) => {
    const { results } = build(program, leavesOn(program, on));
    await evaluate(...results.filter((_, i) => i % 2 === 1));
    await on.evaluate(results, true);
    return results;
  },
  "read while the program is still being described": async (program, on) => {
    const reads: Promise<unknown>[] = [];
    const { results } = build(program, leavesOn(program, on), (x, i) => {
      if (i % 3 === 0) reads.push(x.data());
      if (i % 7 === 3) reads.push(evaluate(x));
    });
    await Promise.all(reads);
    await on.evaluate(results, true);
    return results;
  },
};

const count = { elements: 0, exact: 0, open: 0, worst: 0 };

async function agree(
  what: string,
  results: readonly Tensor[],
  reference: readonly Tensor[],
  bounds: ReturnType<typeof analyse>,
): Promise<void> {
  for (const [i, tensor] of results.entries()) {
    assert.deepEqual(tensor.shape, reference[i]!.shape, what);
    const found = compare(`${what}, result ${i}`, await tensor.data(), bounds.get(reference[i]!)!);
    count.elements += found.elements;
    count.exact += found.exact;
    count.open += found.open;
    count.worst = Math.max(count.worst, found.worst);
  }
}

/** All orders on one device, and one of them, which the program chooses, on another too. */
async function check(program: Program, first: Variant): Promise<void> {
  const { results: reference } = build(program, leavesOn(program, cpu.device));
  const bounds = analyse(reference);
  const others = variants.filter((each) => each !== first);
  const second = others[program.seed % others.length]!;
  await Promise.all(
    Object.entries(orders).flatMap(([order, results], i, { length }) => {
      const on = i === Math.floor(program.seed / others.length) % length ? [first, second] : [first];
      return on.map(async ({ name, device }) =>
        agree(`${name}, ${order}`, await results(program, device), reference, bounds)
      );
    }),
  );
  await agree("cpu", reference, reference, bounds);
}

const everything = (tensors: readonly Tensor[]): Promise<HostArray[]> =>
  Promise.all(tensors.map((tensor) => tensor.data()));

/** A program whose leaves are states, three times over: the second and third time its plan is known. */
async function checkStates(program: Program, { name, device: on }: Variant): Promise<void> {
  let contents = await everything(leavesOn(program, cpu.device));
  const states = leavesOn(program, on).map((x) => new Parameter(x));
  for (const round of [1, 2, 3]) {
    const leaves = states.map(({ shape }, i) => tensor(contents[i]!, { shape, device: cpu.device }));
    const expected = build(program, leaves);
    const reference = [...expected.results, ...expected.updates];
    const { results, updates } = build(program, states);
    updates.forEach((value, i) => states[i]!.assign(value));
    await on.evaluate(results, true);
    const what = `${name}, states, round ${round}`;
    await agree(what, [...results, ...states.slice(0, updates.length)], reference, analyse(reference));
    contents = await everything(states);
  }
  for (const state of states) state.dispose();
}

const fuzz = (check: (program: Program) => Promise<void>, times: number, test: string, offset = 0) =>
  hold(
    fc.asyncProperty(programs, check),
    { numRuns: runs(times), offset },
    { file: "graph_fuzz_test.ts", test },
  );

/** Tries programs on each device: which one is part of the property, so that a program that fails is shrunk and repeated there. */
async function fuzzEach(
  devices: readonly Variant[],
  check: (program: Program, on: Variant) => Promise<void>,
  times: number,
  test: string,
): Promise<void> {
  for (const [i, on] of devices.entries()) await fuzz((program) => check(program, on), times, test, i);
}

test("graph fuzz: random programs agree in every order of evaluation", async () => {
  await fuzzEach(variants, check, 3, ": random programs agree in every order of evaluation");
});

test("graph fuzz: a program that is evaluated again gives the same bits", async () => {
  const [{ device: on }] = variants as [Variant];
  const twice = async (program: Program) => {
    const all = orders["all at once"]!;
    const [first, second] = [await all(program, on), await all(program, on)];
    assert.deepEqual(await everything(second), await everything(first));
  };
  await fuzz(twice, 4, ": a program that is evaluated again gives the same bits");
});

test("graph fuzz: programs that update states see the old values, and leave the new ones", async () => {
  await fuzzEach(
    [cpu, ...variants],
    checkStates,
    2,
    ": programs that update states see the old values, and leave the new ones",
  );
});

const pipelinesOf = ({ device }: Variant) => (device.backend as WebGpuBackend).pipelines.count;

/**
 * How many pipelines all programs may need on a device: 174 were seen, and 839 of eight times the programs, most of which
 * fuse something new. More means that a size has become a constant of a shader.
 */
const MOST_PIPELINES = 250 * growth ** 1.5;

test("graph fuzz: few numbers were open, most were exact, and few pipelines were made", () => {
  const { elements, open, exact } = count;
  assert(open <= elements / 100, `${open} of ${elements} elements are open`);
  assert(exact >= elements / 4, `only ${exact} of ${elements} elements had to be exact`);
  for (const each of variants) {
    assert(pipelinesOf(each) <= MOST_PIPELINES, `${each.name}: ${pipelinesOf(each)} pipelines`);
  }
});

after(() => {
  const pipelines = variants.map(pipelinesOf);
  console.log(`graph fuzz: ${JSON.stringify(count)}, pipelines ${pipelines}`);
  for (const { device } of variants) device.destroy();
});
