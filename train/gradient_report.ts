/**
 * Telling how gradients compare: JSON lines for programs, a table for people.
 *
 * @module
 */

import { show } from "../tensor/shape.ts";
import { GRADIENT_TOLERANCE, type GradientEvent, worstOf } from "./gradient_check.ts";
import type { TextOutput } from "./report.ts";

/** A check of a network begins. */
export interface CheckStartEvent {
  /** Which event this is. */
  readonly event: "start";
  /** The name of the network. */
  readonly model: string;
  /** How many numbers are learnt. */
  readonly parameters: number;
  /** The name of the dataset. */
  readonly dataset: string;
  /** Images in the batch. */
  readonly batch: number;
  /** The loss. */
  readonly loss: number;
  /** The names of the parameters and their extents, in the order of the layers. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Everything random comes from it. */
  readonly seed: number;
}

/** A check of a network is over. */
export interface CheckDoneEvent {
  /** Which event this is. */
  readonly event: "done";
  /** Whether it was stopped before its end. */
  readonly interrupted: boolean;
  /** How many slopes a whole check compares, at most. */
  readonly planned: number;
  /** How many slopes were compared. */
  readonly gradients: number;
  /** How many of them agree. */
  readonly agree: number;
  /** How many lie at a kink. */
  readonly kinks: number;
  /** The largest error. */
  readonly worst: number;
  /** The largest error that agrees. */
  readonly tolerance: number;
  /** Of the whole check. */
  readonly seconds: number;
}

/** What happens in a check. */
export type CheckEvent = CheckStartEvent | GradientEvent | CheckDoneEvent;

/** Is told what happens in a check. */
export type CheckReporter = (event: CheckEvent) => void;

/** Sums a check up. */
export function summariseCheck(
  slopes: readonly GradientEvent[],
  { planned, seconds }: Pick<CheckDoneEvent, "planned" | "seconds">,
  interrupted = false,
): CheckDoneEvent {
  return {
    event: "done",
    interrupted,
    planned: interrupted ? planned : slopes.length,
    gradients: slopes.length,
    agree: slopes.filter(({ agrees }) => agrees).length,
    kinks: slopes.filter(({ kink }) => kink !== null).length,
    worst: slopes.length === 0 ? 0 : worstOf(slopes).error,
    tolerance: GRADIENT_TOLERANCE,
    seconds,
  };
}

/** One JSON object a line. `quiet` leaves the slopes out. */
export function jsonCheckReporter(output: TextOutput, options: { readonly quiet: boolean }): CheckReporter {
  return (event) => {
    if (options.quiet && event.event === "gradient") return;
    output.write(JSON.stringify(event) + "\n");
  };
}

/** A table with the worst element of each parameter and with its direction. `quiet` leaves all out but the last line. */
export function textCheckReporter(output: TextOutput, options: { readonly quiet: boolean }): CheckReporter {
  let widths: readonly number[] = [];
  let elements: GradientEvent[] = [];
  const line = (cells: readonly string[]) =>
    output.write(
      cells.map((cell, i) => i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
        .trimEnd() +
        "\n",
    );
  const row = (slope: GradientEvent, element: string) => {
    const numbers = [slope.analytic, slope.numeric].map((value) => value.toExponential(6));
    const verdict = slope.agrees ? slope.kink && "at a kink" : "WRONG";
    const isFirst = slope.element !== null;
    const name = isFirst ? [slope.parameter, show(slope.shape)] : ["", ""];
    line([...name, element, ...numbers, slope.error.toExponential(1), verdict ?? ""]);
  };
  const elementsRow = () => {
    if (elements.length === 0) return;
    const worst = worstOf(elements);
    row(worst, show(worst.element!));
    elements = [];
  };
  return (event) => {
    if (options.quiet && event.event !== "done") return;
    switch (event.event) {
      case "start": {
        const names = Object.keys(event.shapes);
        const shapes = Object.values(event.shapes).map(show);
        const widest = (texts: readonly string[]) => Math.max(...texts.map(({ length }) => length));
        widths = [widest(["parameter", ...names]), widest(["shape", ...shapes]), widest([ALONG, ...shapes])];
        widths = [...widths, 13, 13, 8, 0];
        output.write(
          `${event.model}: the loss of ${event.batch} images of ${event.dataset} is ${
            event.loss.toFixed(6)
          }, ` +
            `seed ${event.seed}\n`,
        );
        return line(["parameter", "shape", "worst element", "gradient", "difference", "error", ""]);
      }
      case "gradient":
        if (event.element !== null) {
          elements.push(event);
          return;
        }
        elementsRow();
        return row(event, ALONG);
      case "done":
        // Those of the parameter at which it was stopped.
        if (!options.quiet) elementsRow();
        output.write(doneLine(event));
        return;
      default:
        event satisfies never;
    }
  };
}

const ALONG = "moved as a whole";

function doneLine(
  { interrupted, planned, gradients, agree, kinks, worst, tolerance }: CheckDoneEvent,
): string {
  const stopped = interrupted ? `interrupted after ${gradients} of ${planned} gradients: of these ` : "";
  const all = agree === gradients
    ? `all ${gradients} gradients agree`
    : `${agree} of ${gradients} gradients agree`;
  return `${stopped}${all} within ${tolerance.toExponential()}, the worst error is ${
    worst.toExponential(1)
  }` +
    (kinks > 0 ? `; ${kinks} at a kink` : "") + "\n";
}
