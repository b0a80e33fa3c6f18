/**
 * Charts, drawn by ECharts on the server's side: SVG as text, without a page.
 *
 * @module
 */

import { CustomChart, type CustomSeriesOption, LineChart, type LineSeriesOption } from "echarts/charts";
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
} from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { light } from "./colours.ts";

echarts.use([CustomChart, LineChart, GridComponent, LegendComponent, SVGRenderer]);

/** What ECharts draws. */
export type ChartOption = echarts.ComposeOption<
  CustomSeriesOption | LineSeriesOption | GridComponentOption | LegendComponentOption
>;

/** The extent of a drawing, in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The fonts of all drawings. */
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Draws a chart. */
export function drawChart(option: ChartOption, { width, height }: Size, label: string): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...option });
    const svg = chart.renderToSVGString().replaceAll(/ ?pointer-events="visible"/g, "");
    return labelled(svg, label);
  } finally {
    // Its clock would keep the process from ending.
    chart.dispose();
  }
}

/** The drawing with what it shows, for those who do not see it, and as large as the room it gets. */
function labelled(svg: string, label: string): string {
  return svg.trim().replace(/^<svg /, `<svg role="img" aria-label="${label}" `);
}

/** A line of a chart. */
export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [number, number])[];
  /** Measured now and then: the points are marked. */
  readonly marked?: boolean;
  /** It holds its value until the next point. */
  readonly stepped?: boolean;
  /** A pale version of it lies behind, point for point. */
  readonly behind?: readonly (readonly [number, number])[];
}

/** What a chart of lines looks like. */
export interface LineChartOptions {
  readonly lines: readonly Line[];
  readonly horizontal: { readonly name: string; readonly max: number };
  readonly vertical: {
    readonly log?: boolean;
    readonly format: (value: number) => string;
    readonly max?: number | undefined;
    /** Between the levels; default: what fits. */
    readonly interval?: number | undefined;
  };
}

const text = { color: light.soft, fontSize: 12 } as const;

/** A chart of lines. */
export function lineChart({ lines, horizontal, vertical }: LineChartOptions): ChartOption {
  const silent = { silent: true, type: "line" } as const;
  return {
    grid: { left: 54, right: 18, top: lines.length > 1 ? 34 : 14, bottom: 40 },
    legend: lines.length > 1
      ? {
        left: 48,
        top: 0,
        itemWidth: 16,
        itemHeight: 8,
        itemGap: 16,
        textStyle: { ...text },
        selectedMode: false,
        data: lines.map(({ name, marked }) => ({ name, icon: marked ? "circle" : "roundRect" })),
      }
      : { show: false },
    xAxis: {
      type: "value",
      min: 0,
      max: horizontal.max,
      name: horizontal.name,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: text,
      axisLabel: { ...text, hideOverlap: true, showMaxLabel: true },
      axisLine: { lineStyle: { color: light.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      splitNumber: 5,
      silent: true,
    },
    yAxis: {
      ...vertical.log ? { type: "log" as const } : { type: "value" as const, min: 0 },
      ...vertical.max === undefined ? {} : { max: vertical.max },
      ...vertical.interval === undefined ? {} : { interval: vertical.interval },
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...text, formatter: vertical.format },
      splitLine: { lineStyle: { color: light.grid } },
      splitNumber: 4,
      silent: true,
    },
    series: lines.flatMap(({ name, colour, points, marked = false, stepped, behind }) => [
      ...behind
        ? [{
          ...silent,
          data: plain(behind),
          showSymbol: false,
          lineStyle: { color: colour, width: 1, opacity: 0.25 },
        }]
        : [],
      {
        ...silent,
        name,
        data: plain(points),
        color: colour,
        lineStyle: { color: colour, width: 2 },
        showSymbol: marked || points.length === 1,
        showAllSymbol: true,
        symbol: "circle",
        symbolSize: points.length > 60 ? 3 : 6,
        ...stepped ? { step: "end" as const } : {},
        z: marked ? 4 : 3,
      },
    ]),
  };
}

const plain = (points: readonly (readonly [number, number])[]) => points.map(([x, y]) => [x, y]);
