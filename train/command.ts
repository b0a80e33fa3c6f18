/**
 * The flags of the command line: what they are called, what they may be, and what they ask for.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from "commander";
import type { AugmentName, EvalCrops } from "../data/mod.ts";
import { type InitName, type ModelName, models, type Variation } from "../nn/mod.ts";
import type { DatasetName, JobSettings } from "./job.ts";
import { oneLine } from "./program.ts";
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

/** The command, which reads the flags and explains them. */
export function command(): Command {
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
      option(
        "--data <folder>",
        "shards made by prepare.ts, or the four published IDX files; default: the embedded subset",
      ).argParser(
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
        "so many training images: the first ones, of shards spread over all; with --check-gradients: elements of each parameter, default 8",
      ).argParser(count),
    )
    .addOption(
      option("--schedule <name>", "the rate falls where the accuracy no longer rises, or all the time")
        .choices(["plateau", "linear"]),
    )
    .addOption(
      option("--patience <epochs>", "after so many without a better accuracy the rate falls").argParser(
        count,
      ),
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
      option(
        "--augment <how>",
        "vary training images by random crops that are mirrored, and by their colours",
      )
        .choices(["none", "crop", "crop+pca"]),
    )
    .addOption(option("--no-lrn", "the network without local response normalisation"))
    .addOption(
      option("--pool <how>", "windows of pooling that overlap, or not").choices(["overlapping", "plain"]),
    )
    .addOption(option("--activation <name>", "behind each layer with weights").choices(["relu", "tanh"]))
    .addOption(
      option("--towers <n>", "1: half the maps, as the paper's network on one GPU").choices(["1", "2"]),
    )
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
      option("--eval-crops <n>", "measure with the centre of each test image, or average over ten parts")
        .choices(["1", "10"]),
    )
    .addOption(
      option("--checkpoint <folder>", "keep checkpoints there: after each epoch, at the end, when stopped")
        .argParser(folder),
    )
    .addOption(option("--checkpoint-every <steps>", "keep one that often, too").argParser(count))
    .addOption(
      option("--keep <n>", "how many checkpoints are kept, default 3; the best is kept besides").argParser(
        count,
      ),
    )
    .addOption(
      option("--resume <folder>", "go on from the newest checkpoint there, with its settings").argParser(
        folder,
      ),
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
    .addOption(
      option("--report <folder>", "draw the run after each evaluation: a page, and its pictures as files")
        .argParser(folder),
    )
    .addOption(
      option("--tensorboard <folder>", "write the run's curves for TensorBoard").argParser(folder),
    )
    .addOption(option("--json", "one JSON object a line, and nothing else on stdout").default(false))
    .addOption(option("--quiet", "the result only; with --json, everything but the steps").default(false))
    .addOption(option("--summary", "print the network's layers, and end").default(false))
    .helpOption("--help", "print this, and end")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text) + "\n") });
}

/** The flags of a command that were typed, without the defaults of the others. */
export function typedFlags(parsed: Command): Partial<Flags> {
  const typed = Object.entries(parsed.opts()).filter(([name]) => parsed.getOptionValueSource(name) === "cli");
  return Object.fromEntries(typed);
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
