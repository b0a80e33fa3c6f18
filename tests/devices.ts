// The devices that the suite runs on; a test of what does not depend on the backend loops over them.

import { Guard } from "../backends/webgpu/guard.ts";
import { conv2dKernels } from "../backends/webgpu/kernels/conv2d.ts";
import { matmulKernels } from "../backends/webgpu/kernels/matmul.ts";
import { FAMILIES } from "../backends/webgpu/kernels/forced.ts";
import { PANELS } from "../backends/webgpu/kernels/gemm.ts";
import { MULTIPLES } from "../backends/webgpu/kernels/multiples.ts";
import { normalizeKernels } from "../backends/webgpu/kernels/normalize.ts";
import { pool2dKernels } from "../backends/webgpu/kernels/pool2d.ts";
import { reductionKernels } from "../backends/webgpu/kernels/reduction.ts";
import { candidates, VARIANTS } from "../backends/webgpu/kernels/variants.ts";
import { type WebGpuBackend, webgpuDevice } from "../backends/webgpu/mod.ts";
import type { WebGpuOptions } from "../backends/webgpu/options.ts";
import { type Device, device } from "../mod.ts";
import { environment } from "./seeds.ts";

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
 * WebGPU devices on which a lane that works on its own gets a tile wherever it may choose it, one device for each tile. How
 * panels are read is a choice for larger ones than samples have: `variants_test.ts` has it.
 */
export function forcedTiles(): Promise<Variant[]> {
  const all = Object.entries(FAMILIES).flatMap(([family, candidates]) => {
    if (candidates === MULTIPLES || candidates === VARIANTS || candidates === PANELS) return [];
    // Of small matrices as the samples have them only then any is read along k.
    const met = family === "tile along k" ? { copyBelow: 0 } : {};
    return candidates.map(({ name }) =>
      variant(`webgpu, ${family} ${name}`, { variants: { product: "registers", [family]: name }, ...met })
    );
  });
  return Promise.all(all);
}

/** WebGPU devices on which everything is cut otherwise than by the guess, and few lanes are enough, so that much is cut. */
export function forcedMultiples(): Promise<Variant[]> {
  const cut = Object.keys(FAMILIES).filter((family) => FAMILIES[family] === MULTIPLES);
  return Promise.all(
    MULTIPLES.slice(1).map(({ name }) => {
      const variants = Object.fromEntries(cut.map((family) => [family, name]));
      return variant(`webgpu, all times ${name}`, {
        variants: { product: "registers", ...variants },
        parallelism: 16,
      });
    }),
  );
}

/** The ops that are a product, and so have the choice between its variants. */
export const PRODUCTS: ReadonlySet<string> = new Set(Object.keys({ ...matmulKernels, ...conv2dKernels }));

/** Other ops whose kernels have a choice: of how finely they are cut. */
export const CUT: ReadonlySet<string> = new Set(
  Object.keys({ ...normalizeKernels, ...pool2dKernels, ...reductionKernels, add: null, cast: null }),
);

/** `parallelism` of what is a GPU and no software driver. */
const GPU_LANES = 65536;

/**
 * One device for each variant of the product that `like` can run. On a GPU always; on a software driver, where they are
 * slow, only if FERMI_VARIANTS=all asks for them, whatever the number of samples. `variants_test.ts` has them always.
 */
export async function forcedProducts({ backend }: Device): Promise<Variant[]> {
  const { abilities, parallelism } = (backend as WebGpuBackend).limits;
  if (parallelism < GPU_LANES && environment["FERMI_VARIANTS"] !== "all") return [];
  return await Promise.all(
    candidates(abilities).map(({ name }) =>
      variant(`webgpu, product ${name}`, { variants: { product: name }, parallelism: GPU_LANES })
    ),
  );
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
    await variant("webgpu, variants of a large GPU", { parallelism: GPU_LANES, copyBelow: 0 }),
    await variant("webgpu, 8 bindings, 3 workgroups a row, no splits", {
      maxBindings: 8,
      maxGroups: 3,
      parallelism: 1,
      copyBelow: 0,
    }),
  ];
}
