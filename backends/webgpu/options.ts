/**
 * How a device is opened, and the limits that its kernels keep to because of that and of the adapter.
 *
 * @module
 */

import type { Gpu } from "./adapter.ts";
import type { Limits } from "./compile.ts";
import { onCores } from "./cores.ts";
import type { Guard } from "./guard.ts";
import type { Abilities } from "./kernels/variants.ts";
import type { Tune, Tuner } from "./tune.ts";

/** Matrices of up to this many elements are packed. */
const COPY_BELOW = 1 << 18;

/** How a device is opened. All but `tune` is for tests. */
export interface WebGpuOptions {
  /** Whether kernels go by measurements. Default `off`. */
  readonly tune?: Tune;
  /** By family of kernels (`kernels/forced.ts`): the candidate that is taken wherever there is the choice. */
  readonly variants?: Readonly<Record<string, string>>;
  /** A lower limit on bindings than the adapter's, so that windows are cheap to test. */
  readonly bindingLimit?: number;
  /** Pretends that so many invocations keep the adapter busy: chooses between the variants for cores and for GPUs. */
  readonly parallelism?: number;
  /** Reads matrices of more elements than this along the axis that is summed over, where they lie so. */
  readonly copyBelow?: number;
  /** Fewer storage buffers a kernel than the adapter has. */
  readonly maxBindings?: number;
  /** Fewer workgroups along an axis of the grid than WebGPU has, so that grids are folded. */
  readonly maxGroups?: number;
  /** How many bytes plans may keep, or three times that of the one in use. */
  readonly planBytes?: number;
  /** Whether subgroups multiply matrices, whatever the adapter says. */
  readonly matrices?: boolean;
  /** Finds kernels that write beyond their arrays, read beyond them or leave elements out. */
  readonly guard?: typeof Guard;
}

/**
 * The limits of a device, for which the products of `kernels/gpu.ts` are loaded where it takes them.
 *
 * @throws {RangeError} when there is no variant of that name, or the adapter cannot run it.
 */
export async function limitsOf(
  { device, software, subgroup, info }: Gpu,
  options: WebGpuOptions,
  tuner: Tuner | null,
): Promise<Limits> {
  const { variants = {} } = options;
  const { limits: adapter } = device;
  const parallelism = options.parallelism ?? (software ? 256 : 65536);
  const alone = onCores(parallelism) && tuner === null && variants["product"] === undefined;
  const file = alone && options.variants === undefined
    ? null
    : await import("./kernels/gpu.ts").catch(withoutFile);
  const abilities: Abilities = {
    subgroup,
    matrices: options.matrices ?? await file?.hasMatrices(device, info) ?? false,
    workgroupBytes: adapter.maxComputeWorkgroupStorageSize,
    workgroupLanes: adapter.maxComputeInvocationsPerWorkgroup,
  };
  file?.checkForced(variants, abilities);
  const binding = options.bindingLimit ??
    Math.min(adapter.maxStorageBufferBindingSize, adapter.maxBufferSize);
  return {
    windowBytes: Math.floor(binding / 4096) * 4096,
    maxBindings: options.maxBindings ?? Math.min(adapter.maxStorageBuffersPerShaderStage, 16),
    maxGroups: options.maxGroups ?? adapter.maxComputeWorkgroupsPerDimension,
    parallelism,
    copyBelow: options.copyBelow ?? COPY_BELOW,
    abilities,
    gpu: alone ? null : file,
    choose: (question) => variants[question.family] ?? tuner?.winner(question),
    band: options.guard?.BAND ?? 0,
  };
}

/** A page may have `fermi.js` without the file that lies beside it. */
function withoutFile(error: unknown): null {
  console.warn(`webgpu: products are going to take longer than they need to: ${error}`);
  return null;
}
