/**
 * The command line: `deno run -P=write import.ts FILE --to=DIR`. Arguments only; the work is done in `exchange/`.
 *
 * @module
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { DataError } from "./data/dataset.ts";
import { failed, readPath } from "./data/files.ts";
import { writeWhole } from "./data/whole_files.ts";
import { readClassNames } from "./exchange/class_names.ts";
import { encodeModelFile, readModel } from "./exchange/model.ts";
import { summarise } from "./nn/tables.ts";
import { MODEL } from "./train/checkpoint.ts";
import { makeCommand, runProgram } from "./train/program.ts";

interface Flags {
  readonly to: string;
  readonly classes?: string;
}

async function main(args: readonly string[]): Promise<void> {
  const command = makeCommand("import", "Makes a model's file of the state dict of torchvision's alexnet.")
    .argument("<file>", "the state dict, in safetensors")
    .requiredOption("--to <folder>", `where ${MODEL} is put`)
    .option("--classes <file>", "the classes' names: one a line, or JSON")
    .parse(args, { from: "user" });
  const [path] = command.args;
  const { to, classes } = command.opts<Flags>();
  const model = await readModel(path!);
  const classNames = classes === undefined ? model.classNames : await namesIn(classes, model.table.classes);
  await mkdir(to, { recursive: true }).catch((error) => {
    throw failed(to, "made", error);
  });
  const file = join(to, MODEL);
  await writeWhole(file, encodeModelFile({ ...model, classNames }));
  const { parameters } = summarise(model.table);
  const what = `${parameters.toLocaleString("en-US")} parameters, ${model.table.classes} classes`;
  process.stdout.write(`${file}: ${model.name}, ${what}\n`);
}

async function namesIn(file: string, classes: number): Promise<string[]> {
  const names = readClassNames(new TextDecoder().decode(await readPath(file)), file);
  if (names.length === classes) return names;
  throw new DataError(`${file}: has ${names.length} names, the network has ${classes} classes`);
}

await runProgram(main, () => "deno run -P=write import.ts FILE --to=DIR");
