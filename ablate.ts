/**
 * `deno task ablate`: trains the small AlexNet without one of its pieces at a time, with several seeds, and prints what it
 * finds beside what the paper says, in tables and in drawings. What has been run is kept, and a later call goes on from
 * there.
 *
 * @module
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { device } from "./backends/mod.ts";
import { type Dataset, fashionMnist, take } from "./data/mod.ts";
import { writeWhole } from "./data/whole_files.ts";
import {
  type Ablation,
  type AblationSettings,
  checkSame,
  FORMAT,
  keyOf,
  plotsOf,
  readAblation,
  runVariant,
  textOf,
  type VariantName,
  variants,
  withTables,
  writeAblation,
} from "./train/ablate/mod.ts";
import { noteOf } from "./train/data_note.ts";
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
  readonly out?: string;
  readonly docs: boolean;
}

/** Where runs are kept: nowhere near the published ones, unless those are meant. */
const OUT = "ablation.json";

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
    .addOption(
      option(
        "--out <file>",
        `where runs are kept, default: ${OUT}; drawings lie beside it, ${stemOf(OUT)}_*.svg`,
      ),
    )
    .addOption(
      option(
        "--docs",
        "the published runs: keep them in docs/paper.json, and write docs/paper.md and its drawings anew",
      )
        .default(false),
    );
}

async function main(args: readonly string[]): Promise<void> {
  const flags = command().parse(args, { from: "user" }).opts<Flags>();
  if (flags.docs && flags.out !== undefined) {
    throw new UsageError("--docs is about the runs in docs/paper.json: leave --out out");
  }
  const interrupt = await listenForInterrupt();
  try {
    const out = flags.docs ? inHouse("docs/paper.json") : flags.out ?? OUT;
    const ablation = await run(flags, out, interrupt.signal);
    if (Object.keys(ablation.runs).length === 0) return;
    if (flags.docs) await document(ablation);
    else console.log(`\n${textOf(ablation)}`);
    await draw(out, ablation);
  } finally {
    interrupt.release();
  }
}

/** Runs what has not been run, seed by seed, so that whenever it is ended all ways have about as many. */
async function run(flags: Flags, out: string, signal: AbortSignal): Promise<Ablation> {
  const { seeds, only = Object.keys(variants) as VariantName[] } = flags;
  const dataset = await fashionMnist({ folder: flags.data });
  const settings = settingsOf(flags, dataset);
  let ablation = await begin(out, dataset, settings);
  const planned = Array.from({ length: seeds }, (_, seed) => only.map((name) => ({ name, seed }))).flat();
  const missing = planned.filter(({ name, seed }) => !ablation.runs[keyOf(name, seed)]);
  console.error(`${missing.length} of ${planned.length} runs to go; they are kept in ${out}`);
  if (missing.length === 0) return ablation;
  const where = await device(flags.backend, { log: console.error });
  const began = performance.now();
  for (const [i, { name, seed }] of missing.entries()) {
    if (signal.aborted) break;
    const options = { settings, seed, tenCrops: name === "full", signal };
    const result = await runVariant(variants[name], options, dataset, where);
    if (result === null) break;
    ablation = { ...ablation, runs: { ...ablation.runs, [keyOf(name, seed)]: result } };
    await writeAblation(out, ablation);
    const left = missing.length - i - 1;
    const minutes = (performance.now() - began) / 60_000 / (i + 1) * left;
    const { test, seen } = result;
    console.log(
      `${name}, seed ${seed}: test error ${(100 * test.top1).toFixed(2)}%, training images ` +
        `${(100 * seen.top1).toFixed(2)}%, ${result.seconds.toFixed(0)} s; ` +
        `${left} runs to go, about ${minutes.toFixed(0)} minutes`,
    );
  }
  where.destroy();
  if (signal.aborted) console.log("stopped; the same command goes on from here");
  return ablation;
}

function settingsOf({ images, epochs, testImages }: Flags, dataset: Dataset): AblationSettings {
  const settings = { images, epochs, testImages: testImages ?? Math.min(TEST_IMAGES, dataset.test.count) };
  checkCounts(dataset, settings);
  return settings;
}

/** What is in the file of runs, or none yet. */
async function begin(out: string, dataset: Dataset, settings: AblationSettings): Promise<Ablation> {
  const { train, test } = dataset;
  const used = { ...dataset, train: take(train, settings.images), test: take(test, settings.testImages) };
  const nothing: Ablation = { format: FORMAT, data: await noteOf(used, Infinity), settings, runs: {} };
  const known = readAblation(out);
  if (known) checkSame(out, known, nothing);
  return known ?? nothing;
}

function checkCounts({ train, test }: Dataset, { images, testImages }: AblationSettings): void {
  if (images > train.count || testImages > test.count) {
    throw new UsageError(
      `the dataset has ${train.count} training and ${test.count} test images, fewer than --images=${images} and ` +
        `--test-images=${testImages} ask for: give --data, or ask for fewer`,
    );
  }
}

/** What the names of drawings begin with, beside the file of runs. */
function stemOf(out: string): string {
  return out.replace(/\.json$/, "");
}

/** Draws what the runs show; a drawing of earlier ones that these have no marks for goes. */
async function draw(out: string, ablation: Ablation): Promise<void> {
  for (const [name, svg] of Object.entries(plotsOf(ablation))) {
    const file = `${stemOf(out)}_${name}.svg`;
    if (svg === null) {
      await rm(file, { force: true });
      continue;
    }
    await writeWhole(file, svg);
    console.error(`drawn: ${file}`);
  }
}

/** Writes the page's tables. */
async function document(ablation: Ablation): Promise<void> {
  const page = inHouse("docs/paper.md");
  await writeWhole(page, withTables(readFileSync(page, "utf8"), ablation));
}

await runProgram(main, () => "deno run -P=ablate ablate.ts");
