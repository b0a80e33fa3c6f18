/**
 * Dawn, the WebGPU of Chromium, from the npm package `webgpu`: how it is loaded, what to say when it does not load, and
 * how it is taken down.
 *
 * @module
 */

/** Kept for the life of the process: its devices do not survive it, and crash when it is collected, or is made twice. */
let dawn: Promise<GPU> | null = null;

/**
 * Loads Dawn, once.
 *
 * @throws {Error} one sentence that says what is missing.
 */
export async function openDawn(): Promise<GPU> {
  try {
    // Whoever comes while it loads waits for the same.
    return await (dawn ??= load());
  } catch (error) {
    dawn = null;
    throw new Error(`webgpu: ${whyNot(error)}`, { cause: error });
  }
}

async function load(): Promise<GPU> {
  const { create, globals } = await importDawn("index.js");
  waitPatiently(globals);
  return create(FEATURES);
}

/**
 * What Dawn has and keeps back: f16 on NVIDIA's drivers, one of which (580.159, an H200) passed the suite that holds every op to
 * its definition, and what is still an experiment, the matrices of subgroups among it. What an adapter has not got is not there
 * with it either.
 */
const FEATURES = ["enable-dawn-features=vulkan_enable_f16_on_nvidia,allow_unsafe_apis"];

/**
 * The file comes as a variable: of a package with a constant name Deno would fetch a copy for everyone, and bundlers
 * would want it in the bundle. `scripts/build.ts` knows this line.
 */
function importDawn(
  file: string,
): Promise<{ create: (options: readonly string[]) => GPU; globals: Classes }> {
  return import(`webgpu/${file}`);
}

/** What the package calls the interfaces of WebGPU. */
type Classes = Readonly<Record<string, { readonly prototype: object }>>;
type Call = (...args: unknown[]) => unknown;

/** The methods whose promises are waited for. */
const WAITING: readonly (readonly [string, string])[] = [
  ["GPUBuffer", "mapAsync"],
  ["GPUDevice", "createComputePipelineAsync"],
  ["GPUDevice", "popErrorScope"],
  ["GPUQueue", "onSubmittedWorkDone"],
];

/** For so many ms Dawn is asked as often as it wants, so that short waits stay short; then once in a ms. */
const EAGER = 1;

/**
 * While a promise is pending Dawn asks its device whether there is news, with the global `setImmediate`, again and again: a
 * core is busy with nothing else, where a software driver would compute. So while Dawn is called, and only then, it finds
 * a `setImmediate` that takes its time.
 */
function waitPatiently(classes: Classes): void {
  const global = globalThis as unknown as { setImmediate: (work: () => void) => unknown };
  let began = 0;
  const within = (work: () => unknown) => {
    const { setImmediate } = global;
    global.setImmediate = (tick) => {
      const look = () => within(tick);
      return performance.now() < began + EAGER ? setImmediate(look) : setTimeout(look, 1);
    };
    try {
      return work();
    } finally {
      global.setImmediate = setImmediate;
    }
  };
  for (const [owner, name] of WAITING) {
    const prototype = classes[owner]!.prototype as Record<string, Call>;
    const call = prototype[name]!;
    prototype[name] = function (this: unknown, ...args: unknown[]) {
      began = performance.now();
      return within(() => call.apply(this, args));
    };
  }
}

function whyNot(error: unknown): string {
  const { name, message } = error as Error;
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } };
  const [reason] = message.split("\n");
  const it = 'the npm package "webgpu" (Dawn)';
  if (name === "NotCapable") return `${it} may not be loaded: ${reason}`;
  // The package itself is not found, by whatever name the runtime gives it; not a file in it.
  if (/["'`]webgpu(\/index\.js)?["'`]/.test(message)) {
    const wanted = navigator?.gpu ? it : `there is no navigator.gpu here, and ${it}, which brings one,`;
    return `${wanted} is not installed: npm install webgpu, or use the CPU backend`;
  }
  return `${it} does not load (${reason}): what it has is not for this system; use the CPU backend`;
}

/** What is to be destroyed at the end, unless the program has dropped it; null before the first. */
let open: Set<WeakRef<Destroyable>> | null = null;

/** What is destroyed. */
export interface Destroyable {
  destroy(): void;
}

interface Process {
  readonly versions: { readonly bun?: string };
  once(event: "exit", listener: () => void): void;
}

/**
 * Has a device destroyed when the process ends. A driver's threads do not survive the end of a process that has work for
 * them (SwiftShader's crash Node), and destroying a device waits for its work. Bun ends without taking drivers down, and
 * may not be called back by Dawn at its end.
 */
export function destroyAtExit(device: Destroyable): void {
  const { process } = globalThis as unknown as { process: Process };
  if (process.versions.bun !== undefined) return;
  if (open === null) process.once("exit", () => open?.forEach((each) => each.deref()?.destroy()));
  const devices = open ??= new Set();
  for (const each of devices) if (each.deref() === undefined) devices.delete(each);
  devices.add(new WeakRef(device));
}
