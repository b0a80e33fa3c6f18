/**
 * The shapes through a network, worked out from its table: what building it and summing it up both start from.
 *
 * @module
 */

import type { Shape } from "../../tensor/mod.ts";
import type { ModelTable, Row } from "./table.ts";

/** A row with what follows from the rows before it. */
export interface TracedRow {
  /** The row. */
  readonly row: Row;
  /** Without the batch. */
  readonly input: Shape;
  /** Without the batch. */
  readonly output: Shape;
}

/** The shapes through the network, without the batch. */
export function trace(table: ModelTable): TracedRow[] {
  let input: Shape = table.input;
  return table.rows.map((row) => {
    const traced = { row, input, output: outputShape(row, input) };
    input = traced.output;
    return traced;
  });
}

function outputShape(row: Row, input: Shape): Shape {
  const slide = (window: number, stride = 1, padding = 0) =>
    input.slice(1).map((size) => Math.floor((size + 2 * padding - window) / stride) + 1);
  switch (row.layer) {
    case "conv2d":
      return [row.outputs, ...slide(row.window, row.stride, row.padding)];
    case "maxPool2d":
    case "avgPool2d":
      return [input[0]!, ...slide(row.window, row.stride)];
    case "flatten":
      return [input.reduce((size, extent) => size * extent, 1)];
    case "linear":
      return [row.outputs];
    case "relu":
    case "tanh":
    case "dropout":
    case "localResponseNorm":
      return input;
    default:
      return row satisfies never;
  }
}
