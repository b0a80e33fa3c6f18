/**
 * `--report`: the results as one page that needs nothing else: no script, no font, no file beside it.
 *
 * @module
 */

import { barChart, FAMILY_COLOURS, roofline } from "./charts.ts";
import { duration, PAPER } from "./clock.ts";
import {
  bound,
  fastestStep,
  type LeftOut,
  leftOutLine,
  type Result,
  type Row,
  timesFaster,
} from "./results.ts";
import { escape } from "../debug/svg.ts";
import { digits, pairs, percent, spread, times } from "./table.ts";
import type { Family } from "./workload.ts";

/** The families that share a drawing, and what is drawn: GFLOP/s, or GB/s where memory is all that counts. */
const CHARTS: readonly { families: readonly Family[]; by: "gflops" | "gbs"; title: string }[] = [
  { families: ["matmul"], by: "gflops", title: "Products of matrices" },
  { families: ["conv2d"], by: "gflops", title: "AlexNet's convolutions" },
  { families: ["linear"], by: "gflops", title: "AlexNet's fully connected layers" },
  {
    families: ["localResponseNorm", "maxPool2d", "loss", "dropout", "reduction", "elementwise", "sgd"],
    by: "gbs",
    title: "Bound by memory: normalisation, pooling, loss, dropout, sums, element-wise, update",
  },
];

/** The page. */
export function reportPage(result: Result): string {
  const { machine, adapter, date, ceilings, rows, clock } = result;
  const measured = rows.filter(({ backend }) => backend === (adapter === null ? "cpu" : "webgpu"));
  const title = `Fermi on ${adapter ?? machine.cpu}`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${escape(title)}</h1>
<p class="soft">${escape(about(result))}</p>
${tiles(result)}
${clock.length > 0 ? section("The 2012 clock", CLOCK_WORDS, clockChart(result)) : ""}
${
    ceilings && measured.some(({ flops }) => flops > 0)
      ? section("Roofline", ROOF_WORDS, legend() + roofline(measured, ceilings))
      : ""
  }
${stepCharts(rows)}
${CHARTS.map((chart) => familyChart(chart, measured, result)).join("\n")}
${section("All numbers", NUMBERS_WORDS, table(result))}
${leftOut(result)}
<p class="soft">Measured ${escape(date.slice(0, 10))}${
    machine.commit ? `, commit ${escape(machine.commit)}` : ""
  }.</p>
</main>
</html>
`;
}

function about({ machine, settings, minutes }: Result): string {
  const { cpu, cores, memoryGiB, runtime, system } = machine;
  return `${runtime} on ${system}; ${cpu}, ${cores} cores, ${memoryGiB} GiB. Kernels by --tune=${settings.tune}. ` +
    `${minutes.toFixed(1)} minutes.`;
}

function section(title: string, words: string, content: string): string {
  return `<section><h2>${escape(title)}</h2>\n<p class="soft">${words}</p>\n${content}\n</section>`;
}

const CLOCK_WORDS =
  "How long AlexNet's 90 epochs of 1.2 million images would take at the rate of one training step, by arithmetic " +
  "(loading and decoding images not counted), beside the paper's five to six days and what the first chip sold as a " +
  "GPU would have needed for as many operations. Shorter is better; the axis is logarithmic.";
const ROOF_WORDS =
  "The line is the adapter's own limit, measured in the same run: multiply-adds in registers, and a copy. Intensity " +
  "counts each operand and result once, of a step its images, weights and velocities; what a cache still holds from " +
  "the run before may lift a point over the slope.";
const NUMBERS_WORDS =
  "The median of the samples, and half of their spread. Operations are multiplications and additions; traffic is each " +
  "operand and result once; “of ceiling” is the least time that both ceilings allow over the time it took.";

/** The few numbers that are looked for first. */
function tiles({ ceilings, rows, clock }: Result): string {
  const step = fastestStep(rows, "webgpu") ?? fastestStep(rows, "cpu");
  const facts: (readonly [string, string])[] = [
    ...(ceilings
      ? [["GFLOP/s at most", digits(ceilings.gflops)], ["GB/s at most", digits(ceilings.gbs)]] as const
      : []),
    ...(step ? [["images/s, training AlexNet", digits(step.imagesPerSecond)]] as const : []),
    ...(clock[0] ? [["for the 90 epochs of 2012", duration(clock[0].seconds)]] as const : []),
  ];
  const tile = ([words, value]: readonly [string, string]) =>
    `<div><b>${escape(value)}</b><span>${escape(words)}</span></div>`;
  return facts.length > 0 ? `<div class="tiles">${facts.map(tile).join("")}</div>` : "";
}

function clockChart({ clock, adapter }: Result): string {
  const bars = clock.map(({ who, seconds, imagesPerSecond }, i) => ({
    label: who.length > 42 ? `${who.slice(0, 41)}…` : who,
    value: seconds / 86400,
    ceiling: null,
    text: `${duration(seconds)}, ${digits(imagesPerSecond)}/s`,
    kind: i >= clock.length - 2 ? "then" : i === 0 && adapter !== null ? "webgpu" : "cpu",
  }));
  const [least, most] = PAPER.days;
  return barChart(`The 2012 clock, with the paper's ${least} to ${most} days`, "days", bars, true);
}

