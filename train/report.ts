/**
 * Telling what happens: JSON lines for programs, a live progress line for people.
 *
 * @module
 */

import { comparisonLines } from "./comparison_table.ts";
import { clock, drawBar } from "./progress_bar.ts";
import type { DoneEvent, EvalEvent, Reporter, StartEvent, StepEvent } from "./events.ts";

/** Where text goes; `process.stdout` is one. */
export interface TextOutput {
  /** Appends text. */
  write(text: string): unknown;
  /** Whether it is a terminal, on which a line can be written over. */
  readonly isTTY?: boolean;
  /** The width of the terminal. */
  readonly columns?: number;
}

/** One JSON object a line. `quiet` leaves the steps out. */
export function jsonReporter(output: TextOutput, options: { readonly quiet: boolean }): Reporter {
  return (event) => {
    if (options.quiet && event.event === "step") return;
    output.write(JSON.stringify(event) + "\n");
  };
}

/** Lines for people. `quiet` leaves everything out but the last one. */
export function textReporter(output: TextOutput, options: { readonly quiet: boolean }): Reporter {
  const progress = new Progress(output);
  return (event) => {
    if (options.quiet && event.event !== "done") return;
    switch (event.event) {
      case "start":
        return progress.start(event);
      case "step":
        return progress.step(event);
      case "eval":
        return progress.evaluation(event);
      case "compare":
        return comparisonLines(event).forEach((line) => progress.line(line));
      case "done":
        return progress.line(doneLine(event));
      default:
        event satisfies never;
    }
  };
}

/** Milliseconds between two progress lines: on a terminal they overwrite each other, elsewhere they pile up. */
const INTERVAL = { live: 100, piled: 10_000 };

/** An epoch as far as it got. */
interface Epoch {
  readonly number: number;
  /** When it began. */
  readonly began: number;
  /** Steps that were told of, and their sums. */
  steps: number;
  loss: number;
  accuracy: number;
}

class Progress {
  readonly #output: TextOutput;
  readonly #interval: number;
  #start: StartEvent | null = null;
  #shown = -Infinity;
  #epoch: Epoch = { number: 0, began: 0, steps: 0, loss: 0, accuracy: 0 };
  #live = false;
  /** When the training went on, or the last step was told of. */
  #last = 0;
  /** Seconds that the last evaluation took. */
  #evaluating = 0;

  constructor(output: TextOutput) {
    this.#output = output;
    this.#interval = output.isTTY ? INTERVAL.live : INTERVAL.piled;
  }

  start(event: StartEvent): void {
    this.#start = event;
    this.#shown = this.#last = performance.now();
    for (const line of startLines(event)) this.line(line);
  }

