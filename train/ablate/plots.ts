/**
 * What an ablation found, as pictures: training errors epoch by epoch, and what each piece is worth beside the paper.
 *
 * @module
 */

import * as echarts from "echarts";
import { type Ablation, runsOf } from "./results.ts";
import { differences } from "./tables.ts";
import { spreadOf } from "./statistics.ts";
import { learning, pieces, type VariantName, variants } from "./variants.ts";

const COLOURS: Readonly<Partial<Record<VariantName, string>>> = {
  free: "#1f77b4",
  tanh: "#d62728",
  "raw-relu": "#7fb3e0",
  "raw-tanh": "#f2a2a2",
};
const GREY = "#555";

/** Draws a chart as SVG, without a page. */
function svg(width: number, height: number, option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#fff",
    textStyle: { fontFamily: "sans-serif" },
    ...option,
  });
  const text = chart.renderToSVGString();
  chart.dispose();
  return text + "\n";
}

/** What a chart says above its grid, which begins 72 pixels below its upper edge. */
function heading(text: string, legend: readonly string[]): Pick<echarts.EChartsOption, "title" | "legend"> {
  return {
    title: { text, left: 12, top: 8, textStyle: { fontSize: 15 } },
    legend: { data: [...legend], top: 36, left: 8, itemGap: 20 },
  };
}

const percent = (fraction: number) => Number((100 * fraction).toFixed(3));

/** The drawings by name; null for one that no run has a mark in. */
export function plotsOf(
  ablation: Ablation,
): { readonly learning: string | null; readonly pieces: string | null } {
  const learns = learning.some((name) => runsOf(ablation, name).size > 0);
  const differs = pieces.some((piece) => differences(ablation, piece, "top1").length > 0);
  return { learning: learns ? learningPlot(ablation) : null, pieces: differs ? piecesPlot(ablation) : null };
}

/** The training error of each epoch, of ReLU and of tanh: a thin line a seed, a thick one their mean; as the paper's figure 1. */
export function learningPlot(ablation: Ablation): string {
  const series = learning.flatMap((name) => {
    const all = [...runsOf(ablation, name).values()].map(({ epochs }) =>
      epochs.map(({ trainError }) => trainError)
    );
    if (all.length === 0) return [];
    const mean = all[0]!.map((_, i) => spreadOf(all.map((run) => run[i]!)).mean);
    const colour = COLOURS[name]!;
    const line = (errors: readonly number[], lineStyle: object, title?: string) => ({
      type: "line",
      ...title && { name: title },
      data: errors.map((error, i) => [i + 0.5, percent(error)]),
      symbol: "none",
      color: colour,
      lineStyle: { ...lineStyle, type: variants[name].network ? "dashed" : "solid" },
    });
    return [
      ...all.map((run) => line(run, { width: 1, opacity: 0.4 })),
      line(mean, { width: 3 }, titleOf(name)),
    ];
  });
  const threshold = {
    type: "line",
    data: [],
    markLine: {
      symbol: "none",
      silent: true,
      lineStyle: { color: GREY, type: "dotted" },
      label: { formatter: "25%", position: "insideStartTop", color: GREY },
      data: [{ yAxis: 25 }],
    },
  };
  const legend = learning.filter((name) => runsOf(ablation, name).size > 0).map(titleOf);
  return svg(760, 400, {
    ...heading("Training error, without dropout and augmentation", legend),
    grid: { left: 56, right: 24, top: 72, bottom: 48 },
    xAxis: {
      type: "value",
      name: "epochs",
      nameLocation: "middle",
      nameGap: 28,
      min: 0,
      max: ablation.settings.epochs,
    },
    yAxis: { type: "value", min: 0, axisLabel: { formatter: "{value}%" } },
    series: [...series, threshold],
  });
}

function titleOf(name: VariantName): string {
  const { raw, network } = variants[name];
  return `${network ? "tanh" : "ReLU"}${raw ? ", bytes as they are" : ""}`;
}

/** What the marks beside a piece stand for. */
const MARKS = { seed: "a seed", mean: "mean", paper: "the paper, on ImageNet" } as const;

/** By how many points each piece reduces the top-1 error: a dot a seed, a bar their mean, a diamond the paper. */
export function piecesPlot(ablation: Ablation): string {
  const rows = [...pieces].reverse();
  const found = rows.map((piece) => differences(ablation, piece, "top1").map(percent));
  return svg(760, 320, {
    ...heading("What each piece takes off the top-1 error, in points", Object.values(MARKS)),
    grid: { left: 230, right: 32, top: 72, bottom: 32 },
    xAxis: { type: "value" },
    yAxis: {
      type: "category",
      data: rows.map(({ title }) => title),
      axisLabel: { width: 210, overflow: "break" },
    },
    series: [
      {
        type: "bar",
        name: MARKS.mean,
        barWidth: 12,
        color: "#9ecae1",
        data: found.map((values) => values.length > 0 ? Number(spreadOf(values).mean.toFixed(3)) : "-"),
      },
      {
        type: "scatter",
        name: MARKS.seed,
        symbolSize: 7,
        color: "#1f77b4",
        data: found.flatMap((values, row) => values.map((value) => [value, row])),
      },
      {
        type: "scatter",
        name: MARKS.paper,
        symbol: "diamond",
        symbolSize: 13,
        color: "#d62728",
        data: rows.map(({ paper }, row) => [paper.top1, row]),
      },
    ],
  });
}