function legend(): string {
  const names: readonly (readonly [string, string])[] = [
    ["matmul", "matrices"],
    ["conv2d", "convolutions"],
    ["linear", "fully connected"],
    ["reduction", "sums, element-wise, update"],
    ["step", "whole steps"],
  ];
  const item = ([family, words]: readonly [string, string]) =>
    `<span><i class="${FAMILY_COLOURS[family as Family]}"></i>${escape(words)}</span>`;
  return `<p class="legend">${names.map(item).join("")}</p>`;
}

function stepCharts(rows: readonly Row[]): string {
  const steps = rows.filter(({ family }) => family === "step");
  if (steps.length === 0) return "";
  const bars = steps.map((row) => ({
    label: `${row.name}, ${row.size}${row.backend === "cpu" ? " (CPU)" : ""}`,
    value: row.imagesPerSecond!,
    ceiling: null,
    text: `${digits(row.imagesPerSecond)}/s`,
    kind: row.backend,
  }));
  const words =
    "Images a second through whole steps: forward, loss, gradients, update. The axis is logarithmic.";
  return section("Training", words, barChart("Images a second", "images/s", bars, true));
}

function familyChart(
  { families, by, title }: (typeof CHARTS)[number],
  rows: readonly Row[],
  result: Result,
): string {
  const { ceilings } = result;
  const mine = rows.filter(({ family }) => families.includes(family));
  if (mine.length === 0) return "";
  const bars = mine.map((row) => {
    const value = by === "gflops" ? row.gflops! : row.gbs;
    const share = row.ofCeiling;
    return {
      label: `${row.name}, ${row.size}`,
      value,
      // What this workload could reach: its work in the least time.
      ceiling: ceilings && value * row.ms / bound(row, ceilings).ms,
      text: `${digits(value)}${share === null ? "" : `, ${percent(share)}`}`,
      kind: row.backend,
    };
  });
  const unit = by === "gflops" ? "GFLOP/s" : "GB/s";
  const words = ceilings ? `${unit}; the mark is what the ceilings allow for that workload.` : `${unit}.`;
  return section(title, words, barChart(title, unit, bars));
}

function table({ rows }: Result): string {
  const head = [
    "family",
    "workload",
    "size",
    "ms",
    "±",
    "GFLOP/s",
    "GB/s",
    "images/s",
    "of ceiling",
    "CPU, ms",
    "at",
    "faster",
  ];
  const lines = pairs(rows).map(({ row, cpu }) => [
    row.family,
    row.name,
    row.size,
    digits(row.ms),
    percent(spread(row)),
    digits(row.gflops),
    row.family === "step" ? "" : digits(row.gbs),
    digits(row.imagesPerSecond),
    percent(row.ofCeiling),
    cpu ? digits(cpu.ms) : "",
    cpu ? cpu.size : "",
    cpu && cpu !== row ? times(timesFaster(row, cpu)) : "",
  ]);
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join("")}</tr>`;
  return `<table><thead>${line(head, "th")}</thead>\n<tbody>${
    lines.map((cells) => line(cells, "td")).join("\n")
  }</tbody></table>`;
}

function leftOut({ leftOut }: Result): string {
  const item = (each: LeftOut) => `<li>${escape(leftOutLine(each))}</li>`;
  const list = (title: string, items: readonly LeftOut[]) =>
    items.length === 0
      ? ""
      : `<section><h2>${title}</h2>\n<ul class="soft">${items.map(item).join("\n")}</ul></section>`;
  const of = (wanted: LeftOut["kind"]) => leftOut.filter(({ kind }) => kind === wanted);
  return list("Failed", of("failed")) + list("Left out", of("spared"));
}

const STYLE = `
:root { color-scheme: light dark; --page: #fbfbf9; --card: #fff; --ink: #1d1f24; --soft: #686c76; --line: #e4e5e9;
  --webgpu: #2f6fd6; --cpu: #b4b8c2; --then: #c98a1b; --roof: #c8434f;
  --c1: #2f6fd6; --c2: #12877a; --c3: #b4592b; --c4: #8a8f9c; --c5: #8345c4; }
@media (prefers-color-scheme: dark) { :root { --page: #15171b; --card: #1c1f25; --ink: #e8e9ec; --soft: #9a9faa;
  --line: #30343c; --webgpu: #6ba2f5; --cpu: #5b606c; --then: #e0a93f; --roof: #f0737d;
  --c1: #6ba2f5; --c2: #45c2b1; --c3: #ee9a68; --c4: #9a9faa; --c5: #bd8cf2; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 0 0 2px; }
p { margin: 0 0 14px; max-width: 82ch; }
.soft { color: var(--soft); font-size: 13.5px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px; margin: 18px 0;
  overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 20px 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.tiles b { display: block; font-size: 25px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: 13px; }
svg { display: block; width: 100%; min-width: 640px; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 12px; }
svg text.soft, svg text.name { fill: var(--soft); font-size: 11.5px; }
svg text.name { font-size: 10.5px; }
.grid { stroke: var(--line); fill: none; }
.webgpu { fill: var(--webgpu); } .cpu { fill: var(--cpu); } .then { fill: var(--then); }
.ceiling { stroke: var(--roof); stroke-width: 2; fill: none; }
.roof { stroke: var(--roof); stroke-width: 2; fill: none; }
svg text.roofname { fill: var(--roof); }
${[1, 2, 3, 4, 5].map((i) => `.c${i} { fill: var(--c${i}); background: var(--c${i}); }`).join(" ")}
circle { stroke: var(--card); stroke-width: 1; }
.legend span { margin-right: 18px; font-size: 13px; white-space: nowrap; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 6px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
ul { padding-left: 18px; margin: 6px 0 0; }
`;
