/**
 * Fermi: tensors, gradients and convolutional networks in TypeScript, on the CPU and on WebGPU.
 *
 * ```ts
 * import { device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu")); // or "webgpu"
 * const w = tensor([[1, 2], [3, 4]]);
 * const loss = tensor([[5, 6]]).matmul(w).square().sum();
 * const [dw] = gradients(loss, [w]);
 * console.log(await loss.item(), await dw!.array());
 * ```
 *
 * @module
 */

export { device, type DeviceOptions } from "./backends/mod.ts";
export * as nn from "./nn/mod.ts";
export * from "./tensor/mod.ts";
export { SGD, type SGDOptions } from "./train/sgd.ts";
