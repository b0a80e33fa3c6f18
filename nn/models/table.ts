/**
 * Networks as data: a table of layers, from which the network is built and summed up.
 *
 * @module
 */

import type { Shape } from "../../tensor/mod.ts";
import type { Initialiser } from "../initialisers.ts";

/** A row of a model's table. */
export type Row =
  | ConvRow
  | LinearRow
  | { readonly layer: "relu" | "tanh" | "flatten" | "dropout"; readonly name: string }
  | { readonly layer: "localResponseNorm"; readonly name: string; readonly groups: number }
  | PoolRow;

/** A convolution. */
export interface ConvRow {
  /** Which layer this is. */
  readonly layer: "conv2d";
  /** The name of the layer, as in `conv1.weight`. */
  readonly name: string;
  /** Maps that come out. */
  readonly outputs: number;
  /** Extent of the square windows. */
  readonly window: number;
  /** Default 1. */
  readonly stride?: number;
  /** Default 0. */
  readonly padding?: number;
  /** Default 1. */
  readonly groups?: number;
  /** What the biases start from with `init: "paper"`. */
  readonly bias: number;
}

/** A fully connected layer. */
export interface LinearRow {
  /** Which layer this is. */
  readonly layer: "linear";
  /** The name of the layer, as in `fc6.weight`. */
  readonly name: string;
  /** Features that come out. */
  readonly outputs: number;
  /** What the biases start from with `init: "paper"`. */
  readonly bias: number;
}

/** A pooling layer. */
export interface PoolRow {
  /** Which layer this is. */
  readonly layer: "maxPool2d" | "avgPool2d";
  /** The name of the layer. */
  readonly name: string;
  /** Extent of the square windows. */
  readonly window: number;
  /** Step of the windows. */
  readonly stride: number;
}

/** A network of images to class scores. */
export interface ModelTable {
  /** The name on the command line. */
  readonly name: string;
  /** Where it was published. */
  readonly source: string;
  /** channels, height, width */
  readonly input: readonly [number, number, number];
  /** Scores that come out. */
  readonly classes: number;
  /** How weights start with `init: "paper"`. */
  readonly weight: Initialiser;
  /** The probability of dropout as published. */
  readonly dropout: number;
  /** The layers in order. */
  readonly rows: readonly Row[];
}

/** A row with what follows from the rows before it. */
export interface TracedRow {
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
