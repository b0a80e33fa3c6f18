/**
 * `deno task bench`: how fast the two backends are, beside what the adapter could do, and beside 2012. Arguments and
 * output only; the work is done in `run.ts`.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import process from "node:process";
import { UsageError } from "../train/mod.ts";
import { HELP, readFlags } from "./flags.ts";
import { reportPage } from "./report.ts";
import { failureOf, leftOutLine, type Result } from "./results.ts";
import { type Listener, run } from "./run.ts";
import { ceilingLine, clockLines, heading, machineLines, rowLine } from "./table.ts";

const BAD_USAGE = 2;
const FAILED = 1;

const print = (text: string) => void process.stdout.write(text + "\n");

/** Prints what is measured as soon as it is. */
const printing: Listener = {
  started: (result) => print(machineLines(result)),
  ceilings: (ceilings) => print(ceilingLine(ceilings)),
  measuring: () => print(`\n${heading()}`),
  measured: (webgpu, cpu) => print(rowLine(webgpu, cpu)),
};

const silent: Listener = { started() {}, ceilings() {}, measuring() {}, measured() {} };

function printEnd({ leftOut, clock, minutes }: Result): void {
  const spared = leftOut.filter(({ kind }) => kind === "spared");
  if (spared.length > 0) print(["\nleft out", ...spared.map(leftOutLine)].join("\n  "));
  if (clock.length > 0) print(`\n${clockLines(clock)}`);
  print(`\n${minutes.toFixed(1)} minutes`);
}

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2));
  if (flags === null) return print(HELP);
  const { options, json, report } = flags;
  const toStdout = json === "-";
  const result = await run(options, toStdout ? silent : printing);
  const text = JSON.stringify(result, null, 1) + "\n";
  if (toStdout) process.stdout.write(text);
  else printEnd(result);
  if (json !== undefined && !toStdout) await writeFile(json, text);
  if (report !== undefined) await writeFile(report, reportPage(result));
  const failure = failureOf(result);
  // The results are there by now, and say it too.
  if (failure !== null) throw new Error(failure);
}

const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, " ");

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${oneLine(error instanceof Error ? error.message : String(error))}\n`);
  process.exitCode = error instanceof UsageError ? BAD_USAGE : FAILED;
}
