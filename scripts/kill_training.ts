// deno run -A scripts/kill_training.ts: kills training at random moments, lets it go on, and holds the end to that of a run
// that was never killed.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Kill, leftOf, runKilled, startTraining } from "../tests/program/killed_run.ts";

const HELP = `deno run -A scripts/kill_training.ts [options] [-- FLAGS]
  --runs=30          how many runs are killed
  --kills=3          how often each of them
  --seed=1           chooses the moments
  FLAGS              of train.ts, instead of alexnet_mini with dropout and random parts on few images`;

const FLAGS = [
  "--model=alexnet_mini",
  "--dropout=0.5",
  "--augment=crop",
  "--dataset=synthetic",
  "--batch=8",
  "--limit=80",
  "--steps=40",
  "--eval-every=9",
  "--checkpoint-every=2",
  "--keep=2",
];

const { values, positionals } = parseArgs({
  options: {
    runs: { type: "string", default: "30" },
    kills: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

let state = Number(values.seed);
/** From 0 to below 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const flags = [...positionals.length > 0 ? positionals : FLAGS, "--json"];
const folder = await mkdtemp(join(tmpdir(), "fermi-kill-"));
const kills: Kill[] = [];
try {
  const began = performance.now();
  const unkilled = join(folder, "unkilled");
  const outcome = await startTraining([...flags, `--checkpoint=${unkilled}`]);
  assert.equal(outcome.code, 0, outcome.stderr);
  const wanted = await leftOf(unkilled);
  const ms = performance.now() - began;
  console.log(`unkilled: ${wanted.history.length} events in ${(ms / 1000).toFixed(1)} s, ${flags.join(" ")}`);
  for (let run = 1; run <= Number(values.runs); run++) {
    const own = join(folder, `run-${run}`);
    const found = await runKilled(own, flags, (time) => {
      if (time >= Number(values.kills)) return undefined;
      // Anywhere between the start of the process and the end of the run, had it begun then.
      const delay = random() * ms;
      return { kill: new Promise((resolve) => setTimeout(() => resolve("SIGKILL"), delay)) };
    });
    assert.deepEqual(await leftOf(own), wanted, `run ${run}`);
    const names = ["history.jsonl", ...wanted.steps.map((step) => `step-${step}`)].sort();
    assert.deepEqual((await readdir(own)).sort(), names, `run ${run}`);
    const where = found.map(({ newest, whileWriting }) =>
      `${newest ?? "start"}${whileWriting ? " (writing)" : ""}`
    );
    console.log(`run ${run}: killed after ${where.join(", ") || "its end"}: the same bits, the same events`);
    kills.push(...found);
    await rm(own, { recursive: true });
  }
  const writing = kills.filter(({ whileWriting }) => whileWriting).length;
  const early = kills.filter(({ newest }) => newest === null).length;
  console.log(
    `${values.runs} runs, ${kills.length} kills, ${writing} of them while a checkpoint was being written, ` +
      `${early} before the first: all ended as the unkilled run, bit for bit`,
  );
} finally {
  await rm(folder, { recursive: true });
}
