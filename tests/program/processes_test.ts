// Fifty processes that succeed, fail and are interrupted: each ends by itself, soon, and by no signal. Dawn is known to
// keep the event loops of Node and Bun busy, and to crash when it is taken down in the wrong order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Outcome, runtime, start, type StartOptions } from "./start.ts";

/** Many times what any of these runs takes. */
const LIMIT_SECONDS = 120;

const TRAIN = ["--backend=webgpu", "--model=lenet5", "--dataset=synthetic", "--batch=16", "--json"];

/** How often, what, and how it has to end. */
interface Scenario {
  readonly runs: number;
  readonly file: string;
  readonly args: readonly string[];
  readonly code: number;
  /** Ctrl-C when stdout has this. */
  readonly interrupt?: string;
  readonly stdout?: RegExp;
  readonly stderr?: RegExp;
}

const program = (way: string, code: number, stdout?: RegExp): Scenario => ({
  runs: 3,
  file: "tests/program/user_program.ts",
  args: [way],
  code,
  ...(stdout && { stdout }),
});
const training = (scenario: Omit<Scenario, "file">): Scenario => ({ file: "train.ts", ...scenario });

const done = /"event":"done","interrupted":false.*\n$/;
const stopped = /"event":"done","interrupted":true.*\n$/;

const scenarios: Readonly<Record<string, Scenario>> = {
  "a run that trains": training({ runs: 6, args: [...TRAIN, "--steps=3"], code: 0, stdout: done }),
  "a run that trains on the CPU": training({
    runs: 2,
    args: [...TRAIN.slice(1), "--backend=cpu", "--steps=2"],
    code: 0,
    stdout: done,
  }),
  "a run that diverges": training({
    runs: 4,
    args: [...TRAIN, "--steps=20", "--lr=1e30"],
    code: 1,
    stderr: /^error: the (test )?loss is not finite/,
  }),
  "a run that is used wrongly": training({
    runs: 2,
    args: ["--bach=3"],
    code: 2,
    stderr: /^error: unknown option/,
  }),
  "a run that is interrupted at the start": training({
    runs: 3,
    args: [...TRAIN, "--steps=100000"],
    code: 0,
    interrupt: '"event":"start"',
    stdout: stopped,
  }),
  "a run that is interrupted in training": training({
    runs: 3,
    args: [...TRAIN, "--steps=100000"],
    code: 0,
    interrupt: '"step":3,',
    stdout: stopped,
  }),
  "a run that is interrupted in evaluation": training({
    runs: 3,
    args: [...TRAIN, "--steps=100000", "--eval-every=2"],
    code: 0,
    interrupt: '"step":2,',
    stdout: stopped,
  }),
  "a program on the CPU": program("cpu", 0, /2/),
  "a program that reads": program("read", 0),
  "a program that destroys": program("destroy", 0),
  "a program that leaves work under way": program("leave work under way", 0),
  "a program that throws": program("throw", 1),
  "a program that throws with work under way": program("throw with work under way", 1),
  "a program that exits with work under way": program("exit with work under way", 3),
  "a program that destroys with work under way": program(
    "destroy with work under way",
    0,
    /^webgpu: the device was destroyed\n$/,
  ),
  "a program with two devices": program("open two", 0),
};

/** One run, which is killed if it hangs. */
async function runOnce({ file, args, interrupt }: Scenario): Promise<Outcome & { readonly seconds: number }> {
  const began = performance.now();
  let sent = false;
  const late = new AbortController();
  const options: StartOptions = {
    kill: sleep(LIMIT_SECONDS * 1000, "SIGKILL" as const, { signal: late.signal }),
    onOutput: (stdout, kill) => {
      if (sent || interrupt === undefined || !stdout.includes(interrupt)) return;
      sent = true;
      kill("SIGINT");
    },
  };
  const outcome = await start(file, args, options);
  late.abort();
  return { ...outcome, seconds: (performance.now() - began) / 1000 };
}

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`processes: ${name}, ${scenario.runs} times`, async () => {
    for (let i = 0; i < scenario.runs; i++) {
      const { code, signal, stdout, stderr, seconds } = await runOnce(scenario);
      const what = `${runtime}: code ${code}, signal ${signal}, ${
        seconds.toFixed(1)
      } s\n${stdout}\n${stderr}`;
      assert.deepEqual([code, signal], [scenario.code, null], what);
      if (scenario.stdout) assert.match(stdout, scenario.stdout, what);
      if (scenario.stderr) assert.match(stderr, scenario.stderr, what);
    }
  });
}

test("processes: fifty of them", () => {
  assert.equal(Object.values(scenarios).reduce((sum, { runs }) => sum + runs, 0), 50);
});
