/**
 * Fermi: tensors, gradients and convolutional networks in TypeScript, on the CPU and on WebGPU.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu")); // or "webgpu"
 * const w = tensor([[1, 2], [3, 4]]);
 * const loss = tensor([[5, 6]]).matmul(w).square().sum();
 * const [dw] = gradients(loss, [w]);
 * assert.equal(await loss.item(), 23 ** 2 + 34 ** 2);
 * assert.deepEqual(await dw!.array(), [[230, 340], [276, 408]]);
 * ```
 *
 * @module
 */

export { device, type DeviceOptions } from "./backends/mod.ts";
export * as nn from "./nn/mod.ts";
export * from "./tensor/mod.ts";
export { LossScale, type LossScaleOptions } from "./train/loss_scale.ts";
export { SGD, type SGDOptions, type SGDStepOptions } from "./train/sgd.ts";
