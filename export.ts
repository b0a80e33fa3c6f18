/**
 * The command line: `deno run -P=write export.ts CHECKPOINT --to=FILE`. Arguments only; the work is done in `exchange/`.
 *
 * @module
 */

import process from "node:process";
import { writeWhole } from "./data/whole_files.ts";
import { exportModel } from "./exchange/export.ts";
import { readModel } from "./exchange/model.ts";
import { summarise } from "./nn/tables.ts";
import { makeCommand, runProgram } from "./train/program.ts";

interface Flags {
  readonly to: string;
  readonly pixels: boolean;
}

async function main(args: readonly string[]): Promise<void> {
  const command = makeCommand("export", "Writes a trained network so that other programs can read it.")
    .argument("<model>", "a checkpoint, a folder with checkpoints, or a model's file")
    .requiredOption("--to <file>", "NAME.onnx, or NAME.safetensors with torchvision's names for alexnet_owt")
    .option("--pixels", "ONNX: take pixels from 0 to 255, and scale them in the network", false)
    .parse(args, { from: "user" });
  const [path] = command.args;
  const { to, pixels } = command.opts<Flags>();
  const model = await readModel(path!);
  const { bytes, format, warning } = exportModel(model, to, { pixels });
  await writeWhole(to, bytes);
  const parameters = summarise(model.table).parameters.toLocaleString("en-US");
  const size = `${bytes.length.toLocaleString("en-US")} bytes`;
  process.stdout.write(
    `${to}: ${model.name} of ${model.path}, ${parameters} parameters, ${size} (${format})\n`,
  );
  if (warning !== undefined) process.stderr.write(`${to}: ${warning}\n`);
}

await runProgram(main, () => "deno run -P=write export.ts MODEL --to=FILE");
