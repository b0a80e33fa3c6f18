// What is made of the runs of an ablation: differences of the same seed, verdicts, and the page's tables.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ablation } from "../train/ablate/results.ts";
import type { RunResult } from "../train/ablate/run.ts";
import { percents, spreadOf, verdict } from "../train/ablate/statistics.ts";
import { epochsTo, tablesOf, textOf, withTables } from "../train/ablate/tables.ts";

const run = (top1: number, seen = 0.1, trainErrors: readonly number[] = [0.5, 0.3, 0.2]): RunResult => ({
  device: "a device",
  parameters: 1234,
  epochs: trainErrors.map((trainError) => ({ trainError, trainLoss: 1 })),
  test: { top1, top5: top1 / 10 },
  tenCrops: { top1: top1 - 0.01, top5: top1 / 10 },
  seen: { top1: seen, top5: 0 },
  seconds: 60,
});

const ablation: Ablation = {
  format: 2,
  data: { name: "clothes", trainImages: 2000, testImages: 4000, sha256: "0123456789abcdef" },
  settings: { images: 2000, epochs: 3, testImages: 4000 },
  runs: {
    "full 0": run(0.2),
    "full 1": run(0.21),
    "full 2": run(0.22),
    // Always 0.01 to 0.012 more with the same seed, though the seeds themselves are as far apart.
    "no-lrn 0": run(0.21),
    "no-lrn 1": run(0.222),
    "no-lrn 2": run(0.23),
    "plain-pool 0": run(0.19),
    "plain-pool 1": run(0.23),
    "one-tower 0": run(0.19),
    "one-tower 1": run(0.199),
    "one-tower 2": run(0.21),
    "free 0": run(0.25, 0.01),
    "free 1": run(0.26, 0.012),
    "tanh 0": { ...run(0.3, 0.1, [0.6, 0.5, 0.4]), device: "another" },
  },
};

test("ablation: mean, spread and verdict", () => {
  const spread = spreadOf([0.01, 0.02, 0.03]);
  assert.deepEqual([spread.mean.toFixed(9), spread.deviation.toFixed(9)], ["0.020000000", "0.010000000"]);
  assert.equal(percents(spread), "2.00 ± 1.00");
  assert.equal(percents(spreadOf([0.05])), "5.00");
  // Student's t of 2 degrees of freedom is 4.303 at 97.5%: the bound is 4.303 * 0.01 / sqrt(3) = 0.0248.
  assert.equal(verdict(spread), "within the spread");
  assert.equal(verdict({ ...spread, mean: 0.0249 }), "borne out");
  assert.equal(verdict({ ...spread, mean: -0.0249 }), "the other way round");
  assert.equal(verdict(spreadOf([0.5])), "one seed says nothing");
});

test("ablation: tables beside the paper's figures", () => {
  const { pieces, overfitting, learning, conditions, runs } = tablesOf(ablation);
  const row = (table: string | undefined, first: string) =>
    table!.split("\n").find((line) => line.includes(first))!.split("|").map((cell) => cell.trim()).slice(
      1,
      -1,
    );
  assert.deepEqual(row(pieces, "local response").slice(2), [
    "1.4 and 1.2",
    "1.07 ± 0.12",
    "0.11 ± 0.01",
    "borne out",
  ]);
  assert.deepEqual(row(pieces, "overlaps").slice(2, 4), ["0.4 and 0.3", "0.50 ± 2.12"]);
  assert.equal(row(pieces, "overlaps").at(-1), "within the spread");
  assert.equal(row(pieces, "two towers").at(-1), "the other way round");
  assert.deepEqual(row(pieces, "ten crops").slice(3), ["1.00 ± 0.00", "0.00 ± 0.00", "borne out"]);
  assert.deepEqual(row(overfitting, "neither").slice(1), [
    "1.10 ± 0.14",
    "25.50 ± 0.71",
    "24.40 ± 0.57",
    "borne out",
  ]);
  assert.deepEqual(row(learning, "tanh").slice(3), ["never", "never", "40.00", "30.00"]);
  assert.deepEqual(row(learning, "relu").slice(3, 6), ["2.0 ± 0.0", "never", "20.00 ± 0.00"]);
  assert.match(
    conditions!,
    /^14 runs on clothes: the first 2,000 training images, 3 epochs, .* on a device and on another\./,
  );
  assert.deepEqual(row(runs, "`plain-pool`").slice(2), ["1,234", "2", "21.00 ± 2.83", "2.10 ± 0.28"]);
});

test("ablation: epochs to an error, between them by a straight line", () => {
  // Means over epochs are where the error was in their middles: 0.3 after 1.5 epochs, 0.2 after 2.5.
  assert.equal(epochsTo(run(0), 0.25).toFixed(9), "2.000000000");
  assert.equal(epochsTo(run(0, 0, [0.2, 0.1]), 0.25), 0.5);
  assert.equal(epochsTo(run(0, 0, [0.5, 0.4]), 0.25), NaN);
});

test("ablation: the page's tables are written between their markers, and again", () => {
  const names = Object.keys(tablesOf(ablation));
  const page = names.map((name) => `before ${name}\n\n<!-- ${name} -->\nold\n<!-- end of ${name} -->\n`).join(
    "\n",
  );
  const written = withTables(page, ablation);
  assert(!written.includes("old") && written.includes("before pieces"));
  assert.match(written, /<!-- pieces -->\n\n!\[[^\n]*\(paper_pieces\.svg\)\n\n\| piece /);
  assert.equal(withTables(written, ablation), written);
  // No run of the figure: no drawing of it, and no place for one.
  const { "full 0": full, "no-lrn 0": without } = ablation.runs;
  const few = withTables(page, { ...ablation, runs: { "full 0": full!, "no-lrn 0": without! } });
  assert(few.includes("(paper_pieces.svg)") && !few.includes("paper_learning.svg"), few);
  assert.throws(() => withTables("nothing", ablation), /^Error: the page has no <!-- conditions -->/);
});

test("ablation: a terminal gets the tables that have lines, without pictures", () => {
  const text = textOf({ ...ablation, runs: { "full 0": run(0.2) } });
  assert.match(text, /^1 runs on clothes: [^\n]*\n\n\| piece /);
  assert.match(text, /\| `full` +\| all of the paper's pieces \|/);
  assert(!text.includes(".svg") && !text.includes("what it sees"), text);
});
