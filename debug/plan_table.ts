/**
 * The plan of a training step for people: a line a dispatch, and what it comes to.
 *
 * @module
 */

import type { PlanDescription } from "../backends/planner.ts";

/** The plan of a training step, and the memory that the step takes in all. */
export interface StepPlan extends PlanDescription {
  /** Which event this is. */
  readonly event: "plan";
  /** The name of the network. */
  readonly model: string;
  /** Images a step. */
  readonly batch: number;
  /** How many numbers are learnt. */
  readonly parameters: number;
  /** The adapter that it is for. */
  readonly device: string;
  /** Bytes by what they hold; uniforms and staging buffers, some ten kilobytes, are not counted. */
  readonly memory: {
    readonly parameters: number;
    readonly momentum: number;
    /** Images, labels and the key. */
    readonly batch: number;
    readonly workspace: number;
    readonly total: number;
  };
}

/** Bytes for people: `148.7 MB`. */
export function megabytes(bytes: number): string {
  return `${count(bytes / 1e6)} MB`;
}

/** One digit behind the point. */
function count(value: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

const HEADS = ["", "layer", "kernel", "GFLOP", "MB read", "MB written", "workgroups", "MB live"];
/** How many columns are words. */
const WORDS = 3;
/** Of the values that live at the peak, those that are named. */
const NAMED = 12;

/** The lines of a plan; `brief` leaves the dispatches out. */
export function planLines(plan: StepPlan, brief: boolean): string[] {
  const { model, parameters, batch, device } = plan;
  return [
    `${model}: ${parameters.toLocaleString("en-US")} parameters, a training step of ${batch} images, ` +
    `planned for ${device}`,
    "",
    ...(brief ? [] : [...dispatchLines(plan), ""]),
    ...totalLines(plan),
  ];
}

function dispatchLines({ dispatches, peak }: StepPlan): string[] {
  const rows = dispatches.map((dispatch, i) => [
    `${i}`,
    dispatch.layer,
    dispatch.part ? `${dispatch.ops.split("+")[0]}: ${dispatch.part}` : dispatch.ops,
    dispatch.flops < 5e5 ? "" : (dispatch.flops / 1e9).toFixed(3),
    count(dispatch.bytesRead / 1e6),
    count(dispatch.bytesWritten / 1e6),
    dispatch.workgroups.toLocaleString("en-US"),
    count(dispatch.bytesLive / 1e6),
    i === peak.dispatch ? "peak" : "",
  ]);
  const widths = HEADS.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length))
  );
  const isWords = (column: number) => column > 0 && column < WORDS;
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => {
      const width = widths[column] ?? 0;
      return isWords(column) ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd();
  return [
    line(HEADS),
    line(widths.map((width) => "-".repeat(width))),
    ...rows.map(line),
    "",
    "A prime marks gradients. GFLOP: products, and one operation an element of element-wise ops. MB: each array once.",
  ];
}

function totalLines(
  { dispatches, pipelines, flops, bytesMoved, peak, values, slots, memory }: StepPlan,
): string[] {
  const { dispatch: at, bytes } = peak;
  const living = values.filter(({ first, last }) => first <= at && at <= last);
  const named = living.slice(0, NAMED);
  const rest = living.slice(NAMED).reduce((sum, value) => sum + value.bytes, 0);
  const entry = (value: number, name: string) => `  ${megabytes(value).padStart(10)}  ${name}`;
  const where = dispatches[at]
    ? `dispatch ${at} (${[dispatches[at].layer, dispatches[at].ops].join(" ").trim()})`
    : "nothing";
  return [
    `${dispatches.length} dispatches of ${pipelines} pipelines; ${
      (flops / 1e9).toLocaleString("en-US", { maximumSignificantDigits: 4 })
    } GFLOP, ${megabytes(bytesMoved)} moved`,
    "",
    `${megabytes(bytes)} live at the peak, in ${where}:`,
    ...named.map(({ bytes, name, first, last }) => entry(bytes, `${name}, ${first} to ${last}`)),
    ...(rest > 0 ? [entry(rest, `${living.length - NAMED} smaller`)] : []),
    "",
    `${megabytes(memory.total)} of device memory:`,
    entry(memory.parameters, "parameters"),
    entry(memory.momentum, "momentum"),
    entry(memory.batch, "the batch"),
    entry(memory.workspace, `workspace, ${slots.length} buffers`),
  ];
}
