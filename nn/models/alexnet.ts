/**
 * AlexNet as published in 2012. Its two towers are the two groups of conv2, conv4 and conv5, and normalisation stays
 * inside a tower's half of the maps.
 *
 * @module
 */

import { normal } from "../initialisers.ts";
import type { ModelTable } from "./table.ts";

/** Krizhevsky, Sutskever and Hinton 2012, figure 2 and sections 3 to 5: 60,965,224 parameters. */
export const alexnet: ModelTable = {
  name: "alexnet",
  source:
    "Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, 2012",
  input: [3, 224, 224],
  classes: 1000,
  weight: normal(0.01),
  dropout: 0.5,
  rows: [
    { layer: "conv2d", name: "conv1", outputs: 96, window: 11, stride: 4, padding: 2, bias: 0 },
    { layer: "relu", name: "relu1" },
    { layer: "localResponseNorm", name: "norm1", groups: 2 },
    { layer: "maxPool2d", name: "pool1", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv2", outputs: 256, window: 5, padding: 2, groups: 2, bias: 1 },
    { layer: "relu", name: "relu2" },
    { layer: "localResponseNorm", name: "norm2", groups: 2 },
    { layer: "maxPool2d", name: "pool2", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv3", outputs: 384, window: 3, padding: 1, bias: 0 },
    { layer: "relu", name: "relu3" },
    { layer: "conv2d", name: "conv4", outputs: 384, window: 3, padding: 1, groups: 2, bias: 1 },
    { layer: "relu", name: "relu4" },
    { layer: "conv2d", name: "conv5", outputs: 256, window: 3, padding: 1, groups: 2, bias: 1 },
    { layer: "relu", name: "relu5" },
    { layer: "maxPool2d", name: "pool5", window: 3, stride: 2 },
    { layer: "flatten", name: "flatten" },
    { layer: "linear", name: "fc6", outputs: 4096, bias: 1 },
    { layer: "relu", name: "relu6" },
    { layer: "dropout", name: "dropout6" },
    { layer: "linear", name: "fc7", outputs: 4096, bias: 1 },
    { layer: "relu", name: "relu7" },
    { layer: "dropout", name: "dropout7" },
    { layer: "linear", name: "fc8", outputs: 1000, bias: 0 },
  ],
};
