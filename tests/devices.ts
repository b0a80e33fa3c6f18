// The devices that the suite runs on; a test of what does not depend on the backend loops over them.

import { webgpuDevice } from "../backends/webgpu/mod.ts";
import { type Device, device } from "../mod.ts";

let opened: Promise<Device[]> | null = null;

/** Every device, opened once a test file. There is no test run without WebGPU: where it is missing, this throws. */
export function devices(): Promise<Device[]> {
  return opened ??= Promise.all([device("cpu"), device("webgpu")]);
}

/**
 * WebGPU devices that take the other branches of the backend: bindings of only 4 KiB, so that small tensors are seen
 * through several windows, and the kernel variants of a large GPU.
 */
export async function webgpuVariants(): Promise<{ readonly name: string; readonly device: Device }[]> {
  return [
    { name: "webgpu", device: await webgpuDevice("auto") },
    { name: "webgpu, bindings of 4 KiB", device: await webgpuDevice("auto", { bindingLimit: 4096 }) },
    { name: "webgpu, variants of a large GPU", device: await webgpuDevice("auto", { parallelism: 65536 }) },
  ];
}
