// Every candidate that kernels may choose from, by force, against the definition: the ops that are products on devices
// which take one tile, or one variant, and no other; all that is cut in some way on devices which cut it otherwise. A file
// of its own, since some thousand pipelines of a software driver are as many as Linux has mappings for a process. FERMI_VARIANTS=all has every variant of the product on software drivers too.

import { after, test } from "node:test";
import fc from "fast-check";
import { CUT, devices, forcedMultiples, forcedProducts, forcedTiles, PRODUCTS } from "./devices.ts";
import { check, type Order, together } from "./agreement.ts";
import { samples } from "./samples/mod.ts";
import { hold, runs } from "./seeds.ts";

/** How many cases an op gets; gradients of gradients are the same products again. */
const RUNS: Readonly<Record<Exclude<Order, "second">, number>> = {
  output: runs(3),
  behind: runs(1),
  gradient: runs(1),
};
const ASKED = ["output", "behind", "gradient"] as const;

const multiples = await forcedMultiples();
const forced = [...multiples, ...await forcedTiles(), ...await forcedProducts((await devices())[1]!)];

for (const [op, { cases, gradient }] of Object.entries(samples)) {
  const choosing = PRODUCTS.has(op) ? forced : CUT.has(op) ? multiples : null;
  if (choosing === null) continue;
  test(`forced: ${op}`, async () => {
    const real = cases.filter(({ wrt }) => wrt.length > 0);
    await together(ASKED.flatMap((order, offset) => {
      const derived = order === "gradient";
      if (derived && gradient === "flat") return [];
      const checked = fc.asyncProperty(derived ? real : cases, async (sample) => {
        const able = choosing.filter(({ device }) => sample.needs.every((dtype) => device.supports(dtype)));
        await check(sample, able, order);
      });
      return [hold(checked, { numRuns: RUNS[order], offset: 20 + offset }, {
        file: "forced_test.ts",
        test: `: ${op}`,
      })];
    }));
  });
}

after(() => {
  for (const { device } of forced) device.destroy();
});
