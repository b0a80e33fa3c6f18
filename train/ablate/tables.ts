/**
 * What an ablation found, as tables beside the paper's figures, also where it found something else.
 *
 * @module
 */

import { type Ablation, runsOf } from "./results.ts";
import type { RunResult } from "./run.ts";
import { percents, spreadOf, verdict } from "./statistics.ts";
import {
  learning,
  overfitting,
  type Piece,
  pieces,
  USUAL_RATE,
  type VariantName,
  variants,
} from "./variants.ts";

/** A table in Markdown, its columns padded as `deno fmt` pads them. */
function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...lines].map((cells) => [...cells[i]!].length)));
  const padded = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - [...cell].length)).join(" | ")} |`;
  return [head, widths.map((width) => "-".repeat(width)), ...lines].map(padded).join("\n");
}

/** A number of each run of a way to train; of its seeds, in their order. */
function numbersOf(ablation: Ablation, name: VariantName, number: (run: RunResult) => number): number[] {
  return [...runsOf(ablation, name).values()].map(number);
}

const ERRORS = ["top1", "top5"] as const;

/** By how much errors are larger without a piece than with it, seed by seed. */
export function differences(ablation: Ablation, { without }: Piece, error: "top1" | "top5"): number[] {
  const full = runsOf(ablation, "full");
  if (without === null) {
    return [...full.values()].flatMap(({ test, tenCrops }) =>
      tenCrops ? [test[error] - tenCrops[error]] : []
    );
  }
  return [...runsOf(ablation, without)].flatMap(([seed, { test }]) => {
    const other = full.get(seed);
    return other ? [test[error] - other.test[error]] : [];
  });
}

/** What each piece is worth, in points. */
function piecesTable(ablation: Ablation): string {
  const rows = pieces.map((piece) => {
    const spreads = ERRORS.map((error) => spreadOf(differences(ablation, piece, error)));
    const [top1] = spreads;
    const here = spreads.map((spread) => spread.count === 0 ? "" : percents(spread));
    return [
      piece.title,
      piece.section,
      `${piece.paper.top1} and ${piece.paper.top5}`,
      ...here,
      top1!.count === 0 ? "not run" : verdict(top1!),
    ];
  });
  return markdown(["piece", "section", "paper", "here: top-1", "here: top-5", "top-1 claim"], rows);
}

/** Errors on images that were learnt from and on others, and what lies between. */
function overfittingTable(ablation: Ablation): string {
  const gap = ({ test, seen }: RunResult) => test.top1 - seen.top1;
  const full = runsOf(ablation, "full");
  const rows = overfitting.flatMap((name) => {
    const runs = [...runsOf(ablation, name)];
    if (runs.length === 0) return [];
    const of = (number: (run: RunResult) => number) => percents(spreadOf(runs.map(([, run]) => number(run))));
    const wider = runs.flatMap(([seed, run]) => full.has(seed) ? [gap(run) - gap(full.get(seed)!)] : []);
    const claim = name === "full" || wider.length === 0 ? "" : verdict(spreadOf(wider));
    return [[variants[name].title, of(({ seen }) => seen.top1), of(({ test }) => test.top1), of(gap), claim]];
  });
  return markdown(["", "training images", "test images", "between them", "a wider gap than with all"], rows);
}

/** The paper's line in figure 1, and one that clothes, which are easier, reach later. */
const TRAINING_ERRORS = [0.25, 0.1];

/** After how many epochs a run's training error fell to `error`, between epochs by a straight line; NaN: never. */
export function epochsTo({ epochs }: RunResult, error: number): number {
  // The mean over an epoch is where the error was in its middle.
  const at = (i: number) => i + 0.5;
  const i = epochs.findIndex(({ trainError }) => trainError <= error);
  if (i <= 0) return i < 0 ? NaN : at(0);
  const [before, here] = [epochs[i - 1]!.trainError, epochs[i]!.trainError];
  return at(i - 1) + (before - error) / (before - here);
}

/** How fast training errors fall. */
function learningTable(ablation: Ablation): string {
  const rows = learning.flatMap((name) => {
    const runs = [...runsOf(ablation, name).values()];
    if (runs.length === 0) return [];
    const { raw, network, lr = USUAL_RATE } = variants[name];
    return [[
      network?.activation ?? "relu",
      raw ? "bytes, 0 to 255" : "x / 255 - 0.5",
      `${lr}`,
      ...TRAINING_ERRORS.map((error) => reached(runs.map((run) => epochsTo(run, error)))),
      percents(spreadOf(runs.map((run) => run.epochs.at(-1)!.trainError))),
      percents(spreadOf(runs.map(({ test }) => test.top1))),
    ]];
  });
  const heads = TRAINING_ERRORS.map((error) => `epochs to ${100 * error}% training error`);
  return markdown(["", "what it sees", "rate", ...heads, "training error at the end", "test error"], rows);
}

/** Epochs, or how many of the seeds never got there. */
function reached(epochs: readonly number[]): string {
  const never = epochs.filter(Number.isNaN).length;
  if (never > 0) return never === epochs.length ? "never" : `${never} of ${epochs.length} never`;
  const { mean, deviation } = spreadOf(epochs);
  return Number.isNaN(deviation) ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${deviation.toFixed(1)}`;
}

