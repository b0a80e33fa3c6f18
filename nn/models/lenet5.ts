/**
 * LeNet-5, what came before: tanh, average pooling, no dropout. As usual today, every map of conv2 sees every map of
 * pool1, pooling has no weights, and the output is class scores instead of distances to patterns.
 *
 * @module
 */

import { lecun } from "../initialisers.ts";
import type { ModelTable } from "./table.ts";

/** LeCun, Bottou, Bengio and Haffner 1998, section II.B: 61,706 parameters. */
export const lenet5: ModelTable = {
  name: "lenet5",
  source: "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, 1998",
  input: [1, 28, 28],
  classes: 10,
  weight: lecun(),
  dropout: 0,
  rows: [
    { layer: "conv2d", name: "conv1", outputs: 6, window: 5, padding: 2, bias: 0 },
    { layer: "tanh", name: "tanh1" },
    { layer: "avgPool2d", name: "pool1", window: 2, stride: 2 },
    { layer: "conv2d", name: "conv2", outputs: 16, window: 5, bias: 0 },
    { layer: "tanh", name: "tanh2" },
    { layer: "avgPool2d", name: "pool2", window: 2, stride: 2 },
    { layer: "flatten", name: "flatten" },
    { layer: "linear", name: "fc3", outputs: 120, bias: 0 },
    { layer: "tanh", name: "tanh3" },
    { layer: "linear", name: "fc4", outputs: 84, bias: 0 },
    { layer: "tanh", name: "tanh4" },
    { layer: "linear", name: "fc5", outputs: 10, bias: 0 },
  ],
};
