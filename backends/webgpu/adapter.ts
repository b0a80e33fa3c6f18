/**
 * Finds a GPU: the only file that looks for one. `navigator.gpu` first, else Dawn from the npm package `webgpu`.
 *
 * @module
 */

import type { Destroyable } from "./dawn.ts";

/** A device and what it offers. */
export interface Gpu {
  readonly device: GPUDevice;
  /** Implementation, adapter and driver, for people. */
  readonly description: string;
  /** All that is known of adapter and implementation: what was measured on one says nothing of another. */
  readonly identity: string;
  /** Whether it is a driver that computes on the CPU's cores. */
  readonly software: boolean;
  /** Has a device destroyed when the process ends, where that is called for. */
  readonly atExit?: (device: Destroyable) => void;
  /** Whether `mapAsync` keeps the thread until the device has caught up, as Deno's does. */
  readonly mappingBlocks: boolean;
  /** Lanes of the smallest subgroup; 0 where shaders cannot use them. */
  readonly subgroup: number;
  /** What the adapter says of itself. */
  readonly info: GPUAdapterInfo;
}

const HOW_TO_GET_ONE =
  "install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers; Windows and macOS bring " +
  "theirs; docs/gpu.md says which one Dawn takes), in a browser switch WebGPU on (Chromium: " +
  "--enable-unsafe-webgpu), or use the CPU backend";

const NO_GPU =
  "this page has no navigator.gpu: it takes a browser with WebGPU, and an address with https or on " +
  "localhost; or use the CPU backend";

/**
 * Opens the best adapter with its own limits, not the defaults: fc6 of AlexNet is larger than a default binding.
 *
 * @throws {Error} one sentence that says how to get an adapter, when there is none.
 */
export async function openGpu(which: "auto" | "dawn"): Promise<Gpu> {
  const { gpu, implementation, atExit } = await findImplementation(which);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error(`webgpu: ${implementation} finds no adapter; ${HOW_TO_GET_ONE}`);
  const device = await adapter.requestDevice({
    requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  const { vendor, architecture, device: model, description } = adapter.info;
  const driver = description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
  const software = adapter.info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader/i.test(driver);
  // Dawn describes the driver; which GPU it is says `device`, in words with dashes, in a page nothing or a number.
  const name = !software && model.includes("-") ? `${model}, ${driver}` : driver;
  const mappingBlocks = !atExit && "Deno" in globalThis;
  const subgroup = device.features.has("subgroups") ? adapter.info.subgroupMinSize ?? 0 : 0;
  const identity = [implementation, vendor, architecture, model, description].join(" | ");
  return {
    device,
    identity,
    description: `${name} (${implementation})`,
    software,
    ...(atExit && { atExit }),
    mappingBlocks,
    subgroup,
    info: adapter.info,
  };
}

const OPTIONAL_FEATURES = [
  "shader-f16",
  "timestamp-query",
  "subgroups",
  "chromium-experimental-subgroup-matrix",
] as GPUFeatureName[];

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

interface Implementation extends Pick<Gpu, "atExit"> {
  readonly gpu: GPU;
  readonly implementation: string;
}

async function findImplementation(which: "auto" | "dawn"): Promise<Implementation> {
  const { process, navigator } = globalThis as { process?: object; navigator?: { gpu?: GPU } };
  const own = navigator?.gpu;
  if (which === "auto" && own !== undefined) {
    return { gpu: own, implementation: "Deno" in globalThis ? "Deno's wgpu" : "navigator.gpu" };
  }
  if (process === undefined) throw new Error(`webgpu: ${NO_GPU}`);
  // On demand: no page has a use for it.
  const { destroyAtExit, openDawn } = await import("./dawn.ts");
  return { gpu: await openDawn(), implementation: "Dawn", atExit: destroyAtExit };
}