/** Every way to train. */
function allTable(ablation: Ablation): string {
  const rows = (Object.keys(variants) as VariantName[]).flatMap((name) => {
    const runs = [...runsOf(ablation, name).values()];
    if (runs.length === 0) return [];
    const of = (number: (run: RunResult) => number) => percents(spreadOf(numbersOf(ablation, name, number)));
    return [[
      `\`${name}\``,
      variants[name].title,
      runs[0]!.parameters.toLocaleString("en-US"),
      `${runs.length}`,
      of(({ test }) => test.top1),
      of(({ test }) => test.top5),
    ]];
  });
  return markdown(["", "", "parameters", "seeds", "top-1 error", "top-5 error"], rows);
}

/** What was run, and where. */
function conditions({ data, settings, runs }: Ablation): string {
  const count = (value: number) => value.toLocaleString("en-US");
  const devices = [...new Set(Object.values(runs).map(({ device }) => device))];
  return `${Object.keys(runs).length} runs on ${data.name}: the first ${
    count(settings.images)
  } training images, ` +
    `${settings.epochs} epochs, measured on ${count(settings.testImages)} test images, on ${
      devices.join(" and on ")
    }. ` +
    "Errors in percent: mean ± standard deviation over the seeds.";
}

/** What stands between the page's markers, by their names. */
export function tablesOf(ablation: Ablation): Readonly<Record<string, string>> {
  return {
    conditions: conditions(ablation),
    pieces: piecesTable(ablation),
    overfitting: overfittingTable(ablation),
    learning: learningTable(ablation),
    runs: allTable(ablation),
  };
}

/** Whether a table has lines below its head. */
function hasLines(table: string): boolean {
  return table.split("\n").length !== 2;
}

/** The tables that have lines, for a terminal. */
export function textOf(ablation: Ablation): string {
  return Object.values(tablesOf(ablation)).filter(hasLines).join("\n\n");
}

/** The page has pictures above their tables: where these have lines. */
const PICTURES: Readonly<Record<string, string>> = {
  pieces: "![What each piece takes off the top-1 error](paper_pieces.svg)\n\n",
  learning: "![Training error by epoch](paper_learning.svg)\n\n",
};

/** The page with new tables. @throws {Error} when it lacks a table's markers. */
export function withTables(page: string, ablation: Ablation): string {
  return Object.entries(tablesOf(ablation)).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no ${begin} ... ${end}`);
    const picture = hasLines(table) ? PICTURES[name] ?? "" : "";
    return `${text.slice(0, from + begin.length)}\n\n${picture}${table}\n\n${text.slice(to)}`;
  }, page);
}
