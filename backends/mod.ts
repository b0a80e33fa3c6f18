/**
 * Finds a device by name and imports its backend on demand; but for `planner.ts` beside it, nothing else in the
 * house knows the backends.
 *
 * @module
 */

import type { Device, Precision } from "../tensor/mod.ts";

/**
 * What `device` takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type DeviceOptions, tensor } from "@fermi/fermi";
 *
 * const options: DeviceOptions = { precision: "f64" };
 * const x = tensor(0.1, { device: await device("cpu", options) });
 * assert.equal(await x.item(), 0.1);
 * const rounded = tensor(0.1, { device: await device("cpu") });
 * assert.equal(await rounded.item(), 0.10000000149011612); // the nearest f32
 * ```
 */
export interface DeviceOptions {
  /** For `cpu`: `f64` keeps every float in f64, for checking gradients. Default `f32`. */
  readonly precision?: Precision;
  /** For `webgpu`: which implementation; `auto` takes `navigator.gpu` if it is there, else Dawn from the npm package `webgpu`. */
  readonly gpu?: "auto" | "dawn";
  /**
   * For `webgpu`: which of several kernels an op gets on this adapter. `off`, the default, goes by fixed guesses, the same on
   * every run; `on` measures what it meets for the first time, and keeps that in the user's cache folder (in a browser in
   * IndexedDB); `cached` uses what was kept, and measures nothing. Results may differ in their last bits.
   */
  readonly tune?: "off" | "cached" | "on";
  /** For `auto`: where to say which device was taken and why; default `console.error`. */
  readonly log?: (line: string) => void;
}

/**
 * Opens a device. `auto` takes WebGPU where there is an adapter, else the CPU, and says in one line which and why.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones } from "@fermi/fermi";
 *
 * const cpu = await device("cpu"); // or "webgpu", or "auto"
 * assert.equal(cpu.name, "cpu");
 * assert.deepEqual(await ones([2], { device: cpu }).array(), [1, 1]);
 * ```
 *
 * @throws {RangeError} for an unknown name.
 * @throws {Error} for `webgpu` where there is no adapter; the sentence says how to get one.
 */
export async function device(name: "cpu" | "webgpu" | "auto", options: DeviceOptions = {}): Promise<Device> {
  switch (name) {
    case "cpu":
      return (await import("./cpu/mod.ts")).cpuDevice(options.precision ?? "f32");
    case "webgpu":
      return await (await import("./webgpu/mod.ts")).webgpuDevice(options.gpu ?? "auto", {
        tune: options.tune ?? "off",
      });
    case "auto":
      return await autoDevice(options);
    default:
      name satisfies never;
      throw new RangeError(`device: expects "cpu", "webgpu" or "auto", got "${name}"`);
  }
}

async function autoDevice(options: DeviceOptions): Promise<Device> {
  // To stderr: stdout belongs to the program that uses the library.
  const log = options.log ?? console.error;
  try {
    const found = await device("webgpu", options);
    log(`device: webgpu, ${found.description}`);
    return found;
  } catch (error) {
    log(`device: cpu, because ${error instanceof Error ? error.message : error}`);
    return await device("cpu", options);
  }
}
