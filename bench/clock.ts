/**
 * The 2012 clock: how long the training of AlexNet, as published, would take at a measured rate, beside what it took
 * then, and beside the first chip that was sold as a GPU.
 *
 * @module
 */

import { trainingFlops } from "./shapes.ts";

const DAY = 86400;

/** "We trained the network for roughly 90 cycles through the training set of 1.2 million images." (section 5) */
export const TRAINING = { epochs: 90, images: 1.2e6 } as const;
/** "which took five to six days on two NVIDIA GTX 580 3GB GPUs" (section 5) */
export const PAPER = { who: "two GTX 580, 2012", days: [5, 6] } as const;
/** The first chip that was sold as a GPU: four pipelines at 120 MHz. */
export const GEFORCE = { who: "one GeForce 256, 1999", operations: 480e6 } as const;

/** One line of the clock. */
export interface ClockLine {
  readonly who: string;
  readonly imagesPerSecond: number;
  readonly seconds: number;
}

/** Seconds that the training takes at a rate, by arithmetic: no epoch of it was run. */
export function trainingSeconds(imagesPerSecond: number): number {
  return TRAINING.epochs * TRAINING.images / imagesPerSecond;
}

/** The rate of the paper: the training in the middle of five to six days. */
export function paperRate(): number {
  const [least, most] = PAPER.days;
  return trainingSeconds(1) / ((least + most) / 2 * DAY);
}

/** The clock, for devices whose rate was measured. */
export function clock(measured: readonly { who: string; imagesPerSecond: number }[]): ClockLine[] {
  const line = (who: string, imagesPerSecond: number) => ({
    who,
    imagesPerSecond,
    seconds: trainingSeconds(imagesPerSecond),
  });
  return [
    ...measured.map(({ who, imagesPerSecond }) => line(who, imagesPerSecond)),
    line(PAPER.who, paperRate()),
    line(GEFORCE.who, GEFORCE.operations / trainingFlops("alexnet")),
  ];
}

const UNITS: readonly (readonly [string, number])[] = [
  ["year", 365.25 * DAY],
  ["day", DAY],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** A duration in the largest unit of which there are two, with two digits at least: `5.5 days`, `31 hours`. */
export function duration(seconds: number): string {
  const [unit, length] = UNITS.find(([, length]) => seconds >= 2 * length) ?? UNITS.at(-1)!;
  const count = seconds / length;
  return `${count < 10 ? count.toFixed(1) : Math.round(count).toLocaleString("en")} ${unit}s`;
}
