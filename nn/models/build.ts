/**
 * Builds a network from its table.
 *
 * @module
 */

import { type DType, foldIn, type Tensor } from "../../tensor/mod.ts";
import {
  AvgPool2d,
  Dropout,
  Flatten,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Tanh,
} from "../functional_layers.ts";
import { constant, he, type Initialiser } from "../initialisers.ts";
import { Conv2d, Linear } from "../layers.ts";
import type { Module } from "../module.ts";
import { Sequential } from "../sequential.ts";
import type { ModelTable } from "./table.ts";
import { trace, type TracedRow } from "./trace.ts";

/**
 * How the weights start: as published, or He et al. 2015 with zero biases, for networks trained from small data.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const biasOf = async (init: nn.InitName) => {
 *   const network = nn.build(nn.models.alexnet_mini, { key: randomKey(1), init });
 *   return (await network.parameters().get("conv2.bias")!.data())[0];
 * };
 * assert.equal(await biasOf("paper"), 1); // "accelerates the early stages of learning", section 5
 * assert.equal(await biasOf("he"), 0);
 * ```
 */
export type InitName = "paper" | "he";

/**
 * What `build` takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: nn.BuildOptions = { key: randomKey(1), init: "he", dropout: 0.2 };
 * const network = nn.build(nn.models.alexnet_mini, options);
 * const dropout = network.layers.get("dropout6");
 * assert.ok(dropout instanceof nn.Dropout && dropout.p === 0.2);
 * ```
 */
export interface BuildOptions {
  /** The layer in row i of the table draws from `foldIn(key, i)`. The key's device is the network's. */
  readonly key: Tensor;
  /** Default `paper`. */
  readonly init?: InitName;
  /** The probability of dropout, default as published. */
  readonly dropout?: number;
  /** What the parameters are kept in, `f32` (default) or `f16`. Layers compute in the dtype of their input. */
  readonly dtype?: DType;
}

/**
 * Builds a network: its parameters are described, and computed by the first evaluation.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const network = nn.build(nn.models.lenet5, { key: randomKey(1) });
 * assert.deepEqual(network.forward(ones([2, 1, 28, 28])).shape, [2, 10]);
 * assert.equal(network.parameters().get("conv1.weight")!.size, 6 * 1 * 5 * 5);
 * ```
 *
 * @throws {RangeError} unless 0 <= dropout < 1.
 */
export function build(table: ModelTable, options: BuildOptions): Sequential {
  return new Sequential(
    Object.fromEntries(
      trace(table).map((
        traced,
        i,
      ) => [traced.row.name, makeLayer(table, traced, foldIn(options.key, i), options)]),
    ),
  );
}

function makeLayer(table: ModelTable, { row, input }: TracedRow, key: Tensor, options: BuildOptions): Module {
  const { init = "paper", dropout = table.dropout, dtype = "f32" } = options;
  const start = (bias: number): { key: Tensor; dtype: DType; weight: Initialiser; bias: Initialiser } => ({
    key,
    dtype,
    weight: init === "paper" ? table.weight : he(),
    bias: constant(init === "paper" ? bias : 0),
  });
  switch (row.layer) {
    case "conv2d": {
      const { window, stride = 1, padding = 0, groups = 1 } = row;
      return new Conv2d(input[0]!, row.outputs, { ...start(row.bias), window, stride, padding, groups });
    }
    case "linear":
      return new Linear(input[0]!, row.outputs, start(row.bias));
    case "relu":
      return new ReLU();
    case "tanh":
      return new Tanh();
    case "localResponseNorm":
      return new LocalResponseNorm({ groups: row.groups });
    case "maxPool2d":
      return new MaxPool2d({ window: row.window, stride: row.stride });
    case "avgPool2d":
      return new AvgPool2d({ window: row.window, stride: row.stride });
    case "flatten":
      return new Flatten();
    case "dropout":
      return new Dropout({ p: dropout });
    default:
      return row satisfies never;
  }
}
