/**
 * `deno task bench:document`: writes the tables of docs/performance.md from the files in bench/results/, one a machine,
 * so that no number gets there that was not measured.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO } from "../scripts/drivers.mjs";
import { duration } from "./clock.ts";
import { describe, type RaceRecord } from "./peers/record.ts";
import { onCpu, type Result, type Row, timesFaster } from "./results.ts";
import { digits, percent, times } from "./table.ts";

/** A file of results; its name stands for the machine. */
export interface Named {
  readonly name: string;
  readonly result: Result;
}

/** A file of a race. */
export interface NamedRace {
  readonly name: string;
  readonly race: RaceRecord;
}

const NOTHING = "No results yet.";

/** A table in Markdown. */
function markdown(head: readonly string[], lines: readonly (readonly string[])[], nothing = NOTHING): string {
  if (lines.length === 0) return nothing;
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
  return [head, head.map(() => "---"), ...lines].map(line).join("\n");
}

function machines(all: readonly Named[]): string {
  return markdown(
    ["machine", "adapter", "processor", "runtime", "tune", "GFLOP/s", "GB/s", "agreement suite", "measured"],
    all.map(({ name, result: { adapter, machine, settings, ceilings, date, agreement } }) => [
      name,
      adapter ?? "none",
      `${machine.cpu}, ${machine.cores} cores`,
      `${machine.runtime}, ${machine.system}`,
      settings.tune,
      ceilings ? digits(ceilings.gflops) : "",
      ceilings ? digits(ceilings.gbs) : "",
      agreement ? `${agreement.passed} passed, ${agreement.failed} failed` : "",
      date.slice(0, 10) + (machine.commit ? `, ${machine.commit}` : ""),
    ]),
  );
}

/** What the rows have in common whatever the machine: one line each, in the order in which they were measured. */
function linesOf(
  all: readonly Named[],
  wanted: (row: Row) => boolean,
  cell: (row: Row, of: Result) => string,
): string {
  const keyOf = ({ name, size }: Row) => `${name}, ${size}`;
  const rowsOf = ({ result: { rows } }: Named) =>
    rows.filter((row) => row.backend === "webgpu" && wanted(row));
  const keys = [...new Set(all.flatMap((each) => rowsOf(each).map(keyOf)))];
  return markdown(
    ["", ...all.map(({ name }) => name)],
    keys.map((key) => [
      key,
      ...all.map((each) => {
        const row = rowsOf(each).find((row) => keyOf(row) === key);
        return row ? cell(row, each.result) : absence(each.result, key);
      }),
    ]),
  );
}

/** Why a row has no numbers, in one word. */
function absence({ leftOut }: Result, key: string): string {
  const found = leftOut.find(({ name, size, backend }) => backend === "webgpu" && `${name}, ${size}` === key);
  return found?.kind ?? "";
}

function leftOut(all: readonly Named[]): string {
  return markdown(
    ["machine", "workload", "backend", "", "why"],
    all.flatMap(({ name: machine, result: { leftOut } }) =>
      leftOut.map(({ kind, name, size, backend, why }) => [machine, `${name}, ${size}`, backend, kind, why])
    ),
    "Nothing.",
  );
}

function faster(row: Row, { rows }: Result): string {
  const cpu = onCpu(row, rows);
  return cpu ? ` (${times(timesFaster(row, cpu))})` : "";
}

function steps(all: readonly Named[]): string {
  const cell = (row: Row, result: Result) =>
    `${digits(row.imagesPerSecond)} images/s, ${percent(row.ofCeiling)}${faster(row, result)}`;
  return linesOf(all, ({ family }) => family === "step", cell);
}

function kernels(all: readonly Named[]): string {
  const cell = (row: Row, result: Result) => {
    const rate = row.boundBy === "arithmetic" ? `${digits(row.gflops)} GFLOP/s` : `${digits(row.gbs)} GB/s`;
    return `${rate}, ${percent(row.ofCeiling)}${faster(row, result)}`;
  };
  return linesOf(all, ({ family }) => family !== "step", cell);
}

function clocks(all: readonly Named[]): string {
  const measured = all.flatMap(({ name, result: { clock } }) =>
    clock.slice(0, -2).map((line) => ({ name, line }))
  );
  const then = all.find(({ result: { clock } }) => clock.length > 0)?.result.clock.slice(-2) ?? [];
  return markdown(
    ["machine", "", "images/s", "90 epochs of 1.2 million images"],
    [...measured, ...then.map((line) => ({ name: "", line }))].map(({ name, line }) => [
      name,
      line.who,
      digits(line.imagesPerSecond),
      duration(line.seconds),
    ]),
  );
}

/** The page with new tables; without races it keeps what it says of them. @throws when it lacks a table's markers. */
export function withTables(page: string, all: readonly Named[], races: readonly NamedRace[]): string {
  const tables = {
    machines: machines(all),
    steps: steps(all),
    ...(races.length > 0 && { races: races.map(({ name, race }) => describe(name, race)).join("\n\n") }),
    clock: clocks(all),
    kernels: kernels(all),
    "left out": leftOut(all),
  };
  return Object.entries(tables).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no ${begin} ... ${end}`);
    return `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`;
  }, page);
}

const RACE = ".race.json";

/** The files of a folder with that ending, by what is before it. @throws for a format that this does not read. */
function read<T extends { readonly format: number }>(
  folder: string,
  format: T["format"],
  ending: (file: string) => string | null,
): { readonly name: string; readonly content: T }[] {
  return readdirSync(folder).sort().flatMap((file) => {
    const end = ending(file);
    if (end === null) return [];
    const content = JSON.parse(readFileSync(`${folder}/${file}`, "utf8")) as T;
    if (content.format !== format) throw new Error(`${file}: format ${content.format}, this reads ${format}`);
    return [{ name: file.slice(0, -end.length), content }];
  });
}

/** The results of the benchmark. @throws for those of a quick look, which are not to be shown. */
function readResults(folder: string): Named[] {
  const ending = (file: string) => file.endsWith(".json") && !file.endsWith(RACE) ? ".json" : null;
  return read<Result>(folder, 2, ending).map(({ name, content: result }) => {
    if (result.settings.quick) throw new Error(`${name}.json: was measured with --quick`);
    return { name, result };
  });
}

/** Those of `bench:peers`. @throws for a quick look. */
function readRaces(folder: string): NamedRace[] {
  const races = read<RaceRecord>(folder, 1, (file) => file.endsWith(RACE) ? RACE : null);
  return races.map(({ name, content: race }) => {
    if (race.quick) throw new Error(`${name}${RACE}: was raced with --quick`);
    return { name, race };
  });
}

if (import.meta.main) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  const [page, folder] = ["docs/performance.md", "bench/results"];
  writeFileSync(page, withTables(readFileSync(page, "utf8"), readResults(folder), readRaces(folder)));
  spawnSync(DENO[0]!, [...DENO.slice(1), "fmt", "-q", page], { stdio: "inherit" });
}
