// Checkpoints as a user has them: a run that is killed goes on to the same bits, SIGTERM saves and leaves.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inFolder } from "./in_folder.ts";
import { leftOf, runKilled, startTraining } from "./killed_run.ts";
import type { Outcome, StartOptions } from "./start.ts";

/** 20 steps an epoch, evaluations and checkpoints at odd places. */
const RUN = [
  "--backend=cpu",
  "--model=lenet5",
  "--dataset=synthetic",
  "--batch=4",
  "--limit=80",
  "--steps=60",
  "--eval-every=17",
  "--checkpoint-every=3",
  "--json",
];

/** Sends a signal as soon as the step is told. */
function at(step: number, signal: "SIGKILL" | "SIGTERM"): StartOptions {
  let sent = false;
  return {
    onOutput: (stdout, kill) => {
      if (sent || !stdout.includes(`"step":${step},`)) return;
      sent = true;
      kill(signal);
    },
  };
}

function assertRefused({ code, stdout, stderr }: Outcome, wanted: number, message: RegExp): void {
  assert.deepEqual([code, stdout], [wanted, ""], stderr);
  assert.match(stderr, /^error: [^\n]+\n$/);
  assert.match(stderr, message);
}

test("resume: killed three times, to the same bits, with no event doubled or lost", () =>
  inFolder(async (folder) => {
    const [unkilled, killed] = [join(folder, "unkilled"), join(folder, "killed")];
    const outcome = await startTraining([...RUN, `--checkpoint=${unkilled}`]);
    assert.equal(outcome.code, 0, outcome.stderr);
    const kills = await runKilled(killed, RUN, (time) => {
      const step = [5, 16, 27][time];
      return step === undefined ? undefined : at(step, "SIGKILL");
    });
    assert.equal(kills.length, 3);
    const left = await leftOf(killed);
    assert.deepEqual(left, await leftOf(unkilled));
    const names = ["history.jsonl", ...left.steps.map((step) => `step-${step}`)];
    assert.deepEqual((await readdir(killed)).sort(), names.sort());
    // What is over goes on, too: it is at its end.
    const again = await startTraining([`--resume=${killed}`, "--json"]);
    assert.match(again.stdout, /^\{"event":"start",.*"resumedAt":60\}\n\{"event":"done",[^\n]*\n$/);
    assert.deepEqual(await leftOf(killed), left);
  }));

test("resume: SIGTERM saves and leaves, and what contradicts the checkpoint is refused", () =>
  inFolder(async (folder) => {
    const own = join(folder, "run");
    const run = RUN.map((flag) => flag.startsWith("--steps") ? "--epochs=10000" : flag);
    const stopped = await startTraining([...run, `--checkpoint=${own}`], at(10, "SIGTERM"));
    assert.deepEqual([stopped.code, stopped.stderr], [0, ""]);
    const events = stopped.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const { event, interrupted, steps } = events.at(-1);
    assert.deepEqual([event, interrupted], ["done", true]);
    assert.ok((await readdir(own)).includes(`step-${steps}`), `no checkpoint after step ${steps}`);
    // It does not wait for an evaluation that is not due.
    const measured = events.filter((each) => each.event === "eval").map(({ step }) => step);
    assert.deepEqual(measured.filter((step) => step % 17 !== 0 && step % 20 !== 0), []);

    const cases: [string[], number, RegExp][] = [
      [[`--resume=${own}`, "--lr=1"], 2, /--lr=1 contradicts .*step-\d+, which has 0.05: leave it out/],
      [[...run, `--checkpoint=${own}`], 2, /has the checkpoints of another run: go on with it by --resume=/],
      [[`--resume=${folder}`], 1, /has no checkpoint/],
    ];
    for (const [args, code, message] of cases) assertRefused(await startTraining(args), code, message);
  }));
