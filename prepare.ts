/**
 * The command line: `deno run -P=prepare prepare.ts`. Arguments only; the work is done in `data/prepare/`.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import process from "node:process";
import { type DecoderName, makePrepareLine, prepare } from "./data/prepare/mod.ts";
import { makeCommand, runProgram } from "./train/program.ts";

interface Flags {
  readonly from: string;
  readonly to: string;
  readonly strict: boolean;
  readonly decoder: DecoderName;
  readonly shard?: number;
  readonly quiet: boolean;
}

function count(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value >= 1)) {
    throw new InvalidArgumentError("It must be a whole number from 1.");
  }
  return value;
}

function folder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must be a folder.");
  return text;
}

async function main(args: readonly string[]): Promise<void> {
  const option = (flags: string, text: string) => new Option(flags, text);
  const { shard, ...flags } = makeCommand(
    "prepare",
    "Turns a set of images into shards of 256x256 RGB images. Killed at any moment, it goes on where it was.",
  )
    .addOption(
      option("--from <folder>", "ILSVRC2012's files, a folder per class, WebDataset, CIFAR or IDX files")
        .argParser(folder).makeOptionMandatory(),
    )
    .addOption(option("--to <folder>", "where the shards go").argParser(folder).makeOptionMandatory())
    .addOption(option("--strict", "end at the first broken image, not only list it").default(false))
    .addOption(
      option("--decoder <name>", "what reads JPEGs and PNGs").choices(["auto", "sharp", "wasm"]).default(
        "auto",
      ),
    )
    .addOption(option("--shard <files>", "files a shard, default 4096").argParser(count))
    .addOption(option("--quiet", "say nothing but the result").default(false))
    .parse(args, { from: "user" }).opts<Flags>();
  const began = performance.now();
  const line = makePrepareLine(process.stderr, flags);
  try {
    const { train, test, broken, files } = await prepare({ ...flags, filesPerShard: shard, ...line });
    line.clear();
    const list = broken.length > 0
      ? `, ${broken.length} broken files are listed in ${flags.to}/broken.txt`
      : "";
    process.stdout.write(`${flags.to}: ${train} images to train with, ${test} to test with${list}\n`);
    const seconds = (performance.now() - began) / 1000;
    line.log(
      `${files} files were decoded in this run, in ${seconds.toFixed(1)} s: ${
        (files / seconds).toFixed(0)
      } images/s`,
    );
  } finally {
    line.clear();
  }
}

await runProgram(main, () => "deno run -P=prepare prepare.ts");
