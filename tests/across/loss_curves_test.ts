// A seed is a run, wherever it runs: the losses of the same job in every runtime, on both backends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { run, RUNTIMES } from "./runtimes.ts";

const STEPS = 20;
/** Later, rounding has been amplified: f32 and f64 part as fast. */
const EARLY = 5;

const names = ["deno", "node", "bun"] as const;
const backends = ["cpu", "webgpu"] as const;

async function losses(runtime: typeof names[number], backend: typeof backends[number]): Promise<number[]> {
  const flags = ["--seed=1", `--steps=${STEPS}`, "--batch=16", "--json", `--backend=${backend}`];
  const stdout = await run([...RUNTIMES[runtime], "train.ts", ...flags]);
  const lines = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line) as { event: string; loss: number }
  );
  return lines.filter(({ event }) => event === "step").map(({ loss }) => loss);
}

test("losses of seed 1: three runtimes and two backends agree, Node and Bun to the last bit", async () => {
  const curves = new Map<string, number[]>();
  for (const backend of backends) {
    for (const name of names) curves.set(`${name} ${backend}`, await losses(name, backend));
  }
  const reference = curves.get("deno cpu")!;
  assert.equal(reference.length, STEPS);
  for (const [name, curve] of curves) {
    assert.equal(curve.length, STEPS, name);
    const errors = curve.map((loss, i) => Math.abs(loss / reference[i]! - 1));
    const [early, all] = [Math.max(...errors.slice(0, EARLY)), Math.max(...errors)];
    console.log(
      `${name.padEnd(12)} relative to deno cpu: ${early.toExponential(1)} to step ${EARLY}, ` +
        `${all.toExponential(1)} to step ${STEPS}`,
    );
    assert(early <= 1e-5, `${name}: ${curve}`);
    assert(all <= 0.1, `${name}: ${curve}`);
  }
  for (const backend of backends) {
    assert.deepEqual(curves.get(`node ${backend}`), curves.get(`bun ${backend}`));
  }
});
