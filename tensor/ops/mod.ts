/**
 * The ops as functions. Their declarations are collected in `registry.ts`.
 *
 * @module
 */

export {
  conv2d,
  type Conv2dForwardOptions,
  conv2dInputGradient,
  type Conv2dOptions,
  conv2dWeightGradient,
} from "./conv2d.ts";
export {
  abs,
  add,
  cast,
  detach,
  div,
  equal,
  exp,
  floor,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  rsqrt,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from "./elementwise/mod.ts";
export { crop, gather, oneHot } from "./indexing.ts";
export { linear, matmul } from "./matmul.ts";
export {
  broadcastTo,
  concat,
  flip,
  pad,
  type PadOptions,
  reshape,
  slice,
  type SliceOptions,
  transpose,
} from "./movement/mod.ts";
export { localResponseNorm, type LocalResponseNormOptions } from "./normalize.ts";
export { avgPool2d, maxPool2d, type Pool2dOptions } from "./pool2d.ts";
export { dropout, foldIn, normal, randomBits, randomKey, splitKey, uniform } from "./random.ts";
export { argmax, argmin, max, mean, min, prod, type ReduceOptions, sum } from "./reduction.ts";
export { crossEntropy, logSoftmax, softmax } from "./softmax.ts";
