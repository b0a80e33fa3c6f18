/**
 * The command line: `deno run -P train.ts`. Arguments only; the work is done in `train/` and `data/`.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import process from "node:process";
import { device } from "./backends/mod.ts";
import { planningDevice } from "./backends/planner.ts";
import { drawPlan } from "./debug/plan_drawing.ts";
import { planLines } from "./debug/plan_table.ts";
import { formatSummary, type InitName, type ModelName, models, summarise } from "./nn/mod.ts";
import {
  type DatasetName,
  type Job,
  type JobSettings,
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
  textCheckReporter,
  textReporter,
  type TrainPrecision,
  UsageError,
} from "./train/mod.ts";

const BAD_USAGE = 2;
const FAILED = 1;

interface Flags {
  readonly backend: "auto" | "cpu" | "webgpu";
  readonly gpu: "auto" | "dawn";
  readonly tune: "off" | "cached" | "on";
  readonly model: ModelName;
  readonly dataset: DatasetName;
  readonly data?: string;
  readonly full: boolean;
  readonly mirror?: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly limit?: number;
  readonly lr?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly dropout?: number;
  readonly init?: InitName;
  readonly seed: number;
  readonly precision: TrainPrecision;
  readonly evalEvery?: number;
  readonly compare?: "cpu";
  readonly json: boolean;
  readonly quiet: boolean;
  readonly summary: boolean;
  readonly traceNan: boolean;
  readonly checkGradients: boolean;
  readonly plan?: "table" | "svg";
}

/** Reads a number, and asks that it passes `test`. */
function number(wanted: string, test: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (!test(value)) throw new InvalidArgumentError(`It must be ${wanted}.`);
    return value;
  };
}

const count = number("a whole number from 1", (value) => Number.isSafeInteger(value) && value >= 1);
const fraction = number("a number from 0 to below 1", (value) => value >= 0 && value < 1);

function folder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must be a folder.");
  return text;
}

function webAddress(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (!/^https?:$/.test(protocol)) throw new InvalidArgumentError("It must be an http or https URL.");
  return text;
}

function command(): Command {
  const option = (flags: string, text: string) => new Option(flags, text);
  return new Command("train")
    .description("Trains a convolutional network. What is not given comes from the network's recipe.")
    .addOption(
      option("--backend <name>", "where to compute").choices(["auto", "cpu", "webgpu"]).default("auto"),
    )
    .addOption(option("--gpu <name>", "which WebGPU").choices(["auto", "dawn"]).default("auto"))
    .addOption(
      option("--tune <when>", "choose WebGPU's kernels by guesses, by what is kept, or by measuring")
        .choices(["off", "cached", "on"]).default("off"),
    )
    .addOption(option("--model <name>", "the network").choices(Object.keys(models)).default("alexnet_mini"))
    .addOption(
      option("--dataset <name>", "the images").choices(["fashion-mnist", "synthetic"]).default(
        "fashion-mnist",
      ),
    )
    .addOption(
      option("--data <folder>", "the four published IDX files, default: the embedded subset").argParser(
        folder,
      ),
    )
    .addOption(
      option("--full", "the whole of Fashion-MNIST: fetched once, and kept in the cache folder").default(
        false,
      ),
    )
    .addOption(option("--mirror <url>", "where --full fetches from").argParser(webAddress))
    .addOption(option("--epochs <n>", "passes over the training images").argParser(count))
    .addOption(option("--steps <n>", "end after this many steps").argParser(count))
    .addOption(option("--batch <n>", "images a step").argParser(count))
    .addOption(
      option(
        "--limit <n>",
        "use only the first training images; with --check-gradients: elements of each parameter, default 8",
      ).argParser(count),
    )
    .addOption(
      option("--lr <rate>", "learning rate").argParser(
        number("a number above 0", (value) => value > 0 && value < Infinity),
      ),
    )
    .addOption(option("--momentum <fraction>", "momentum").argParser(fraction))
    .addOption(
      option("--weight-decay <rate>", "weight decay").argParser(
        number("a number from 0", (value) => value >= 0 && value < Infinity),
      ),
    )
    .addOption(option("--dropout <fraction>", "probability of dropout").argParser(fraction))
    .addOption(option("--init <name>", "how weights start").choices(["paper", "he"]))
    .addOption(
      option("--seed <n>", "all that is random comes from it").default(0).argParser(
        number("a whole number from 0", (value) => Number.isSafeInteger(value) && value >= 0),
      ),
    )
    .addOption(
      option("--precision <name>", "what the network computes in; its weights are kept in f32")
        .choices(["f32", "f16"]).default("f32"),
    )
    .addOption(
      option("--eval-every <steps>", "measure that often, besides after each epoch").argParser(count),
    )
    .addOption(
      option("--compare <backend>", "hold every op of the first steps (--steps) to this backend").choices([
        "cpu",
      ]),
    )
    .addOption(
      option("--trace-nan", "name the op that makes a number NaN or infinite; slow").default(false),
    )
    .addOption(
      option("--check-gradients", "hold the loss's gradients to its differences (--limit); no training")
        .default(false),
    )
    .addOption(
      option("--plan [form]", "print a training step's plan for the adapter, or draw its memory; no training")
        .choices(["table", "svg"]).preset("table"),
    )
    .addOption(option("--json", "one JSON object a line, and nothing else on stdout").default(false))
    .addOption(option("--quiet", "the result only; with --json, everything but the steps").default(false))
    .addOption(option("--summary", "print the network's layers, and end").default(false))
    .helpOption("--help", "print this, and end")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text) + "\n") });
}

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

/** What was asked for, as jobs take it. */
function settingsOf(flags: Flags): JobSettings {
  const { model, dataset, seed, steps, limit, evalEvery, batch, lr, momentum, weightDecay, dropout, init } =
    flags;
  const recipe = { batch, lr, momentum, weightDecay, dropout, init, epochs: flags.epochs };
  const compare = flags.compare !== undefined;
  const traceNaN = flags.traceNan;
  const checks = { compare, traceNaN };
  const { precision } = flags;
  return { model, dataset, folder: flags.data, seed, precision, steps, limit, evalEvery, ...checks, recipe };
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
    await runJob(
      flags.backend === "auto" && where.name === "cpu" ? oneEpoch(job, log) : job,
      where,
      makeReporter(process.stdout, { quiet: flags.quiet }),
      signal,
    );
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

function printSummary({ model, json }: Flags): void {
  const summary = summarise(models[model]);
  const text = json ? JSON.stringify({ event: "summary", ...summary }) : formatSummary(summary);
  process.stdout.write(text + "\n");
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}

/** One line for whoever typed the command. Deno without a terminal cannot ask for what it was not granted. */
function explain(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name !== "NotCapable") continue;
    const [missing] = cause.message.split(", run again");
    const [, mirror] = missing!.match(/^Requires net access to "(.*)"$/) ?? [];
    const full = process.argv.includes("--full");
    const flags = mirror ? `-P=full --allow-net=${mirror}` : full ? "-P=full" : "-P";
    return `${oneLine(missing!)}: use \`deno run ${flags} train.ts${full ? " --full" : ""}\``;
  }
  return oneLine(error instanceof Error ? error.message : String(error));
}

// A reader that has seen enough, as in `train.ts --json | head`, is no error.
process.stdout.on("error", (error: Error & { code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has written its own line.
    process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
  } else {
    process.stderr.write(`error: ${explain(error)}\n`);
    process.exitCode = error instanceof UsageError ? BAD_USAGE : FAILED;
  }
}
