/**
 * The drawings of the report: bars that are held to their ceilings, and the roofline. Colours are the page's variables,
 * so that they follow its light and dark.
 *
 * @module
 */

import type { Ceilings } from "./ceilings.ts";
import type { Row } from "./results.ts";
import {
  type Box,
  escape,
  type Label,
  linearScale,
  logScale,
  placeLabels,
  powersOfTen,
  roundValues,
  type Scale,
} from "../debug/svg.ts";
import { digits } from "./table.ts";
import type { Family } from "./workload.ts";

/** One bar. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What could be reached at best. */
  readonly ceiling: number | null;
  /** Beside the bar. */
  readonly text: string;
  /** A class: `webgpu`, `cpu` or `then`. */
  readonly kind: string;
}

const WIDTH = 900;
const LABELS = 250;
const TEXTS = 150;
const LINE = 24;
const AXIS = 22;

/** Bars from 0, or with `log` from below the smallest; a mark stands at each one's ceiling. */
export function barChart(title: string, unit: string, bars: readonly Bar[], log = false): string {
  const values = bars.flatMap(({ value, ceiling }) => ceiling === null ? [value] : [value, ceiling]);
  const high = Math.max(...values);
  const low = Math.min(...values) / 3;
  const range = [LABELS, WIDTH - TEXTS] as const;
  const x = log ? logScale([low, high], range) : linearScale([0, high], range);
  const height = bars.length * LINE + AXIS;
  const ticks = log ? powersOfTen(low, high) : roundValues(high);
  return svg(title, height, [
    ...ticks.map((tick) => verticalTick(x(tick), 0, bars.length * LINE, short(tick))),
    ...bars.map((bar, i) => drawBar(bar, i * LINE, x)),
    `<text class="soft" x="${LABELS - 10}" y="${height - 5}" text-anchor="end">${escape(unit)}</text>`,
  ]);
}

function drawBar({ label, value, ceiling, text, kind }: Bar, top: number, x: Scale): string {
  const middle = top + LINE / 2;
  const end = Math.max(x(value), LABELS + 1);
  const right = Math.max(end, ceiling === null ? 0 : x(ceiling));
  const mark = ceiling === null
    ? ""
    : `<path class="ceiling" d="M${place(x(ceiling))} ${top + 3}v${LINE - 6}"/>`;
  return `<g><title>${escape(`${label}: ${text}`)}</title>` +
    `<text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end">${escape(label)}</text>` +
    `<rect class="${kind}" x="${LABELS}" y="${top + 5}" width="${place(end - LABELS)}" height="${
      LINE - 10
    }" rx="2"/>` +
    `${mark}<text class="soft" x="${place(right + 8)}" y="${middle + 4}">${escape(text)}</text></g>`;
}

/** Which colour the points of a family have. */
export const FAMILY_COLOURS: Readonly<Partial<Record<Family, string>>> = {
  matmul: "c1",
  conv2d: "c2",
  linear: "c3",
  reduction: "c4",
  elementwise: "c4",
  sgd: "c4",
  step: "c5",
};

const ROOF = { height: 520, left: 64, right: 20, top: 16, bottom: 48 } as const;

/** Rate over intensity, both logarithmic: under the slope memory is the limit, under the flat roof arithmetic is. */
export function roofline(rows: readonly Row[], { gflops, gbs }: Ceilings): string {
  // Who comes first chooses the place of its name first: steps, then what has most arithmetic.
  const rank = ({ family, flops }: Row) => family === "step" ? 1e30 : flops;
  const points = rows.filter(({ flops }) => flops > 0).sort((a, b) => rank(b) - rank(a))
    .map((row) => ({ row, intensity: row.flops / row.bytes, rate: row.gflops! }));
  const ridge = gflops / gbs;
  const intensities = [...points.map(({ intensity }) => intensity), ridge];
  const rates = [...points.map(({ rate }) => rate), gflops];
  const [least, most] = [Math.min(...intensities) / 2.5, Math.max(...intensities) * 2.5];
  const [slowest, fastest] = [Math.min(...rates, gbs * least) / 1.5, Math.max(...rates) * 1.8];
  const frame = {
    left: ROOF.left,
    right: WIDTH - ROOF.right,
    top: ROOF.top,
    bottom: ROOF.height - ROOF.bottom,
  };
  const x = logScale([least, most], [frame.left, frame.right]);
  const y = logScale([slowest, fastest], [frame.bottom, frame.top]);
  const labels = placeLabels(
    points.map(({ row, intensity, rate }) => ({ x: x(intensity), y: y(rate), label: shortName(row) })),
    frame,
    alongSlope([x(least), y(gbs * least)], [x(ridge), y(gflops)]),
  );
  return svg("Roofline", ROOF.height, [
    ...powersOfTen(least, most).map((tick) => verticalTick(x(tick), frame.top, frame.bottom, short(tick))),
    ...powersOfTen(slowest, fastest).map((tick) =>
      `<path class="grid" d="M${frame.left} ${place(y(tick))}H${frame.right}"/>` +
      `<text class="soft" x="${frame.left - 8}" y="${place(y(tick) + 4)}" text-anchor="end">${
        short(tick)
      }</text>`
    ),
    drawRoof([x(least), y(gbs * least)], [x(ridge), y(gflops)], frame.right, { gflops, gbs }),
    ...points.map(({ row, intensity, rate }, i) => drawPoint(row, x(intensity), y(rate), labels[i]!)),
    `<text class="soft" x="${(frame.left + frame.right) / 2}" y="${ROOF.height - 6}" text-anchor="middle">` +
    "arithmetic intensity: FLOP for each byte that has to move</text>",
    `<text class="soft" x="${frame.left}" y="11" text-anchor="middle">GFLOP/s</text>`,
  ]);
}

