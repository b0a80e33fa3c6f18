/**
 * AlexNet in one tower, as "One weird trick" has it and torchvision calls `alexnet`: fewer maps, no normalisation, and
 * dropout before a layer's weights instead of after its neurons, which is the same for the layer that follows.
 *
 * @module
 */

import { type Initialiser, lecun } from "../initialisers.ts";
import type { ModelTable } from "./table.ts";

/** PyTorch's: uniform from -sqrt(1 / fan-in) to sqrt(1 / fan-in), a third of `lecun`'s variance. */
const torch: Initialiser = (shape, key, options) => lecun()(shape, key, options).mul(Math.sqrt(1 / 3));

/**
 * Krizhevsky 2014, with torchvision's sizes: 61,100,840 parameters. Its average pooling to 6x6 is
 * not here, since images of 224x224 come to it as 6x6.
 */
export const alexnet_owt: ModelTable = {
  name: "alexnet_owt",
  source: "Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014",
  input: [3, 224, 224],
  classes: 1000,
  weight: torch,
  dropout: 0.5,
  rows: [
    { layer: "conv2d", name: "conv1", outputs: 64, window: 11, stride: 4, padding: 2, bias: 0 },
    { layer: "relu", name: "relu1" },
    { layer: "maxPool2d", name: "pool1", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv2", outputs: 192, window: 5, padding: 2, bias: 0 },
    { layer: "relu", name: "relu2" },
    { layer: "maxPool2d", name: "pool2", window: 3, stride: 2 },
    { layer: "conv2d", name: "conv3", outputs: 384, window: 3, padding: 1, bias: 0 },
    { layer: "relu", name: "relu3" },
    { layer: "conv2d", name: "conv4", outputs: 256, window: 3, padding: 1, bias: 0 },
    { layer: "relu", name: "relu4" },
    { layer: "conv2d", name: "conv5", outputs: 256, window: 3, padding: 1, bias: 0 },
    { layer: "relu", name: "relu5" },
    { layer: "maxPool2d", name: "pool5", window: 3, stride: 2 },
    { layer: "flatten", name: "flatten" },
    { layer: "dropout", name: "dropout5" },
    { layer: "linear", name: "fc6", outputs: 4096, bias: 0 },
    { layer: "relu", name: "relu6" },
    { layer: "dropout", name: "dropout6" },
    { layer: "linear", name: "fc7", outputs: 4096, bias: 0 },
    { layer: "relu", name: "relu7" },
    { layer: "linear", name: "fc8", outputs: 1000, bias: 0 },
  ],
};
