// One mutant: planted, tested until something notices, taken out again.

import { readFileSync, writeFileSync } from "node:fs";
import { applyEdit } from "./edit.ts";
import type { Mutant } from "./places.ts";
import { unifiedDiff } from "./report.ts";
import type { Baseline } from "./baseline.ts";
import { type Command, nameOfCommand } from "./suites.ts";
import type { Ended, Workplace } from "./workers.ts";

/** What became of a mutant. */
export interface Result {
  readonly id: string;
  readonly key: string;
  readonly file: string;
  readonly operator: string;
  /** `invalid`: it does not load, TypeScript refuses it, it names what is not there, or its shader does not compile. */
  readonly status: "killed" | "timed out" | "survived" | "invalid";
  readonly seconds: number;
  /** The test that failed. */
  readonly by: string;
  readonly diff: string;
}

/** What says that a fault is none that anybody could commit: a compiler finds it. */
const INVALID =
  /Shader '[^']*' (parsing|validation) error|Shader validation error|ReferenceError: [\w$]+ is not defined/;

/** The first test that failed. */
function failedTest({ output }: Ended, command: Command): string {
  const named = /^(.*?) \.\.\. (?:.*)FAILED/m.exec(output)?.[1];
  const other = /\(uncaught error\)/.test(output) ? "uncaught error" : "a crash";
  return `${nameOfCommand({ test: command.test })}: ${named ?? other}`;
}

/** A run may take so long: a mutant's shaders are in no driver's cache. */
const limitOf = (seconds: number) => 4 * seconds + 40;

async function judge(
  place: Workplace,
  mutant: Mutant,
  commands: readonly Command[],
  baseline: Baseline,
): Promise<Pick<Result, "status" | "by">> {
  const entry = mutant.file.startsWith("backends/cpu") ? "backends/cpu/mod.ts" : "backends/webgpu/mod.ts";
  const loaded = await place.load(entry);
  if (!loaded.passed) return { status: "invalid", by: "loading" };
  const checked = await place.typeCheck([...new Set(["mod.ts", "backends/cpu/mod.ts", entry])]);
  if (!checked.passed) return { status: "invalid", by: "TypeScript" };
  for (const command of commands) {
    const ended = await place.test(command, limitOf(await baseline.seconds(command)));
    if (ended.timedOut) return { status: "timed out", by: nameOfCommand(command) };
    if (ended.passed) continue;
    return { status: INVALID.test(ended.output) ? "invalid" : "killed", by: failedTest(ended, command) };
  }
  return { status: "survived", by: "" };
}

/** Tries a mutant in a workplace. */
export async function attempt(
  place: Workplace,
  mutant: Mutant,
  commands: readonly Command[],
  baseline: Baseline,
): Promise<Result> {
  const path = `${place.root}/${mutant.file}`;
  const text = readFileSync(path, "utf8");
  const changed = applyEdit(text, mutant);
  const began = performance.now();
  writeFileSync(path, changed);
  try {
    const { status, by } = await judge(place, mutant, commands, baseline);
    const { id, key, file, operator } = mutant;
    const spent = (performance.now() - began) / 1000;
    return { id, key, file, operator, status, seconds: spent, by, diff: unifiedDiff(mutant, text) };
  } finally {
    writeFileSync(path, text);
  }
}
