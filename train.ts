/**
 * The command line: `deno run -P train.ts`. Arguments only; the work is done in `train/` and `data/`.
 *
 * @module
 */

import type { Command } from "commander";
import process from "node:process";
import { device } from "./backends/mod.ts";
import { planningDevice } from "./backends/planner.ts";
import { drawPlan } from "./debug/plan_drawing.ts";
import { planLines } from "./debug/plan_table.ts";
import { formatSummary, summarise } from "./nn/tables.ts";
import { checkSummary, command, type Flags, settingsOf, typedFlags } from "./train/command.ts";
import {
  type Checkpoint,
  type Job,
  type JobSettings,
  jsonCheckReporter,
  jsonReporter,
  listenForInterrupt,
  makeProgressLine,
  openCheckpoint,
  planStep,
  prepareCheck,
  prepareJob,
  preparePlan,
  readHistory,
  resumedSettings,
  runCheck,
  runJob,
  tableOf,
  tellAll,
  textCheckReporter,
  textReporter,
  type TrainEvent,
  UsageError,
} from "./train/mod.ts";
import { runProgram } from "./train/program.ts";
import { openRecords } from "./train/records.ts";

async function main(args: readonly string[]): Promise<void> {
  const parsed = command().parse(args, { from: "user" });
  const flags = parsed.opts<Flags>();
  if (flags.summary) return printSummary(parsed);
  if (flags.plan !== undefined) return await printPlan(flags);
  const interrupt = await listenForInterrupt();
  try {
    if (flags.resume !== undefined) return await resume(parsed, interrupt.signal);
    const job = await prepare(flags, settingsOf(flags), interrupt.signal);
    await (flags.checkGradients ? check : train)(job, flags, interrupt.signal);
  } finally {
    interrupt.release();
  }
}

/** Goes on from a checkpoint. */
async function resume(parsed: Command, signal: AbortSignal): Promise<void> {
  const flags = parsed.opts<Flags>();
  const typed = typedFlags(parsed);
  if (typed.checkGradients || typed.compare) {
    const flag = typed.compare ? "--compare" : "--check-gradients";
    throw new UsageError(`${flag} trains nothing: leave --resume out`);
  }
  const from = await openCheckpoint(flags.resume!);
  const { backend: before } = from.manifest.run;
  // Of what was not typed nothing is asked for.
  const given = { ...settingsOf(typed as Flags), full: typed.full ? {} : undefined };
  const settings = resumedSettings(given, from);
  const full = settings.full !== undefined;
  const job = await prepare({ ...flags, full }, settings, signal, from);
  await train(job, { ...flags, backend: typed.backend ?? before }, signal);
}

/** Checks the settings and reads the images; with `--full` it fetches them, which the signal ends. */
async function prepare(
  flags: Flags,
  settings: JobSettings,
  signal: AbortSignal,
  from?: Checkpoint,
): Promise<Job> {
  const url = flags.mirror ?? settings.full?.url;
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
  if (!flags.full) return await ready(settings, from);
  const line = makeProgressLine(process.stderr, { quiet: flags.quiet });
  try {
    return await ready({ ...settings, full: { url, signal, ...line } }, from);
  } finally {
    line.clear();
  }
}

/** Trains on the device that was asked for; the signal ends it with what was learned. */
async function train(job: Job, flags: Flags, signal: AbortSignal): Promise<void> {
  const log = flags.quiet ? () => {} : console.error;
  const where = await device(flags.backend, { gpu: flags.gpu, tune: flags.tune, log });
  const before = job.from?.manifest.run.device ?? where.description;
  if (before !== where.description) {
    log(
      `the checkpoint was made on ${before}: on ${where.description} the run may not go on to the same bits`,
    );
  }
  if (flags.tune === "on" && where.name === "webgpu") {
    log("tuning: the first steps take longer, while kernels are measured that were not measured before");
  }
  const makeReporter = flags.json ? jsonReporter : textReporter;
  try {
    const earlier = job.from ? await historyOf(job.from, log) : [];
    const records = await openRecords(flags, earlier);
    try {
      await runJob(
        { ...flags.backend === "auto" && where.name === "cpu" ? oneEpoch(job, log) : job, tune: flags.tune },
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

/** What happened before; where that is lost, it is said. */
async function historyOf(
  { folder, manifest, lostHistory }: Checkpoint,
  log: (line: string) => void,
): Promise<readonly TrainEvent[]> {
  if (lostHistory === null) return await readHistory(folder, manifest.history.bytes);
  log(`${lostHistory}; a new one begins after step ${manifest.position.step}, and curves begin there, too`);
  return [];
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
  const { full, mirror, checkGradients, checkpoint, resume, report, tensorboard } = flags;
  const others = {
    "--full": full,
    "--mirror": mirror,
    "--check-gradients": checkGradients,
    "--checkpoint": checkpoint,
    "--resume": resume,
    "--report": report,
    "--tensorboard": tensorboard,
  };
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

function printSummary(parsed: Command): void {
  checkSummary(parsed);
  const flags = parsed.opts<Flags>();
  const summary = summarise(tableOf(settingsOf(flags)));
  const text = flags.json ? JSON.stringify({ event: "summary", ...summary }) : formatSummary(summary);
  process.stdout.write(text + "\n");
}

/** The flags that want files to be written. */
const WRITING = /^--(report|tensorboard|checkpoint|resume)\b/;

/** The command that has the permissions. */
function howToRun(missing: string): string {
  const [, mirror] = missing.match(/^Requires net access to "(.*)"$/) ?? [];
  const full = process.argv.includes("--full");
  const writes = /^Requires write access/.test(missing) || process.argv.some((flag) => WRITING.test(flag));
  const flags = mirror ? `-P=full --allow-net=${mirror}` : full ? "-P=full" : writes ? "-P=write" : "-P";
  return `deno run ${flags} train.ts${full ? " --full" : ""}`;
}

await runProgram(main, howToRun);
