/**
 * `deno task ablate`: trains the small AlexNet without one of its pieces at a time, with several seeds, and writes what it
 * finds to docs/paper.md, beside what the paper says. What has been run is kept, and a later call goes on from there.
 *
 * @module
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { device } from "./backends/mod.ts";
import { type Dataset, fashionMnist } from "./data/mod.ts";
import {
  type Ablation,
  type AblationSettings,
  checkSame,
  keyOf,
  learningPlot,
  piecesPlot,
  readAblation,
  runVariant,
  type VariantName,
  variants,
  withTables,
  writeAblation,
} from "./train/ablate/mod.ts";
import { listenForInterrupt, UsageError } from "./train/mod.ts";
import { makeCommand, runProgram } from "./train/program.ts";

interface Flags {
  readonly seeds: number;
  readonly images: number;
  readonly epochs: number;
  readonly testImages?: number;
  readonly only?: readonly VariantName[];
  readonly data?: string;
  readonly backend: "auto" | "cpu" | "webgpu";
  readonly out: string;
  readonly docs: boolean;
}

/** Errors of some 15% on so many images are off by half a point, which runs that are compared have in common. */
const TEST_IMAGES = 4000;

const inHouse = (path: string) => fileURLToPath(new URL(path, import.meta.url));

function count(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError("It must be a whole number from 1.");
  }
  return value;
}

function names(text: string): readonly VariantName[] {
  return text.split(",").map((name) => {
    if (Object.hasOwn(variants, name)) return name as VariantName;
    throw new InvalidArgumentError(`Ways to train are ${Object.keys(variants).join(", ")}.`);
  });
}

function command(): Command {
  const option = (flags: string, text: string) => new Option(flags, text);
  const number = (flag: string, text: string, usual: number) =>
    option(`--${flag} <n>`, text).default(usual).argParser(count);
  const text =
    "Measures what each piece of the paper is worth, on Fashion-MNIST. Goes on where it was ended.";
  return makeCommand("ablate", text)
    .addOption(number("seeds", "runs of each way to train", 3))
    .addOption(number("images", "training images, the first ones", 2000))
    .addOption(number("epochs", "passes over them", 12))
    .addOption(option("--test-images <n>", `the first ones, default: ${TEST_IMAGES} or all`).argParser(count))
    .addOption(option("--only <names>", "ways to train, with commas between").argParser(names))
    .addOption(option("--data <folder>", "Fashion-MNIST's IDX files, default: the embedded subset"))
    .addOption(
      option("--backend <name>", "where to compute").choices(["auto", "cpu", "webgpu"]).default("auto"),
    )
    .addOption(option("--out <file>", "where runs are kept").default(inHouse("docs/paper.json")))
    .addOption(option("--no-docs", "leave docs/paper.md and its pictures as they are"));
}

async function main(args: readonly string[]): Promise<void> {
  const flags = command().parse(args, { from: "user" }).opts<Flags>();
  const interrupt = await listenForInterrupt();
  try {
    const ablation = await run(flags, interrupt.signal);
    if (flags.docs) document(ablation);
  } finally {
    interrupt.release();
  }
}

/** Runs what has not been run, seed by seed, so that whenever it is ended all ways have about as many. */
async function run(flags: Flags, signal: AbortSignal): Promise<Ablation> {
  const { images, epochs, seeds, only = Object.keys(variants) as VariantName[], out } = flags;
  const dataset = await fashionMnist({ folder: flags.data });
  const testImages = flags.testImages ?? Math.min(TEST_IMAGES, dataset.test.count);
  const settings: AblationSettings = { images, epochs, testImages };
  checkCounts(dataset, settings);
  const known = readAblation(out);
  if (known) checkSame(out, known, dataset.name, settings);
  const where = await device(flags.backend, { log: console.error });
  let ablation = known ??
    {
      format: 1,
      dataset: dataset.name,
      device: where.description,
      settings,
      runs: {},
    } as const satisfies Ablation;
  const planned = Array.from({ length: seeds }, (_, seed) => only.map((name) => ({ name, seed }))).flat();
  const missing = planned.filter(({ name, seed }) => !ablation.runs[keyOf(name, seed)]);
  const began = performance.now();
  for (const [i, { name, seed }] of missing.entries()) {
    if (signal.aborted) break;
    const result = await runVariant(
      variants[name],
      { settings, seed, tenCrops: name === "full", signal },
      dataset,
      where,
    );
    if (result === null) break;
    ablation = { ...ablation, runs: { ...ablation.runs, [keyOf(name, seed)]: result } };
    writeAblation(out, ablation);
    const minutes = (performance.now() - began) / 60_000 / (i + 1) * (missing.length - i - 1);
    const { test, seen } = result;
    console.log(
      `${name}, seed ${seed}: test error ${(100 * test.top1).toFixed(2)}%, training images ` +
        `${(100 * seen.top1).toFixed(2)}%, ${result.seconds.toFixed(0)} s; ` +
        `${missing.length - i - 1} runs to go, about ${minutes.toFixed(0)} minutes`,
    );
  }
  where.destroy();
  if (signal.aborted) console.log("stopped; the same command goes on from here");
  return ablation;
}

function checkCounts({ train, test }: Dataset, { images, testImages }: AblationSettings): void {
  if (images > train.count || testImages > test.count) {
    throw new UsageError(
      `the dataset has ${train.count} training and ${test.count} test images, fewer than --images=${images} and ` +
        `--test-images=${testImages} ask for: give --data, or ask for fewer`,
    );
  }
}

/** Writes the page's tables and the pictures. */
function document(ablation: Ablation): void {
  const page = inHouse("docs/paper.md");
  writeFileSync(page, withTables(readFileSync(page, "utf8"), ablation));
  writeFileSync(inHouse("docs/paper_learning.svg"), learningPlot(ablation));
  writeFileSync(inHouse("docs/paper_pieces.svg"), piecesPlot(ablation));
}

await runProgram(main, () => "deno run -P=ablate ablate.ts");
