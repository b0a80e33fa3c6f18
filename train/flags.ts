/**
 * The flags of `train.ts`, as a table that the command reads and prints.
 *
 * @module
 */

import { InvalidArgumentError } from "commander";
import { models } from "../nn/mod.ts";

/** A flag. */
export interface FlagRow {
  /** Its name, and what it takes. */
  readonly flag: string;
  /** What it does, for `--help`. */
  readonly text: string;
  /** What it may be. */
  readonly choices?: readonly string[];
  /** Reads what was typed. */
  readonly parse?: (text: string) => number | string;
  /** What it is when it is not typed. */
  readonly usual?: string | number | boolean;
  /** What it is when nothing is typed behind it. */
  readonly bare?: string;
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
const natural = number("a whole number from 0", (value) => Number.isSafeInteger(value) && value >= 0);
const fraction = number("a number from 0 to below 1", (value) => value >= 0 && value < 1);
const rate = number("a number above 0", (value) => value > 0 && value < Infinity);
const decay = number("a number from 0", (value) => value >= 0 && value < Infinity);

function folder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must be a folder.");
  return text;
}

function webAddress(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (!/^https?:$/.test(protocol)) throw new InvalidArgumentError("It must be an http or https URL.");
  return text;
}

const WHERE: readonly FlagRow[] = [
  { flag: "--backend <name>", text: "where to compute", choices: ["auto", "cpu", "webgpu"], usual: "auto" },
  { flag: "--gpu <name>", text: "which WebGPU", choices: ["auto", "dawn"], usual: "auto" },
  {
    flag: "--tune <when>",
    text: "choose WebGPU's kernels by guesses, by what is kept, or by measuring",
    choices: ["off", "cached", "on"],
    usual: "off",
  },
];

const DATA: readonly FlagRow[] = [
  { flag: "--model <name>", text: "the network", choices: Object.keys(models), usual: "alexnet_mini" },
  {
    flag: "--dataset <name>",
    text: "the images",
    choices: ["fashion-mnist", "synthetic"],
    usual: "fashion-mnist",
  },
  {
    flag: "--data <folder>",
    text: "shards made by prepare.ts, or the four published IDX files; default: the embedded subset",
    parse: folder,
  },
  {
    flag: "--full",
    text: "the whole of Fashion-MNIST: fetched once, and kept in the cache folder",
    usual: false,
  },
  { flag: "--mirror <url>", text: "where --full fetches from", parse: webAddress },
];

const RECIPE: readonly FlagRow[] = [
  { flag: "--epochs <n>", text: "passes over the training images", parse: count },
  { flag: "--steps <n>", text: "end after this many steps", parse: count },
  { flag: "--batch <n>", text: "images a step", parse: count },
  {
    flag: "--limit <n>",
    text: "so many training images: the first ones, of shards spread over all; with --check-gradients: " +
      "elements of each parameter, default 8",
    parse: count,
  },
  {
    flag: "--schedule <name>",
    text: "the rate falls where the accuracy no longer rises, or all the time",
    choices: ["plateau", "linear"],
  },
  {
    flag: "--patience <epochs>",
    text: "after so many without a better accuracy the rate falls",
    parse: count,
  },
  { flag: "--lr <rate>", text: "learning rate", parse: rate },
  { flag: "--momentum <fraction>", text: "momentum", parse: fraction },
  { flag: "--weight-decay <rate>", text: "weight decay", parse: decay },
  { flag: "--dropout <fraction>", text: "probability of dropout", parse: fraction },
  {
    flag: "--init <name>",
    text: "how weights start: as in the network's paper, alexnet_owt as in PyTorch, or He's",
    choices: ["paper", "he"],
  },
  {
    flag: "--augment <how>",
    text: "vary training images by random crops that are mirrored, and by their colours",
    choices: ["none", "crop", "crop+pca"],
  },
];

const NETWORK: readonly FlagRow[] = [
  { flag: "--no-lrn", text: "the network without local response normalisation" },
  {
    flag: "--pool <how>",
    text: "windows of pooling that overlap, or not",
    choices: ["overlapping", "plain"],
  },
  { flag: "--activation <name>", text: "behind each layer with weights", choices: ["relu", "tanh"] },
  { flag: "--towers <n>", text: "1: half the maps, as the paper's network on one GPU", choices: ["1", "2"] },
  { flag: "--seed <n>", text: "all that is random comes from it", parse: natural, usual: 0 },
  {
    flag: "--precision <name>",
    text: "what the network computes in; its weights are kept in f32",
    choices: ["f32", "f16"],
    usual: "f32",
  },
];

const KEPT: readonly FlagRow[] = [
  { flag: "--eval-every <steps>", text: "measure that often, besides after each epoch", parse: count },
  {
    flag: "--eval-crops <n>",
    text: "measure with the centre of each test image, or average over ten parts",
    choices: ["1", "10"],
  },
  {
    flag: "--checkpoint <folder>",
    text: "keep checkpoints there: after each epoch, at the end, when stopped",
    parse: folder,
  },
  { flag: "--checkpoint-every <steps>", text: "keep one that often, too", parse: count },
  {
    flag: "--keep <n>",
    text: "how many checkpoints are kept, default 3; the best is kept besides",
    parse: count,
  },
  {
    flag: "--resume <folder>",
    text: "go on from the newest checkpoint there, with its settings",
    parse: folder,
  },
];

const CHECKS: readonly FlagRow[] = [
  {
    flag: "--compare <backend>",
    text: "hold every op of the first steps (--steps) to this backend",
    choices: ["cpu"],
  },
  { flag: "--trace-nan", text: "name the op that makes a number NaN or infinite; slow", usual: false },
  {
    flag: "--check-gradients",
    text: "hold the loss's gradients to its differences (--limit); no training",
    usual: false,
  },
  {
    flag: "--plan [form]",
    text: "print a training step's plan for the adapter, or draw its memory; no training",
    choices: ["table", "svg"],
    bare: "table",
  },
];

const SHOWN: readonly FlagRow[] = [
  {
    flag: "--report <folder>",
    text: "draw the run after each evaluation: a page, and its pictures as files",
    parse: folder,
  },
  { flag: "--tensorboard <folder>", text: "write the run's curves for TensorBoard", parse: folder },
  { flag: "--json", text: "one JSON object a line, and nothing else on stdout", usual: false },
  { flag: "--quiet", text: "the result only; with --json, everything but the steps", usual: false },
  { flag: "--summary", text: "print the network's layers, and end", usual: false },
];

/** All of them, in the order of `--help`. */
export const FLAGS: readonly FlagRow[] = [WHERE, DATA, RECIPE, NETWORK, KEPT, CHECKS, SHOWN].flat();
