/**
 * The command line: `deno run -P train.ts`. Arguments only; the work is done in `train/` and `data/`.
 *
 * @module
 */

import process from "node:process";
import { device } from "./backends/mod.ts";
import { planningDevice } from "./backends/planner.ts";
import { drawPlan } from "./debug/plan_drawing.ts";
import { planLines } from "./debug/plan_table.ts";
import { formatSummary, summarise } from "./nn/mod.ts";
import { command, type Flags, settingsOf } from "./train/command.ts";
import {
  type Job,
  jsonCheckReporter,
  jsonReporter,
  listenForInterrupt,
  makeProgressLine,
  planStep,
  prepareCheck,
  prepareJob,
  preparePlan,
  runCheck,
  runJob,
  tableOf,
  tellAll,
  textCheckReporter,
  textReporter,
  UsageError,
} from "./train/mod.ts";
import { runProgram } from "./train/program.ts";
import { openRecords } from "./train/records.ts";

async function main(args: readonly string[]): Promise<void> {
  const flags = command().parse(args, { from: "user" }).opts<Flags>();
  if (flags.summary) return printSummary(flags);
  if (flags.plan !== undefined) return await printPlan(flags);
  const interrupt = await listenForInterrupt();
  try {
    const job = await prepare(flags, interrupt.signal);
    await (flags.checkGradients ? check : train)(job, flags, interrupt.signal);
  } finally {
    interrupt.release();
  }
}

/** Checks the settings and reads the images; with `--full` it fetches them, which the signal ends. */
async function prepare(flags: Flags, signal: AbortSignal): Promise<Job> {
  const settings = settingsOf(flags);
  if (flags.mirror !== undefined && !flags.full) {
    throw new UsageError("--mirror says where --full fetches from: use both");
  }
  if (flags.checkGradients && (flags.backend === "webgpu" || flags.gpu === "dawn")) {
    throw new UsageError(
      "--check-gradients wants f64, which only the CPU has: leave --backend and --gpu out",
    );
  }
  if (flags.tune !== "off" && (flags.backend === "cpu" || flags.checkGradients)) {
    throw new UsageError("--tune chooses WebGPU's kernels, and this computes on the CPU: leave --tune out");
  }
  const records = flags.report !== undefined
    ? "--report"
    : flags.tensorboard !== undefined
    ? "--tensorboard"
    : null;
  if (records !== null && (flags.checkGradients || flags.compare !== undefined)) {
    throw new UsageError(`${records} is about a run that trains, and this one only checks: leave it out`);
  }
  const ready = flags.checkGradients ? prepareCheck : prepareJob;
  if (!flags.full) return await ready(settings);
  const line = makeProgressLine(process.stderr, { quiet: flags.quiet });
  try {
    return await ready({ ...settings, full: { url: flags.mirror, signal, ...line } });
  } finally {
    line.clear();
  }
}

/** Trains on the device that was asked for; the signal ends it with what was learned. */
async function train(job: Job, flags: Flags, signal: AbortSignal): Promise<void> {
  const log = flags.quiet ? () => {} : console.error;
  const where = await device(flags.backend, { gpu: flags.gpu, tune: flags.tune, log });
  if (flags.tune === "on" && where.name === "webgpu") {
    log("tuning: the first steps take longer, while kernels are measured that were not measured before");
  }
  const makeReporter = flags.json ? jsonReporter : textReporter;
  try {
    const records = await openRecords(flags);
    try {
      await runJob(
        flags.backend === "auto" && where.name === "cpu" ? oneEpoch(job, log) : job,
        where,
        tellAll([makeReporter(process.stdout, { quiet: flags.quiet }), ...records.reporters]),
        signal,
        records.watch,
      );
    } finally {
      await records.close();
    }
  } finally {
    where.destroy();
  }
}

/** Checks the network's gradients, in f64; the signal ends it with what was checked. */
async function check(job: Job, flags: Flags, signal: AbortSignal): Promise<void> {
  const where = await device("cpu", { precision: "f64" });
  const makeReporter = flags.json ? jsonCheckReporter : textCheckReporter;
  await runCheck(job, where, makeReporter(process.stdout, { quiet: flags.quiet }), signal);
}

/** Without an adapter the network is trained all the same, as far as patience allows. */
function oneEpoch(job: Job, log: (line: string) => void): Job {
  const { recipe: { epochs }, steps, compare } = job.settings;
  if (epochs !== undefined || steps !== undefined || compare) return job;
  log("the CPU backend is slow: training for one epoch only, ask for more with --epochs");
  return { ...job, recipe: { ...job.recipe, epochs: 1 } };
}

/** Prints what a training step would do, without doing it. */
async function printPlan(flags: Flags): Promise<void> {
  if (flags.backend === "cpu") {
    throw new UsageError(
      "--plan shows what WebGPU would do, the CPU backend makes no plans: leave --backend out",
    );
  }
  if (flags.tune !== "off") {
    throw new UsageError("--plan goes by guesses, and knows nothing of what was measured: leave --tune out");
  }
  if (flags.json && flags.plan === "svg") throw new UsageError("--plan=svg and --json: use one of them");
  const { full, mirror, checkGradients } = flags;
  const others = { "--full": full, "--mirror": mirror, "--check-gradients": checkGradients };
  const job = preparePlan(settingsOf(flags), others);
  const { device: where, planner } = await planningDevice(flags.gpu);
  try {
    const plan = await planStep(job, where, planner);
    const text = flags.json
      ? JSON.stringify(plan) + "\n"
      : flags.plan === "svg"
      ? drawPlan(plan)
      : planLines(plan, flags.quiet).join("\n") + "\n";
    process.stdout.write(text);
  } finally {
    where.destroy();
  }
}

function printSummary(flags: Flags): void {
  const summary = summarise(tableOf(settingsOf(flags)));
  const text = flags.json ? JSON.stringify({ event: "summary", ...summary }) : formatSummary(summary);
  process.stdout.write(text + "\n");
}

/** The flags that want files to be written. */
const WRITING = /^--(report|tensorboard)\b/;

/** The command that has the permissions. */
function howToRun(missing: string): string {
  const [, mirror] = missing.match(/^Requires net access to "(.*)"$/) ?? [];
  const full = process.argv.includes("--full");
  const writes = /^Requires write access/.test(missing) || process.argv.some((flag) => WRITING.test(flag));
  const flags = mirror ? `-P=full --allow-net=${mirror}` : full ? "-P=full" : writes ? "-P=write" : "-P";
  return `deno run ${flags} train.ts${full ? " --full" : ""}`;
}

await runProgram(main, howToRun);
