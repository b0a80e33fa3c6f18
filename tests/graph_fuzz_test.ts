// Random programs (`samples/programs.ts`) on the CPU and on WebGPU, evaluated in different orders: what is fused, kept or
// computed again must not change a number beyond its derived bound, and most of them are whole and have to be the same.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { type Device, device, evaluate, type Tensor } from "../mod.ts";
import { analyse, compare } from "../debug/bounds.ts";
import { webgpuVariants } from "./devices.ts";
import { build, programs } from "./samples/programs.ts";
import { replay, runs, seed } from "./seeds.ts";

const cpu = await device("cpu");
const variants = await webgpuVariants();

/** Ways to come by all results of a graph. */
const orders: Readonly<Record<string, (results: readonly Tensor[], on: Device) => Promise<void>>> = {
  "all at once": (results, on) => on.evaluate(results, true),
  "one after the other, the last first": async (results) => {
    for (const tensor of [...results].reverse()) await tensor.data();
  },
  "every second kept on the device, then all": async (results, on) => {
    await evaluate(...results.filter((_, i) => i % 2 === 1));
    await on.evaluate(results, true);
  },
};

const count = { elements: 0, exact: 0, open: 0, worst: 0 };

test("graph fuzz: random programs agree in every order of evaluation", async () => {
  let number = 0;
  const property = fc.asyncProperty(programs, async (program) => {
    const reference = build(program, cpu);
    const bounds = analyse(reference);
    const variant = variants[number++ % variants.length]!;
    const targets = Object.entries(orders).map(([order, read], i) => ({
      order,
      read,
      on: i === 2 ? variant : variants[0]!,
    }));
    for (
      const { order, read, on } of [...targets, {
        order: "cpu",
        read: orders["all at once"]!,
        on: { name: "cpu", device: cpu },
      }]
    ) {
      const results = on.device === cpu ? reference : build(program, on.device);
      await read(results, on.device);
      for (const [i, tensor] of results.entries()) {
        const what = `${on.name}, ${order}, result ${i}`;
        assert.deepEqual(tensor.shape, reference[i]!.shape, what);
        const found = compare(what, await tensor.data(), bounds.get(reference[i]!)!);
        count.elements += found.elements;
        count.exact += found.exact;
        count.open += found.open;
        count.worst = Math.max(count.worst, found.worst);
      }
    }
  });
  await replay(() => fc.assert(property, { seed, numRuns: runs(30) }), "graph_fuzz_test.ts");
});

after(() => {
  console.log(`graph fuzz: ${JSON.stringify(count)}`);
  for (const { device } of variants) device.destroy();
});
