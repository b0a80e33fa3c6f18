// What a graph becomes on WebGPU before it is evaluated: the plan, compiled for limits of ours.

import { compile, type Compiled, type Limits } from "../backends/webgpu/compile.ts";
import * as gpuKernels from "../backends/webgpu/kernels/gpu.ts";
import { lower, structureOf } from "../backends/webgpu/lower.ts";
import type { State, Tensor } from "../mod.ts";

const LIMITS: Limits = {
  windowBytes: 1 << 27,
  maxBindings: 16,
  maxGroups: 65535,
  parallelism: 256,
  copyBelow: 1 << 18,
  band: 0,
  abilities: { subgroup: 0, matrices: false, workgroupBytes: 32768, workgroupLanes: 256 },
  gpu: gpuKernels,
};

/** The plan for reading `outputs` and carrying out `updates`. */
export function planOf(
  outputs: readonly Tensor[],
  updates: readonly (readonly [State, Tensor])[] = [],
  limits: Partial<Limits> = {},
): Compiled {
  const request = {
    outputs: outputs.map((tensor) => ({ tensor, read: true })),
    updates: updates.map(([state, value]) => ({ state, value })),
  };
  const ids = new Map<GPUBuffer, number>();
  const structure = structureOf(request, (buffer) => {
    if (!ids.has(buffer)) ids.set(buffer, ids.size);
    return ids.get(buffer)!;
  });
  return compile(lower(request, structure), { ...LIMITS, ...limits });
}

/** What the dispatches of a plan are called, in order: the ops that share each kernel. */
export function labels({ dispatches }: Compiled): string[] {
  return dispatches.map(({ label }) => label);
}
