/**
 * The confusion matrix as a chart: a row is what images are, a column what they were taken for, a cell the share of its row.
 *
 * @module
 */

import { type ChartOption, drawChart } from "./charts.ts";
import { light } from "./colours.ts";
import { shorten } from "./words.ts";

/** From this share on the cell is dark, and its number pale. */
const DARK = 0.5;
/** Room that letters need beside the rows, in pixels each. */
const LETTER = 6.4;

/**
 * Draws the matrix.
 *
 * @param counts [classes, classes]
 * @param names one a class
 * @param width in pixels
 */
export function drawConfusion(counts: Uint32Array, names: readonly string[], width: number): string {
  const classes = names.length;
  const limit = width < 480 ? 9 : 18;
  const short = names.map((name) => shorten(name, limit));
  const room = 12 + LETTER * Math.max(...short.map((name) => name.length));
  const side = width - room - 8;
  const cell = side / classes;
  // Names under columns that are narrower than they are stand on their side.
  const upright = cell < 8 + LETTER * Math.max(...short.map((name) => name.length));
  const bottom = upright ? room : 24;
  const height = Math.min(side, 460) + bottom + 8;
  const totals = short.map((_, row) =>
    counts.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b)
  );
  const data = Array.from(counts, (count, i) => [i % classes, Math.floor(i / classes), count]);
  const axis = {
    type: "category",
    axisTick: { show: false },
    axisLine: { show: false },
    silent: true,
  } as const;
  const label = { color: light.soft, fontSize: 11.5, interval: 0 } as const;
  const option: ChartOption = {
    grid: { left: room, right: 8, top: 8, bottom },
    xAxis: { ...axis, data: short, axisLabel: { ...label, rotate: upright ? 90 : 0 } },
    yAxis: { ...axis, data: short, inverse: true, axisLabel: label },
    series: [{
      type: "custom",
      silent: true,
      data,
      renderItem: (_, api) => {
        const [column, row, count] = [Number(api.value(0)), Number(api.value(1)), Number(api.value(2))];
        const [x, y] = api.coord([column, row]) as [number, number];
        const [w, h] = api.size!([1, 1]) as [number, number];
        const share = count / (totals[row] || 1);
        const fill = row === column ? light.train : light.test;
        // What is right and what is wrong differ in colour; a few mistakes are still to be seen.
        const opacity = count === 0 ? 0.035 : 0.1 + 0.9 * (row === column ? share : Math.min(1, 1.6 * share));
        const box = { x: x - w / 2 + 1, y: y - h / 2 + 1, width: w - 2, height: h - 2, r: 3 };
        return {
          type: "group",
          children: [
            { type: "rect", shape: box, style: { fill: count === 0 ? light.soft : fill, opacity } },
            ...count === 0 || w < 17 ? [] : [{
              type: "text" as const,
              style: {
                text: String(count),
                x,
                y,
                align: "center" as const,
                verticalAlign: "middle" as const,
                fontSize: Math.min(12, w / 2.6),
                fill: opacity > DARK ? light.over : light.ink,
              },
            }],
          ],
        };
      },
    }],
  };
  return drawChart(option, { width, height }, "Confusion matrix");
}
