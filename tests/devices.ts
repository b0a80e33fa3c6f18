// The devices that the suite runs on; a test of what does not depend on the backend loops over them.

import { Guard } from "../backends/webgpu/guard.ts";
import { families } from "../backends/webgpu/kernels/mod.ts";
import { missing, VARIANTS } from "../backends/webgpu/kernels/variants.ts";
import { type WebGpuBackend, webgpuDevice, type WebGpuOptions } from "../backends/webgpu/mod.ts";
import { type Device, device } from "../mod.ts";

let opened: Promise<Device[]> | null = null;

/** Every device, opened once a test file. There is no test run without WebGPU: where it is missing, this throws. */
export function devices(): Promise<Device[]> {
  return opened ??= Promise.all([device("cpu"), device("webgpu")]);
}

/** A device and what is special about it. */
export interface Variant {
  readonly name: string;
  readonly device: Device;
}

/** Guarded: `backends/webgpu/guard.ts`. */
async function variant(name: string, options: WebGpuOptions): Promise<Variant> {
  return { name, device: await webgpuDevice("auto", { guard: Guard, ...options }) };
}

/**
 * WebGPU devices on which kernels get a candidate wherever they may choose it, one device for each there is. The variants of
 * the product, slow on software drivers, come with the long form of the suite only: `variants_test.ts` has them always.
 */
export async function forcedVariants(long: boolean): Promise<Variant[]> {
  const { abilities } = ((await devices())[1]!.backend as WebGpuBackend).limits;
  const all = Object.entries(families).flatMap(([family, candidates]) => {
    if (family === "product") {
      return VARIANTS.filter((each) => long && missing(each, abilities) === null).map(({ name }) =>
        variant(`webgpu, ${family} ${name}`, { variants: { product: name }, parallelism: 65536 })
      );
    }
    // Of small matrices as the samples have them only then any is read along k.
    const met = family === "tile along k" ? { copyBelow: 0 } : {};
    return candidates.map(({ name }) =>
      variant(`webgpu, ${family} ${name}`, { variants: { product: "registers", [family]: name }, ...met })
    );
  });
  return Promise.all(all);
}

/**
 * WebGPU devices that take the other branches of the backend, guarded: bindings of only
 * 4 KiB, so that small tensors are seen through several windows; the kernel variants of a large GPU, whose lanes
 * share what they load; and an adapter that is small in every way, whose grids are folded although they are short.
 */
export async function webgpuVariants(): Promise<Variant[]> {
  const main = await variant("webgpu", {});
  const { maxStorageBuffersPerShaderStage } = (main.device.backend as WebGpuBackend).device.limits;
  return [
    main,
    // Where there are few of them, they are larger, so that the samples have room everywhere.
    await variant("webgpu, bindings of 4 KiB", {
      bindingLimit: maxStorageBuffersPerShaderStage >= 16 ? 4096 : 8192,
    }),
    await variant("webgpu, variants of a large GPU", { parallelism: 65536, copyBelow: 0 }),
    await variant("webgpu, 8 bindings, 3 workgroups a row, no splits", {
      maxBindings: 8,
      maxGroups: 3,
      parallelism: 1,
      copyBelow: 0,
    }),
  ];
}
