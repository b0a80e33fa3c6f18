/**
 * AlexNet for 28x28 grey images: the same eight layers, towers, normalisation and pooling, fewer and smaller maps.
 *
 * @module
 */

import { normal } from "../initialisers.ts";
import type { ModelTable } from "./table.ts";

/** The small AlexNet: 285,322 parameters. */
export const alexnet_mini: ModelTable = {
  name: "alexnet_mini",
  source: "after Krizhevsky, Sutskever, Hinton 2012",
  input: [1, 28, 28],
  classes: 10,
  weight: normal(0.01),
  dropout: 0.5,
  rows: [
    { layer: "conv2d", name: "conv1", outputs: 32, window: 5, padding: 2, bias: 0 },
    { layer: "relu", name: "relu1" },
    { layer: "localResponseNorm", name: "norm1", groups: 2 },
    { layer: "maxPool2d", name: "pool1", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv2", outputs: 64, window: 5, padding: 2, groups: 2, bias: 1 },
    { layer: "relu", name: "relu2" },
    { layer: "localResponseNorm", name: "norm2", groups: 2 },
    { layer: "maxPool2d", name: "pool2", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv3", outputs: 96, window: 3, padding: 1, bias: 0 },
    { layer: "relu", name: "relu3" },
    { layer: "conv2d", name: "conv4", outputs: 96, window: 3, padding: 1, groups: 2, bias: 1 },
    { layer: "relu", name: "relu4" },
    { layer: "conv2d", name: "conv5", outputs: 64, window: 3, padding: 1, groups: 2, bias: 1 },
    { layer: "relu", name: "relu5" },
    { layer: "maxPool2d", name: "pool5", window: 3, stride: 2 },
    { layer: "flatten", name: "flatten" },
    { layer: "linear", name: "fc6", outputs: 256, bias: 1 },
    { layer: "relu", name: "relu6" },
    { layer: "dropout", name: "dropout6" },
    { layer: "linear", name: "fc7", outputs: 256, bias: 1 },
    { layer: "relu", name: "relu7" },
    { layer: "dropout", name: "dropout7" },
    { layer: "linear", name: "fc8", outputs: 10, bias: 0 },
  ],
};
