/**
 * The kernels whose lanes share what they load or compute: for GPUs, and products where somebody measures. Loaded on demand
 * by devices that take them, since software drivers, and pages on them, never do. With them comes what only those need who
 * name a variant.
 *
 * @module
 */

export { sharedForward, sharedInputGradient, sharedWeightGradient } from "./conv2d_shared.ts";
export { checkForced } from "./forced.ts";
export { hasMatrices } from "./gemm_matrix.ts";
export { sharedProduct } from "./gemm_shared.ts";
export { sharedMaxPool } from "./pool2d_shared.ts";
export { sharedReduction } from "./reduction_shared.ts";
export { sharedCrossEntropy, sharedCrossEntropyGradient } from "./softmax_shared.ts";
export { missing, VARIANTS } from "./variants.ts";
