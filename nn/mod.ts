/**
 * Layers, initialisers and the networks.
 *
 * @module
 */

export {
  AvgPool2d,
  Dropout,
  Flatten,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Tanh,
} from "./functional_layers.ts";
export * as init from "./initialisers.ts";
export { Conv2d, type LayerOptions, Linear } from "./layers.ts";
export * from "./models/mod.ts";
export { evaluation, ForwardContext, Module, training } from "./module.ts";
export { Sequential } from "./sequential.ts";
