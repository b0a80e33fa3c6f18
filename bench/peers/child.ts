/**
 * The half of the protocol that is the same for everybody in Deno: listens for the device's errors, waits for the device,
 * measures, and answers the driver.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Digest } from "./numbers.ts";
import type { Answers, Command, Failure } from "./protocol.ts";
import type { Workload } from "./workloads.ts";

/** A workload whose operands are on the device. */
export interface Prepared {
  /** Hands one run to the device. Nothing may stay merely described, or nobody would compute it. */
  run(): void | Promise<void>;
  /** Hands over what the library holds back, and reads what a user would read after the runs. */
  finish(): void | Promise<void>;
  /** Sums up the results as they are now. */
  result(): Promise<Digest[]>;
}

/** Makes the operands. */
export type Prepare = (workload: Workload) => Promise<Prepared>;

/** What a library cannot do on this device, so that it is not tried. */
class CannotError extends Error {}

/** What went wrong on the device. */
const errors: string[] = [];
/** What the library opened. Deno 2.9 panics when limits or names are asked for after the adapter was collected. */
let opened: { readonly device: GPUDevice; readonly adapter: GPUAdapter } | null = null;

/** The prototype of this runtime's adapters: a global, or of Dawn where there is no WebGPU. */
async function adapterPrototype(): Promise<GPUAdapter> {
  if ("GPUAdapter" in globalThis) return GPUAdapter.prototype;
  const path: string = "webgpu";
  const { globals } = await import(path) as { globals: { GPUAdapter: { prototype: GPUAdapter } } };
  return globals.GPUAdapter.prototype;
}

/** Puts listeners on every device from its birth, since a library may put none, or swallow what it hears. */
async function listen(): Promise<void> {
  const prototype = await adapterPrototype();
  const { requestDevice } = prototype;
  prototype.requestDevice = async function (descriptor) {
    const made = await requestDevice.call(this, descriptor);
    made.addEventListener(
      "uncapturederror",
      (event) => errors.push((event as GPUUncapturedErrorEvent).error.message),
    );
    made.lost.then(({ message }) => errors.push(`device lost: ${message}`));
    const popErrorScope = made.popErrorScope.bind(made);
    made.popErrorScope = async () => {
      const error = await popErrorScope();
      if (error !== null) errors.push(error.message);
      return error;
    };
    opened = { device: made, adapter: this };
    return made;
  };
}

/** The device that the library opened. */
export function openedDevice(): GPUDevice {
  if (opened === null) throw new Error("no WebGPU device was opened");
  return opened.device;
}

/**
 * For libraries that bind an array as a whole.
 *
 * @throws {Error} when one of the workload's is larger than a binding of this device
 */
export function expectWholeArrays({ largest }: Workload): void {
  const limit = openedDevice().limits.maxStorageBufferBindingSize;
  if (largest <= limit) return;
  const [wanted, offered] = [largest, limit].map((bytes) => `${Math.round(bytes / 2 ** 20)} MiB`);
  throw new CannotError(`it binds arrays as a whole; the largest has ${wanted}, a binding here ${offered}`);
}

async function deviceDone(): Promise<void> {
  await openedDevice().queue.onSubmittedWorkDone();
  // Errors arrive as events, after the promises that are settled by now.
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (errors.length > 0) throw new Error(`the device says: ${errors.splice(0).join("; ")}`);
}

/** Runs so many times; the milliseconds of all together, with one wait for the device. */
async function measure(prepared: Prepared, runs: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < runs; i++) await prepared.run();
  await prepared.finish();
  await deviceDone();
  return performance.now() - start;
}

/** The largest amount of memory that the process ever had resident. */
async function peakRss(): Promise<number | null> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** Answers the driver until it has nothing more to say. */
export async function serve(open: () => Promise<Prepare>): Promise<void> {
  // Only answers go to stdout; libraries talk on stderr.
  console.log = console.info = console.error;
  await listen();
  const prepare = await open();
  let prepared: Prepared | null = null;
  const carryOut = async (command: Command): Promise<Answers[keyof Answers]> => {
    if ("prepare" in command) {
      prepared = await prepare(command.prepare);
      await deviceDone();
      const firstMs = await measure(prepared, 1);
      const { description, device } = openedDevice().adapterInfo;
      return { ready: true, firstMs, device: description || device };
    }
    if ("stats" in command) return { peakRss: await peakRss() };
    if (prepared === null) throw new Error("nothing is prepared");
    if ("run" in command) return { ms: await measure(prepared, command.run) / command.run };
    const digests = await prepared.result();
    await deviceDone();
    return { digests };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await carryOut(JSON.parse(line)).catch((error): Failure => {
      console.error(error);
      const cannot = error instanceof CannotError;
      return { error: error instanceof Error ? error.message : String(error), ...(cannot && { cannot }) };
    });
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  // Some libraries keep timers.
  process.exit(0);
}
