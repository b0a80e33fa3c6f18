/**
 * The bounds of `bound_rules.ts` in words, for people: `docs/agreement.md` has them beside what was measured. u is one unit
 * in the last place (2^-23 relative in f32); what the operands' own errors become is added to each.
 *
 * @module
 */

import type { Composites, Primitives } from "../tensor/ops/registry.ts";

const EXACT = "the same number";
const MOVED = "the same numbers, moved";
const BITS = "the same bits";
const SUM = "(terms + 1) u · sum of absolute values; exact on whole numbers";
const PRODUCTS = "(K + 1) u · sum(|a||b|); exact on whole numbers";
const COMPOSED = "that of its definition, op by op";
const FUSED = "2 × that of its definition, op by op";

/** For each op its bound. */
export const boundFormulas: { readonly [Name in keyof Primitives | keyof Composites]: string } = {
  neg: EXACT,
  abs: EXACT,
  sign: EXACT,
  square: "1 u |y|",
  relu: EXACT,
  floor: EXACT,
  exp: "(3 + 2|x|) u |y|",
  log: "3 u |y|; 2^-21 for x in [1/2, 2]",
  sqrt: "5 u |y|",
  rsqrt: "2 u |y|",
  tanh: "13 u |y|; 3.5 u |y| for |x| < 1/4",
  sigmoid: "((3 + 2|x|)(1 - y) + 3.5) u |y|",
  detach: EXACT,
  add: "1 u |y|",
  sub: "1 u |y|",
  mul: "1 u |y|",
  div: "2.5 u |y|",
  pow: "(3 + 2|t| + the error of t ln 2) u |y|, t = b log2|a|; 1 u for b = 2",
  maximum: EXACT,
  minimum: EXACT,
  equal: EXACT,
  less: EXACT,
  greater: EXACT,
  where: EXACT,
  cast: "1 u |y| to floats, the same number to integers",
  reshape: MOVED,
  broadcastTo: MOVED,
  transpose: MOVED,
  flip: MOVED,
  slice: MOVED,
  pad: MOVED,
  concat: MOVED,
  gather: MOVED,
  gatherInRange: MOVED,
  scatterAdd: SUM,
  crop: MOVED,
  sum: SUM,
  prod: "terms · u |y|; exact on whole numbers",
  max: EXACT,
  min: EXACT,
  argmax: EXACT,
  argmin: EXACT,
  matmul: PRODUCTS,
  conv2d: PRODUCTS,
  conv2dInputGradient: PRODUCTS,
  conv2dWeightGradient: PRODUCTS,
  conv2dWithBias: COMPOSED,
  conv2dParameterGradients: FUSED,
  linear: COMPOSED,
  linearParameterGradients: FUSED,
  maxPool2d: EXACT,
  maxPool2dGradient: SUM,
  maxPool2dPick: MOVED,
  avgPool2d: "(window + 3.5) u · mean of absolute values",
  avgPool2dGradient: "(window + 3.5) u · mean of absolute values",
  randomBits: BITS,
  threefry: BITS,
  uniformFromBits: BITS,
  normalFromBits: "48 u |y|",
  crossEntropy: FUSED,
  crossEntropyGradient: FUSED,
  dropout: COMPOSED,
  localResponseNorm: FUSED,
  localResponseNormGradient: FUSED,
  logSoftmax: COMPOSED,
};
