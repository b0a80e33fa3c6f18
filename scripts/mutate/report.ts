// What was tried and what survived, as Markdown that a terminal shows as well.

import type { Result } from "./attempt.ts";
import { applyEdit } from "./edit.ts";
import type { Mutant } from "./places.ts";

const CONTEXT = 3;

/** The change of a mutant as a unified diff. */
export function unifiedDiff(mutant: Mutant, text: string): string {
  const before = text.split("\n");
  const after = applyEdit(text, mutant).split("\n");
  const first = mutant.line - 1;
  const removed = text.slice(mutant.start, mutant.end).split("\n").length;
  const added = removed + after.length - before.length;
  const from = Math.max(0, first - CONTEXT);
  const lines = [
    ...before.slice(from, first).map((line) => ` ${line}`),
    ...before.slice(first, first + removed).map((line) => `-${line}`),
    ...after.slice(first, first + added).map((line) => `+${line}`),
    ...before.slice(first + removed, first + removed + CONTEXT).map((line) => ` ${line}`),
  ];
  const length = (sign: string) => lines.filter((line) => line[0] === " " || line[0] === sign).length;
  const range = `@@ -${from + 1},${length("-")} +${from + 1},${length("+")} @@`;
  return [`--- ${mutant.file}`, `+++ ${mutant.file}`, range, ...lines].join("\n");
}

/** The share of valid mutants that were noticed, in percent. */
export function score(results: readonly Result[]): number {
  const valid = results.filter(({ status }) => status !== "invalid");
  return 100 * valid.filter(({ status }) => status !== "survived").length / Math.max(1, valid.length);
}

function row(name: string, results: readonly Result[]): string[] {
  const count = (status: Result["status"]) => results.filter((result) => result.status === status).length;
  const [killed, timedOut, survived] = [count("killed"), count("timed out"), count("survived")];
  const tried = killed + timedOut + survived;
  const percent = tried === 0 ? "-" : `${score(results).toFixed(1)}%`;
  return [name, ...[tried, killed, timedOut, survived, count("invalid")].map(String), percent];
}

/** A table of Markdown whose columns are aligned. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, k) => k === 0 ? cell.padEnd(widths[k]!) : cell.padStart(widths[k]!)).join(" | ")
    } |`;
  const rule = `| ${
    widths.map((width, k) => k === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")
  } |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join("\n");
}

function tableBy(field: "file" | "operator", results: readonly Result[]): string {
  const head = [field, "tried", "killed", "timed out", "survived", "invalid", "score"];
  const names = [...new Set(results.map((result) => result[field]))].sort();
  const rows = names.map((name) => row(name, results.filter((result) => result[field] === name)));
  return table([head, ...rows, row("all", results)]);
}

/** The whole report. */
export function report(results: readonly Result[], seed: number, minutes: number): string {
  const survivors = results.filter(({ status }) => status === "survived").sort((a, b) =>
    a.id < b.id ? -1 : 1
  );
  const [total] = [row("", results)];
  const sections = survivors.map(({ id, diff }) =>
    `### ${id}\n\n\`\`\`diff\n${diff}\n\`\`\`\n\nReplay: \`deno task mutate --only=${id}\``
  );
  return [
    "## Mutants",
    `Seed ${seed}: ${total![1]} mutants, of which ${total![4]} survived; score ${
      score(results).toFixed(1)
    }%, in ${minutes.toFixed(0)} minutes. ` +
    `${
      total![5]
    } more were no mutants: they did not load, or TypeScript or the compiler of shaders refused them.`,
    tableBy("file", results),
    tableBy("operator", results),
    survivors.length > 0 ? "## Survivors" : "No survivors.",
    ...sections,
  ].join("\n\n") + "\n";
}