  step(event: StepEvent): void {
    const { epoch: number } = event;
    if (number !== this.#epoch.number) {
      this.#epoch = { number, began: this.#last, steps: 0, loss: 0, accuracy: 0 };
    }
    const epoch = this.#epoch;
    epoch.steps++;
    epoch.loss += event.loss;
    epoch.accuracy += event.accuracy;
    const now = this.#last = performance.now();
    const start = this.#start;
    if (start === null) return;
    if (this.#output.isTTY) return this.#bar(start, event, now);
    if (now - this.#shown < this.#interval) return;
    this.#shown = now;
    this.line(progressText(start, event, epoch.accuracy / epoch.steps));
  }

  /** Draws the bar anew; that of an epoch that is over stays. */
  #bar(start: StartEvent, event: StepEvent, now: number): void {
    const before = (event.epoch - 1) * start.stepsPerEpoch;
    const steps = Math.min(start.stepsPerEpoch, start.steps - before);
    const made = event.step - before;
    const over = made === steps;
    if (!over && now - this.#shown < this.#interval) return;
    this.#shown = now;
    const epochs = Math.ceil(start.steps / start.stepsPerEpoch);
    const seconds = (left: number) => left * start.batch / event.imagesPerSecond;
    const { loss, accuracy, steps: told, began } = this.#epoch;
    const text = drawBar({
      epoch: event.epoch,
      epochs,
      made,
      steps,
      loss: loss / told,
      error: 1 - accuracy / told,
      imagesPerSecond: event.imagesPerSecond,
      left: {
        epoch: seconds(steps - made),
        run: seconds(start.steps - event.step) + this.#evaluating * (epochs - event.epoch + 1),
      },
      ...over ? { took: (now - began) / 1000 } : {},
    }, this.#output.columns || 80);
    this.#output.write(`\r\x1b[K${text}${over ? "\n" : ""}`);
    this.#live = !over;
  }

  evaluation(event: EvalEvent): void {
    const now = performance.now();
    this.#evaluating = (now - this.#last) / 1000;
    this.#last = now;
    this.line(evalLine(event));
  }

  line(text: string): void {
    this.#output.write(`${this.#live ? "\r\x1b[K" : ""}${text}\n`);
    this.#live = false;
  }
}

function startLines(start: StartEvent): string[] {
  const count = (value: number) => value.toLocaleString("en-US");
  return [
    `${start.model}: ${count(start.parameters)} parameters, on ${start.backend} (${start.device})`,
    `${start.dataset}: ${count(start.trainImages)} training images, ${count(start.testImages)} test images`,
    `${stepCount(start.steps)} of ${start.batch} images, ${start.stepsPerEpoch} an epoch; ` +
    `rate ${start.lr} (${start.schedule}), ` +
    `momentum ${start.momentum}, weight decay ${start.weightDecay}, dropout ${start.dropout}, ` +
    `init ${start.init}, augment ${start.augment}${networkText(start.network)}, seed ${start.seed}` +
    `${start.precision === "f16" ? ", f16" : ""}`,
  ];
}

/** What differs from the network as published. */
function networkText({ lrn, pool, activation, towers }: NonNullable<StartEvent["network"]> = {}): string {
  const parts = [
    lrn === false && "no LRN",
    pool && `${pool} pooling`,
    activation,
    towers && `towers ${towers}`,
  ];
  return parts.map((part) => part ? `, ${part}` : "").join("");
}

function progressText(
  start: StartEvent,
  { epoch, step, loss, imagesPerSecond }: StepEvent,
  accuracy: number,
): string {
  const epochs = Math.ceil(start.steps / start.stepsPerEpoch);
  const left = (start.steps - step) * start.batch / imagesPerSecond;
  const speed = imagesPerSecond < 10 ? imagesPerSecond.toFixed(1) : imagesPerSecond.toFixed(0);
  return `epoch ${epoch}/${epochs}  step ${step}/${start.steps}  loss ${loss.toFixed(3)}  ` +
    `accuracy ${accuracy.toFixed(3)}  ${speed} images/s  ${clock(left)} left`;
}

function evalLine({ epoch, step, accuracy, loss, top5Error, crops }: EvalEvent): string {
  const percent = (fraction: number) => `${(100 * fraction).toFixed(2)}%`;
  const errors = top5Error === undefined
    ? ""
    : `, top-1 error ${percent(1 - accuracy)}, top-5 ${percent(top5Error)}`;
  return `epoch ${epoch}, step ${step}: test accuracy ${accuracy.toFixed(4)}, test loss ${loss.toFixed(4)}` +
    `${errors}${crops === 10 ? " (ten crops)" : ""}`;
}

function doneLine({ interrupted, steps, accuracy, loss, seconds }: DoneEvent): string {
  const measured = accuracy === null || loss === null
    ? "nothing was measured"
    : `test accuracy ${accuracy.toFixed(4)}, test loss ${loss.toFixed(4)}`;
  return `${interrupted ? "stopped" : "done"} after ${stepCount(steps)} and ${clock(seconds)}: ${measured}`;
}

function stepCount(steps: number): string {
  return `${steps.toLocaleString("en-US")} ${steps === 1 ? "step" : "steps"}`;
}
