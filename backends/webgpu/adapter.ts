/**
 * Finds a GPU: the only file that looks for one. `navigator.gpu` first, else Dawn from the npm package `webgpu`.
 *
 * @module
 */

/** A device and what it offers. */
export interface Gpu {
  readonly device: GPUDevice;
  /** Implementation, adapter and driver, for people. */
  readonly description: string;
  /** Whether it is a driver that computes on the CPU's cores. */
  readonly software: boolean;
  /** Whether `mapAsync` keeps the thread until the device has caught up, as Deno's does. */
  readonly mappingBlocks: boolean;
}

const HOW_TO_GET_ONE =
  "install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers; Windows and macOS bring " +
  "theirs; docs/gpu.md says which one Dawn takes), in a browser switch WebGPU on (Chromium: " +
  "--enable-unsafe-webgpu), or use the CPU backend";

/**
 * Opens the best adapter with its own limits, not the defaults: fc6 of AlexNet is larger than a default binding.
 *
 * @throws {Error} one sentence that says how to get an adapter, when there is none.
 */
export async function openGpu(which: "auto" | "dawn"): Promise<Gpu> {
  const { gpu, implementation } = await findImplementation(which);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error(`webgpu: ${implementation} finds no adapter; ${HOW_TO_GET_ONE}`);
  const device = await adapter.requestDevice({
    requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  if (implementation === DAWN) destroyAtExit(device);
  const { vendor, architecture, description } = adapter.info;
  const name = description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
  const software = adapter.info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader/i.test(name);
  const mappingBlocks = implementation !== DAWN && "Deno" in globalThis;
  return { device, description: `${name} (${implementation})`, software, mappingBlocks };
}

const OPTIONAL_FEATURES: readonly GPUFeatureName[] = ["shader-f16", "timestamp-query", "subgroups"];

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

const DAWN = "Dawn";

/** Dawn's instance, kept for the life of the process: its devices do not survive it, and crash when it is collected. */
let dawn: GPU | null = null;

async function findImplementation(which: "auto" | "dawn"): Promise<{ gpu: GPU; implementation: string }> {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (which === "auto" && own !== undefined) {
    return { gpu: own, implementation: "Deno" in globalThis ? "Deno's wgpu" : "navigator.gpu" };
  }
  dawn ??= await openDawn();
  return { gpu: dawn, implementation: DAWN };
}

async function openDawn(): Promise<GPU> {
  try {
    const { create } = await importDawn("index.js");
    return create([]);
  } catch (error) {
    throw new Error(`webgpu: ${whyNoDawn(error)}`, { cause: error });
  }
}

/** Those of Dawn's devices that the program has not dropped; null before the first. */
let open: Set<WeakRef<GPUDevice>> | null = null;

/**
 * A driver's threads do not survive the end of a process that has work for them: SwiftShader's crash Node. Destroying a
 * device waits for its work. Bun ends without taking drivers down, and may not be called back by Dawn at its end.
 */
function destroyAtExit(device: GPUDevice): void {
  const { process } = globalThis as { process?: Process };
  if (process === undefined || process.versions.bun !== undefined) return;
  if (open === null) process.once("exit", () => open?.forEach((each) => each.deref()?.destroy()));
  const devices = open ??= new Set();
  const reference = new WeakRef(device);
  devices.add(reference);
  void device.lost.then(() => devices.delete(reference));
}

interface Process {
  readonly versions: { readonly bun?: string };
  once(event: "exit", listener: () => void): void;
}

/** The file comes as a variable: of a package with a constant name bundlers and Deno would want a copy at once. */
function importDawn(file: string): Promise<{ create: (options: readonly string[]) => GPU }> {
  return import(`webgpu/${file}`);
}

function whyNoDawn(error: unknown): string {
  const { code, name, message } = error as Error & { code?: string };
  const place = globalThis as { process?: object; navigator?: { gpu?: GPU } };
  if (place.process === undefined) {
    return "this page has no navigator.gpu: it takes a browser with WebGPU, and an address with https or on " +
      "localhost; or use the CPU backend";
  }
  const dawn = 'the npm package "webgpu" (Dawn)';
  const [reason] = message.split("\n");
  if (name === "NotCapable") return `${dawn} may not be loaded: ${reason}`;
  if (code === "ERR_MODULE_NOT_FOUND" || /not (find|a dependency)|resolve/i.test(message)) {
    const wanted = place.navigator?.gpu
      ? dawn
      : `there is no navigator.gpu here, and ${dawn}, which brings one,`;
    return `${wanted} is not installed: npm install webgpu, or use the CPU backend`;
  }
  return `${dawn} does not load (${reason}): ${HOW_TO_GET_ONE}`;
}
