/**
 * The arguments of `deno task bench`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { UsageError } from "../train/mod.ts";
import { chosen, type Options } from "./run.ts";

/** What `--help` prints. */
export const HELP = `deno task bench [options]
  --only=REGEX        only workloads whose "family name size" matches, as in --only='conv2d.*gradient'
  --batch=8           images of the convolutions, and of a step of AlexNet
  --quick             a rough look: short samples, and nothing that takes seconds
  --large             also what takes long on this adapter: batches of 128, products of 4096
  --cpu=on|off        whether to measure the CPU backend
  --gpu=auto|dawn|off which WebGPU
  --tune=off|cached|on  choose kernels by guesses, by what is kept, or by measuring
  --json[=FILE]       the results as JSON, to a file, or to stdout and nothing else there
  --report=FILE.html  the results as a page`;

/** What the command line asks for. */
export interface Flags {
  readonly options: Options;
  /** Where JSON goes: a file, or `-` for stdout. */
  readonly json: string | undefined;
  readonly report: string | undefined;
}

/** Reads the arguments; null when help was asked for. @throws {UsageError} in one line. */
export function readFlags(args: readonly string[]): Flags | null {
  const { values } = parse(args);
  if (values.help) return null;
  const { only, batch, quick, large, cpu, gpu, tune, json, report } = values;
  const options: Options = {
    batch: number("--batch", batch),
    only: only === undefined ? null : expression(only),
    quick,
    large,
    cpu: choice("--cpu", cpu, ["on", "off"]) === "on",
    gpu: choice("--gpu", gpu, ["auto", "dawn", "off"]),
    tune: choice("--tune", tune, ["off", "cached", "on"]),
  };
  if (options.gpu === "off" && !options.cpu) {
    throw new UsageError("--gpu=off and --cpu=off leave nothing to measure");
  }
  if (quick && large) throw new UsageError("--quick leaves out what --large asks for: use one of them");
  if (chosen(options).length === 0) throw new UsageError(`--only=${only} matches no workload`);
  for (const [flag, file] of Object.entries({ json, report })) {
    if (file?.trim() === "") throw new UsageError(`--${flag} expects a file`);
  }
  return { options, json, report };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      // Of a flag whose value may be left out the parser knows nothing.
      args: args.map((arg) => arg === "--json" ? "--json=-" : arg),
      options: {
        only: { type: "string" },
        batch: { type: "string", default: "8" },
        quick: { type: "boolean", default: false },
        large: { type: "boolean", default: false },
        cpu: { type: "string", default: "on" },
        gpu: { type: "string", default: "auto" },
        tune: { type: "string", default: "off" },
        json: { type: "string" },
        report: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function number(flag: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 4096) return value;
  throw new UsageError(`${flag} expects a whole number from 1 to 4096, got '${text}'`);
}

function choice<T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text);
  if (found === undefined) throw new UsageError(`${flag} expects ${choices.join(" or ")}, got '${text}'`);
  return found;
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text, "i");
  } catch (error) {
    throw new UsageError(`--only expects a regular expression: ${(error as Error).message}`);
  }
}
