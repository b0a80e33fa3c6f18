/**
 * The curves of a run: what is drawn of its course.
 *
 * @module
 */

import { type Line, lineChart, type LineChartOptions } from "./charts.ts";
import type { ChartOption } from "./charts.ts";
import { light } from "./colours.ts";
import type { Course, Stretch } from "./course.ts";

/** A chart with its words. */
export interface Curve {
  /** Of its files. */
  readonly name: string;
  readonly title: string;
  /** A sentence under the title. */
  readonly about: string;
  readonly option: ChartOption;
}

/** The axis of shares that come near to all. */
const WHOLE = { max: 1, interval: 0.25 } as const;

type Point = readonly [number, number];

/** The curves of a run, once a step was made. */
export function curvesOf(course: Course): Curve[] {
  const { start, stretches, evaluations, steps } = course;
  if (start === null || stretches.length === 0) return [];
  const epochs = steps >= 2 * start.stepsPerEpoch;
  const unit = epochs ? start.stepsPerEpoch : 1;
  const horizontal = { name: epochs ? "epoch" : "step", max: steps / unit };
  const along = (value: (stretch: Stretch) => number): Point[] =>
    stretches.map((stretch) => [(stretch.first + stretch.last) / 2 / unit, value(stretch)]);
  const measured = (value: (evaluation: typeof evaluations[number]) => number | undefined): Point[] =>
    evaluations.flatMap((each) => {
      const y = value(each);
      return y === undefined ? [] : [[each.step / unit, y] as const];
    });
  const chart = (
    name: string,
    title: string,
    about: string,
    options: Omit<LineChartOptions, "horizontal">,
  ) => ({
    name,
    title,
    about,
    option: lineChart({ horizontal, ...options }),
  });
  const each = start.stepsPerEpoch === 1 ? "1 step" : `${start.stepsPerEpoch.toLocaleString("en-US")} steps`;
  const rates = rateLine(stretches, unit);
  return [
    chart("loss", "Loss", `Mean cross-entropy; an epoch is ${each}`, {
      lines: [training(along(({ loss }) => loss)), test(measured(({ loss }) => loss))],
      vertical: { format: (value) => String(value), max: top(stretches, evaluations) },
    }),
    chart("error", "Error", "Share of images taken for another class", {
      lines: [
        training(along(({ accuracy }) => 1 - accuracy)),
        test(measured(({ accuracy }) => 1 - accuracy)),
        ...topFive(measured(({ top5Error }) => top5Error)),
      ],
      vertical: { format: percent, ...stretches.some(({ accuracy }) => accuracy < 0.2) ? WHOLE : {} },
    }),
    chart("rate", "Learning rate", `Schedule: ${start.schedule}`, {
      lines: [{ name: "learning rate", colour: light.third, ...rates.line }],
      vertical: { log: rates.log, format: rate },
    }),
    chart("throughput", "Throughput", "Images a second, training only", {
      lines: [{
        name: "images/s",
        colour: light.third,
        points: along(({ imagesPerSecond }) => imagesPerSecond),
      }],
      vertical: { format: (value) => value.toLocaleString("en-US") },
    }),
  ];
}

const percent = (value: number) => `${Number((100 * value).toFixed(2))}%`;

/** A rate in few letters. */
function rate(value: number): string {
  const short = Number(value.toPrecision(2));
  return short > 0 && short < 0.001 ? short.toExponential() : String(short);
}

function training(points: readonly Point[]): Line {
  return { name: "training", colour: light.train, points: smooth(points), behind: points };
}

function test(points: readonly Point[]): Line {
  return { name: "test", colour: light.test, points, marked: true };
}

function topFive(points: readonly Point[]): Line[] {
  return points.length > 0 ? [{ name: "test, top five", colour: light.third, points, marked: true }] : [];
}

/** Each point is the mean of those around it, about a fortieth of all. */
function smooth(points: readonly Point[]): Point[] {
  const reach = Math.floor(points.length / 80);
  return points.map(([x], i) => {
    const around = points.slice(Math.max(0, i - reach), i + reach + 1);
    return [x, around.reduce((sum, [, y]) => sum + y, 0) / around.length];
  });
}

/** The highest loss that is drawn: a first step far above all others would press them down. */
function top(stretches: readonly Stretch[], evaluations: Course["evaluations"]): number | undefined {
  const losses = stretches.map(({ loss }) => loss).sort((a, b) => a - b);
  const usual = losses[Math.floor(0.98 * (losses.length - 1))]!;
  const most = Math.max(usual, ...evaluations.map(({ loss }) => loss));
  return losses.at(-1)! > 2 * most ? Number((1.25 * most).toPrecision(2)) : undefined;
}

/** A rate that takes few values is drawn as stairs, on a scale of ratios. */
function rateLine(
  stretches: readonly Stretch[],
  unit: number,
): { line: Pick<Line, "points" | "stepped">; log: boolean } {
  const points = stretches.map(({ first, lr }): Point => [(first - 1) / unit, lr]);
  points.push([stretches.at(-1)!.last / unit, stretches.at(-1)!.lr]);
  const values = new Set(points.map(([, lr]) => lr));
  const stepped = values.size <= 8;
  return { line: { points, stepped }, log: stepped && values.size > 1 };
}
