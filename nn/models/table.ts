/**
 * Networks as data: a table of layers, from which the network is built and summed up.
 *
 * @module
 */

import type { Initialiser } from "../initialisers.ts";

/**
 * A row of a model's table: a layer and its name.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise } from "@fermi/fermi/tables";
 *
 * const rows: nn.Row[] = [
 *   { layer: "flatten", name: "flatten" },
 *   { layer: "linear", name: "fc1", outputs: 32, bias: 0 },
 *   { layer: "tanh", name: "tanh1" },
 * ];
 * const { layers } = summarise({ ...nn.models.lenet5, rows });
 * assert.deepEqual(layers.map(({ output }) => output), [[784], [32], [32]]);
 * ```
 */
export type Row =
  | ConvRow
  | LinearRow
  | { readonly layer: "relu" | "tanh" | "flatten" | "dropout"; readonly name: string }
  | { readonly layer: "localResponseNorm"; readonly name: string; readonly groups: number }
  | PoolRow;

/**
 * A convolution.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise } from "@fermi/fermi/tables";
 *
 * const row: nn.ConvRow = { layer: "conv2d", name: "conv1", outputs: 8, window: 3, stride: 2, bias: 0 };
 * const summary = summarise({ ...nn.models.lenet5, rows: [row] }); // of images 1 x 28 x 28
 * assert.deepEqual(summary.layers[0]!.output, [8, 13, 13]);
 * assert.equal(summary.parameters, 8 * (1 * 3 * 3 + 1));
 * ```
 */
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

/**
 * A fully connected layer. It sees the features before it as they are: put a `flatten` between images and it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise } from "@fermi/fermi/tables";
 *
 * const scores: nn.LinearRow = { layer: "linear", name: "fc8", outputs: 20, bias: 0 };
 * const rows = [...nn.models.alexnet.rows.slice(0, -1), scores]; // AlexNet for 20 classes
 * const summary = summarise({ ...nn.models.alexnet, classes: 20, rows });
 * assert.equal(summary.layers.at(-1)!.parameters, 20 * (4096 + 1));
 * ```
 */
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

/**
 * A pooling layer.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise } from "@fermi/fermi/tables";
 *
 * const row: nn.PoolRow = { layer: "maxPool2d", name: "pool", window: 3, stride: 2 };
 * const summary = summarise({ ...nn.models.lenet5, rows: [row] }); // of images 1 x 28 x 28
 * assert.deepEqual(summary.layers[0]!.output, [1, 13, 13]);
 * ```
 */
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

/**
 * A network of images to class scores.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const linear: nn.ModelTable = {
 *   name: "linear",
 *   source: "the simplest of all",
 *   input: [1, 28, 28],
 *   classes: 10,
 *   weight: nn.init.normal(0.01),
 *   dropout: 0,
 *   rows: [{ layer: "flatten", name: "flatten" }, { layer: "linear", name: "fc", outputs: 10, bias: 0 }],
 * };
 * const network = nn.build(linear, { key: randomKey(1) });
 * assert.deepEqual(network.forward(ones([4, 1, 28, 28])).shape, [4, 10]);
 * ```
 */
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
