/**
 * The products whose lanes share what they load: for GPUs, and where somebody measures. Loaded on demand by devices that
 * take them, since software drivers, and pages on them, never do.
 *
 * @module
 */

export { sharedForward, sharedInputGradient, sharedWeightGradient } from "./conv2d_shared.ts";
export { sharedProduct } from "./gemm_shared.ts";
export { missing, VARIANTS } from "./variants.ts";
