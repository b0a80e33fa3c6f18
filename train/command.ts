/**
 * The flags of the command line: what they are called, what they may be, and what they ask for.
 *
 * @module
 */

import { type Command, Option } from "commander";
import type { AugmentName, EvalCrops } from "../data/mod.ts";
import type { InitName, ModelName } from "../nn/mod.ts";
import type { Variation } from "../nn/tables.ts";
import { type FlagRow, FLAGS } from "./flags.ts";
import type { DatasetName, JobSettings } from "./job.ts";
import { makeCommand } from "./program.ts";
import type { ScheduleName } from "./schedule.ts";
import type { TrainPrecision } from "./step.ts";
import { UsageError } from "./usage_error.ts";

/** What was typed, or left out. */
export interface Flags {
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
  readonly schedule?: ScheduleName;
  readonly patience?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly dropout?: number;
  readonly init?: InitName;
  readonly augment?: AugmentName;
  readonly lrn: boolean;
  readonly pool?: Variation["pool"];
  readonly activation?: Variation["activation"];
  readonly towers?: "1" | "2";
  readonly evalCrops?: "1" | "10";
  readonly seed: number;
  readonly precision: TrainPrecision;
  readonly evalEvery?: number;
  readonly checkpoint?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  readonly resume?: string;
  readonly compare?: "cpu";
  readonly report?: string;
  readonly tensorboard?: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly summary: boolean;
  readonly traceNan: boolean;
  readonly checkGradients: boolean;
  readonly plan?: "table" | "svg";
}

/** The command, which reads the flags and explains them. */
export function command(): Command {
  const text = "Trains a convolutional network. What is not given comes from the network's recipe.";
  return FLAGS.reduce((all, row) => all.addOption(optionOf(row)), makeCommand("train", text));
}

function optionOf({ flag, text, choices, parse, usual, bare }: FlagRow): Option {
  const option = new Option(flag, text);
  if (choices) option.choices(choices);
  if (parse) option.argParser(parse);
  if (bare !== undefined) option.preset(bare);
  return usual === undefined ? option : option.default(usual);
}

/** The flags of a command that were typed, without the defaults of the others. */
export function typedFlags(parsed: Command): Partial<Flags> {
  const typed = Object.entries(parsed.opts()).filter(([name]) => parsed.getOptionValueSource(name) === "cli");
  return Object.fromEntries(typed);
}

/** What says which layers a network has, and how they are printed. */
const SUMMARY: ReadonlySet<string> = new Set(
  ["summary", "model", "lrn", "pool", "activation", "towers", "json"] satisfies (keyof Flags)[],
);

/**
 * Throws unless a command with `--summary` asks for nothing else.
 *
 * @throws {UsageError} that names the first flag that is about something else.
 */
export function checkSummary(parsed: Command): void {
  const [other] = Object.keys(typedFlags(parsed)).filter((name) => !SUMMARY.has(name));
  if (other === undefined) return;
  const flag = `--${other.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new UsageError(`--summary prints the network's layers, and trains nothing: leave ${flag} out`);
}

/** What was asked for, as jobs take it. */
export function settingsOf(flags: Flags): JobSettings {
  const { model, dataset, seed, precision, steps, limit, evalEvery, augment } = flags;
  const { batch, lr, schedule, patience, momentum, weightDecay, dropout, init, epochs } = flags;
  const recipe = { batch, lr, schedule, patience, momentum, weightDecay, dropout, init, epochs };
  const evalCrops = flags.evalCrops && Number(flags.evalCrops) as EvalCrops;
  const checks = { compare: flags.compare !== undefined, traceNaN: flags.traceNan };
  const network = variationOf(flags);
  const measuring = { evalEvery, evalCrops };
  const data = { dataset, folder: flags.data, limit, augment };
  const checkpoint = checkpointOf(flags);
  return { model, network, ...data, seed, precision, steps, ...measuring, checkpoint, ...checks, recipe };
}

function checkpointOf(
  { checkpoint, resume, checkpointEvery: every, keep }: Flags,
): JobSettings["checkpoint"] {
  if (checkpoint !== undefined && resume !== undefined) {
    throw new UsageError("--resume goes on in the folder of its checkpoint: leave --checkpoint out");
  }
  const folder = checkpoint ?? resume;
  if (folder !== undefined) return { folder, every, keep };
  const flag = every !== undefined ? "--checkpoint-every" : keep !== undefined ? "--keep" : undefined;
  if (flag) throw new UsageError(`${flag} belongs to --checkpoint or --resume, which say where`);
  return undefined;
}

/** What the network is to have instead of what was published; nothing where no flag says so. */
function variationOf({ lrn, pool, activation, towers }: Flags): Variation | undefined {
  const variation: Variation = {
    ...!lrn && { lrn },
    ...pool && { pool },
    ...activation && { activation },
    ...towers && { towers: Number(towers) as 1 | 2 },
  };
  return Object.keys(variation).length > 0 ? variation : undefined;
}
