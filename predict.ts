/**
 * The command line: `deno run -P predict.ts IMAGE... --model=FILE`. Arguments only; the work is done in `exchange/`.
 *
 * @module
 */

import { Option } from "commander";
import process from "node:process";
import { device } from "./backends/mod.ts";
import { DataError, type EvalCrops } from "./data/mod.ts";
import { type Decoder, loadDecoder } from "./data/prepare/decode/mod.ts";
import { readModel } from "./exchange/model.ts";
import { readPicture } from "./exchange/picture.ts";
import { type Guess, mostProbable, Predictor } from "./exchange/predict.ts";
import { makeCommand, runProgram } from "./train/program.ts";

const SHOWN = 5;
/** Images at a time; more would not be faster. */
const BATCH = 8;

interface Flags {
  readonly model: string;
  readonly crops: "1" | "10";
  readonly backend: "auto" | "cpu" | "webgpu";
  readonly gpu: "auto" | "dawn";
  readonly json: boolean;
}

async function main(args: readonly string[]): Promise<void> {
  const option = (flags: string, text: string) => new Option(flags, text);
  const command = makeCommand("predict", "Says what is in images: the five most probable classes.")
    .argument("<images...>", "JPEG or PNG files")
    .requiredOption("--model <path>", "a checkpoint, a folder with checkpoints, or a model's file")
    .addOption(
      option("--crops <n>", "parts of each image to average over: the middle, or corners and mirrored too")
        .choices(["1", "10"]).default("1"),
    )
    .addOption(
      option("--backend <name>", "where to compute").choices(["auto", "cpu", "webgpu"]).default("auto"),
    )
    .addOption(option("--gpu <name>", "which WebGPU").choices(["auto", "dawn"]).default("auto"))
    .option("--json", "one JSON object a line, an image each", false)
    .parse(args, { from: "user" });
  await predict(command.args, command.opts<Flags>());
}

async function predict(paths: readonly string[], flags: Flags): Promise<void> {
  const model = await readModel(flags.model);
  const decoder = await loadDecoder();
  const where = await device(flags.backend, { gpu: flags.gpu, log: () => {} });
  try {
    const crops = Number(flags.crops) as EvalCrops;
    const predictor = new Predictor(model, where, { crops, batch: Math.min(BATCH, paths.length) });
    for (let start = 0; start < paths.length; start += BATCH) {
      const pictures = await readAll(paths.slice(start, start + BATCH), predictor.shape, decoder);
      if (pictures.length === 0) continue;
      const found = await predictor.run(pictures.map(({ bytes }) => bytes));
      pictures.forEach(({ path }, i) => {
        show(path, mostProbable(found[i]!, SHOWN, model.classNames), flags.json);
      });
    }
    predictor.dispose();
  } finally {
    where.destroy();
    await decoder.close();
  }
}

/** The images that can be read; of the others, one line each, and the command will have failed. */
async function readAll(paths: readonly string[], shape: Predictor["shape"], decoder: Decoder) {
  const pictures = await Promise.all(paths.map(async (path) => {
    try {
      return { path, bytes: await readPicture(path, shape, decoder) };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      process.stderr.write(`error: ${error.message}\n`);
      process.exitCode = 1;
      return null;
    }
  }));
  return pictures.filter((picture) => picture !== null);
}

function show(image: string, guesses: readonly Guess[], json: boolean): void {
  const lines = json ? [JSON.stringify({ image, predictions: guesses })] : [
    image,
    ...guesses.map(({ class: index, name, probability }) =>
      `  ${(100 * probability).toFixed(2).padStart(6)}%  ${name ?? `class ${index}`}`
    ),
  ];
  process.stdout.write(lines.join("\n") + "\n");
}

await runProgram(main, () => "deno run -P predict.ts IMAGE... --model=FILE");