type Place = readonly [number, number];

const SLOPE_STEPS = 60;

/** Small boxes along the slope, which labels keep off. */
function alongSlope([x, y]: Place, [ridgeX, ridgeY]: Place): Box[] {
  return Array.from({ length: SLOPE_STEPS + 1 }, (_, i) => {
    const share = i / SLOPE_STEPS;
    const [atX, atY] = [x + share * (ridgeX - x), y + share * (ridgeY - y)];
    return { left: atX - 2, right: atX + 2, top: atY - 2, bottom: atY + 2 };
  });
}

function drawRoof(
  [x, y]: Place,
  [ridgeX, ridgeY]: Place,
  right: number,
  { gflops, gbs }: Pick<Ceilings, "gflops" | "gbs">,
): string {
  const angle = Math.atan2(ridgeY - y, ridgeX - x) * 180 / Math.PI;
  const [middleX, middleY] = [(x + ridgeX) / 2, (y + ridgeY) / 2];
  return `<path class="roof" d="M${place(x)} ${place(y)}L${place(ridgeX)} ${place(ridgeY)}H${right}"/>` +
    `<text class="roofname" x="${right - 4}" y="${place(ridgeY - 7)}" text-anchor="end">${
      digits(gflops)
    } GFLOP/s</text>` +
    `<text class="roofname" text-anchor="middle" transform="translate(${place(middleX)} ${place(middleY)}) ` +
    `rotate(${place(angle)}) translate(0 -7)">${digits(gbs)} GB/s</text>`;
}

function drawPoint(row: Row, x: number, y: number, label: Label | null): string {
  const { family, name, size, gflops, flops, bytes } = row;
  const about = `${family}: ${name}, ${size}: ${digits(gflops)} GFLOP/s, ${
    digits(flops / bytes)
  } FLOP a byte`;
  const colour = FAMILY_COLOURS[family] ?? "c4";
  const text = label &&
    `<text class="name" x="${place(label.x)}" y="${place(label.y)}" text-anchor="${label.anchor}">` +
      `${escape(shortName(row))}</text>`;
  return `<g><title>${escape(about)}</title><circle class="${colour}" cx="${place(x)}" cy="${
    place(y)
  }" r="4.5"/>` +
    `${text ?? ""}</g>`;
}

/** A name that fits beside a point: `conv2 dw 128`. */
function shortName({ family, name, size }: Row): string {
  const words = name.replace("parameter gradients", "dw").replace(/(input )?gradient/, "dx").replace(
    / forward| \+ .*/,
    "",
  );
  const batch = size.replace(/^batch /, "");
  return family === "matmul" || family === "linear" || batch === "128" ? `${words} ${batch}` : words;
}

function svg(title: string, height: number, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">\n${
    parts.join("\n")
  }\n</svg>`;
}

function verticalTick(x: number, top: number, bottom: number, text: string): string {
  return `<path class="grid" d="M${place(x)} ${top}V${bottom}"/>` +
    `<text class="soft" x="${place(x)}" y="${bottom + 17}" text-anchor="middle">${text}</text>`;
}

const place = (value: number) => value.toFixed(1);

function short(value: number): string {
  const plain = value === 0 || (value >= 1e-3 && value < 1e6);
  return plain ? value.toLocaleString("en") : value.toExponential(0).replace("e+", "e");
}
