/**
 * A device: where tensors live and who computes them. A backend is handed to it; `tensor/` imports none.
 *
 * @module
 */

import type { Spec } from "./declare.ts";
import type { DType, HostArray, Precision } from "./dtype.ts";
import { absentFrom, checkFresh } from "./fresh.ts";
import { collectLeaves } from "./graph.ts";
import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Device memory that outlives an evaluation: a state's own buffer, or the value of an evaluated tensor.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, evaluate, ones, setDefaultDevice, type Storage } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = ones([2]).add(1);
 * await evaluate(x); // x has device memory now
 * const storage: Storage | null = x.value?.kind === "resident" ? x.value.storage : null;
 * assert.equal(typeof storage?.release, "function");
 * x.dispose(); // releases it
 * assert.deepEqual(await x.array(), [2, 2]); // computed again
 * ```
 */
export interface Storage {
  /** Gives the memory back; once only, however often it is called. */
  release(): void;
}

/**
 * What one evaluation is asked for.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Backend, Device, device, type EvaluationRequest, ones } from "@fermi/fermi";
 *
 * const { backend } = await device("cpu");
 * const requests: EvaluationRequest[] = [];
 * const logging: Backend = Object.assign(Object.create(backend) as Backend, {
 *   evaluate(request: EvaluationRequest) {
 *     requests.push(request);
 *     return backend.evaluate(request);
 *   },
 * });
 * const x = ones([2], { device: new Device("cpu", "logs what it is asked for", logging) });
 * await x.add(1).data();
 * assert.deepEqual(requests[0]!.outputs.map(({ tensor, read }) => [tensor.node!.op.name, read]), [["add", true]]);
 * ```
 */
export interface EvaluationRequest {
  /** Tensors to compute; each comes back as a host array (`read`) or stays on the device. */
  readonly outputs: readonly { readonly tensor: Tensor; readonly read: boolean }[];
  /** States to be overwritten, after every read of their old values. */
  readonly updates: readonly Update[];
}

/**
 * A state and its new content, as an evaluation carries it out.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Backend, Device, device, type EvaluationRequest } from "@fermi/fermi";
 * import { ones, Parameter, type Update } from "@fermi/fermi";
 *
 * const { backend } = await device("cpu");
 * const updates: Update[] = [];
 * const logging: Backend = Object.assign(Object.create(backend) as Backend, {
 *   evaluate(request: EvaluationRequest) {
 *     updates.push(...request.updates);
 *     return backend.evaluate(request);
 *   },
 * });
 * const logged = new Device("cpu", "logs updates", logging);
 * const w = new Parameter(ones([2], { device: logged }), { name: "w" });
 * assert.deepEqual(await w.data(), Float32Array.of(1, 1)); // its first content is an update, too
 * assert.deepEqual(updates.map(({ state, value }) => [state.name, value.shape]), [["w", [2]]]);
 * ```
 */
export interface Update {
  /** What is overwritten. */
  readonly state: State;
  /** With what. */
  readonly value: Tensor;
}

/**
 * What a backend does for its device. Its methods take effect in the order of the calls.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Backend, Device, device, evaluate, ones } from "@fermi/fermi";
 *
 * const { backend: cpu } = await device("cpu");
 * let evaluations = 0;
 * const counting: Backend = {
 *   precision: cpu.precision,
 *   supports: (dtype) => cpu.supports(dtype),
 *   evaluate(request) {
 *     evaluations++;
 *     return cpu.evaluate(request);
 *   },
 *   createState: (spec) => cpu.createState(spec),
 *   writeState: (storage, data, spec) => cpu.writeState(storage, data, spec),
 *   destroy: () => cpu.destroy(),
 * };
 * const x = ones([2], { device: new Device("cpu", "counts evaluations", counting) });
 * const [a, b] = [x.add(1), x.mul(3)];
 * await evaluate(a, b);
 * assert.equal(evaluations, 1); // what is asked for together is computed together
 * ```
 */
export interface Backend {
  /** How floats are kept. */
  readonly precision: Precision;
  /** Whether tensors of this dtype can be computed here. */
  supports(dtype: DType): boolean;
  /**
   * Queues one evaluation. Throws when it cannot be done, and then nothing was. Returns at once; the promise gives, for
   * each output, the host array or the storage, and rejects with one error that names the op when the device fails.
   */
  evaluate(request: EvaluationRequest): Promise<(HostArray | Storage)[]>;
  /** Makes the memory of a state, zeroed. */
  createState(spec: Spec): Storage;
  /** Overwrites a state from the host, after the evaluations queued so far. The data are copied before it returns. */
  writeState(storage: Storage, data: HostArray, spec: Spec): void;
  /** Gives everything back; the device is of no use afterwards. */
  destroy(): void;
}

/** How many evaluated tensors keep their device memory; the garbage collector does not see that memory. */
const MAX_RESIDENTS = 16;

/**
 * A device, as made by `device(name)`. Tensors meet on one device only; `to` moves them.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones } from "@fermi/fermi";
 *
 * const f32 = await device("cpu");
 * const f64 = await device("cpu", { precision: "f64" });
 * assert.deepEqual([f64.name, f64.precision, f64.supports("f16")], ["cpu", "f64", true]);
 * const [a, b] = [ones([2], { device: f32 }), ones([2], { device: f64 })];
 * assert.throws(() => a.add(b), /move one with to\(\)/);
 * assert.equal(a.to(f64).add(b).device, f64);
 * ```
 */
export class Device {
  /** Updates that the next evaluation carries out. */
  readonly #pending: Map<State, Tensor> = new Map();
  /** Tensors whose values live on the device because `evaluate` was asked for them, oldest first, and where. */
  readonly #residents: { readonly tensor: WeakRef<Tensor>; readonly storage: Storage }[] = [];
  /** Gives back what those had that are forgotten. */
  readonly #owned: FinalizationRegistry<Storage> = new FinalizationRegistry((storage) => storage.release());
  /** Settles when the evaluations that had to wait were submitted; later ones wait for them. */
  #turn: Promise<void> | null = null;
  /** Values of updates that could not be carried out. */
  readonly #failedOnce: WeakSet<Tensor> = new WeakSet();
  /** An evaluation that nobody waits for yet. */
  #flushed: Promise<void> | null = null;

  /** `cpu` or `webgpu`. */
  readonly name: "cpu" | "webgpu";
  /** The hardware and driver, for people. */
  readonly description: string;
  /** The backend that computes. */
  readonly backend: Backend;

  /** Devices are made by `device(name)`. */
  constructor(name: "cpu" | "webgpu", description: string, backend: Backend) {
    this.name = name;
    this.description = description;
    this.backend = backend;
  }

  /** How floats are kept: `f64` on a CPU device made with `{ precision: "f64" }`. */
  get precision(): Precision {
    return this.backend.precision;
  }

  /** Whether tensors of this dtype can be made here (`f16` needs an adapter with shader-f16). */
  supports(dtype: DType): boolean {
    return this.backend.supports(dtype);
  }

  /** @internal From now on the memory is the tensor's or state's: it comes back when that is forgotten, at the latest. */
  own(tensor: Tensor, storage: Storage): void {
    // What the CPU has the collector takes by itself, and a registry would keep it until the program next waits for a task.
    if (this.name === "cpu") return;
    // What it had before was released: one that is evaluated and disposed of in a loop has one registration.
    this.#owned.unregister(tensor);
    this.#owned.register(tensor, storage, tensor);
  }

  /** @internal Queues the update of a state for the next evaluation. */
  queueUpdate(state: State, value: Tensor): void {
    this.#pending.set(state, value);
  }

  /** @internal Forgets the queued update of a state. */
  cancelUpdate(state: State): void {
    this.#pending.delete(state);
  }

  /** @internal Carries out what is queued if it reads `leaf`, whose content is about to go. */
  flushReaders(leaf: Tensor): void {
    if (this.#pending.size > 0 && collectLeaves([...this.#pending.values()]).includes(leaf)) this.flush();
  }

  /** Carries out what is queued, for a loop that asks for no numbers; a failure is met by the next evaluation. */
  flush(): void {
    // Contents that were replaced before they were computed stay computable: a step may be in the middle of using them.
    const replaced = [...this.#pending.keys()].flatMap((state) => state.replacedContent() ?? []);
    const flushed = this.evaluate(replaced, false);
    flushed.catch(() => {});
    this.#flushed = flushed;
  }

  /**
   * Computes `tensors`, and carries out the updates that are queued now. Values that are there already are not computed
   * again. Evaluations take effect in the order of the calls; one that has nothing to wait for is submitted before this
   * returns.
   */
  evaluate(tensors: readonly Tensor[], read: boolean): Promise<void> {
    const flushed = this.#flushed;
    this.#flushed = null;
    const done = this.#queue(tensors, read);
    return flushed === null ? done : Promise.all([done, flushed]).then(() => {});
  }

  /** Submits an evaluation, now if it can be done now. */
  #queue(tensors: readonly Tensor[], read: boolean): Promise<void> {
    const roots = [...new Set(tensors.map((tensor) => tensor.snapshot()))];
    const updates = [...this.#pending].map(([state, value]) => ({ state, value }));
    this.#pending.clear();
    if (this.#turn === null && absentFrom(roots, updates).length === 0) {
      return this.#submit(roots, updates, read);
    }

    const submitted = this.#whenReady(roots, updates).then(
      () => ({ settled: this.#submit(roots, updates, read) }),
      (error) => {
        this.#restore(updates);
        throw error;
      },
    );
    const turn: Promise<void> = submitted.then(() => {}, () => {}).then(() => {
      if (this.#turn === turn) this.#turn = null;
    });
    this.#turn = turn;
    return submitted.then(({ settled }) => settled);
  }

  /** Waits for its turn, and for all numbers that an evaluation starts from: the earlier ones may have left some on their way. */
  async #whenReady(roots: readonly Tensor[], updates: readonly Update[]): Promise<void> {
    await this.#turn;
    for (let absent = absentFrom(roots, updates); absent.length > 0; absent = absentFrom(roots, updates)) {
      await Promise.all(absent.map((leaf) => leaf.arriving?.settled ?? leaf.fetchOrigin()));
    }
  }

  /** Hands one evaluation to the backend, before its first `await`; resolves when the values are set. */
  async #submit(roots: readonly Tensor[], updates: readonly Update[], read: boolean): Promise<void> {
    const missing = roots.filter((tensor) => read ? tensor.hostData === null : tensor.value === null);
    // What is being read already is not read twice.
    const underway = missing.filter((tensor) => tensor.arriving?.read);
    const wanted = missing.filter((tensor) => !tensor.arriving?.read);
    // A queued value that is asked for lives in its state afterwards, it needs no storage of its own.
    const queued = new Set(updates.map(({ value }) => value));
    const outputs = wanted.filter((tensor) => read || !queued.has(tensor)).map((tensor) => ({
      tensor,
      read,
    }));
    const others = Promise.all(underway.map((tensor) => tensor.arriving!.settled)).then(() => {});
    if (outputs.length === 0 && updates.length === 0) return await others;
    let results: Promise<(HostArray | Storage)[]>;
    try {
      checkFresh(wanted, updates);
      results = this.backend.evaluate({ outputs, updates });
    } catch (error) {
      this.#restore(updates);
      throw error;
    }
    for (const { state, value } of updates) state.updated(value);
    const settled = results.then((values) =>
      outputs.forEach(({ tensor }, i) => {
        const value = values[i]!;
        if ("release" in value) {
          tensor.setValue({ kind: "resident", storage: value });
          this.own(tensor, value);
          this.#residents.push({ tensor: new WeakRef(tensor), storage: value });
        } else tensor.receive(value);
      })
    ).catch((error) => {
      for (const { state } of updates) state.fail(error);
      throw error;
    }).finally(() => outputs.forEach(({ tensor }) => tensor.arriving = null));
    for (const { tensor } of outputs) tensor.arriving = { settled, read };
    await Promise.all([settled, others]);
    // The oldest values move to the host, so that a loop that evaluates without disposing stays bounded on the device.
    while (this.#residents.length > MAX_RESIDENTS) {
      const { tensor, storage } = this.#residents.shift()!;
      const oldest = tensor.deref();
      // Forgotten: `#owned` is told some time later, and until then there would be ever more memory.
      if (!oldest) storage.release();
      else if (oldest.value?.kind === "resident") await this.#submit([oldest], [], true);
    }
  }

  /**
   * Queues updates again that were not carried out, unless newer ones took their place. What fails twice is given up, so
   * that one bad update does not take the device with it.
   */
  #restore(updates: readonly Update[]): void {
    for (const { state, value } of updates) {
      if (state.snapshot() !== value) continue;
      if (this.#failedOnce.has(value)) state.revert();
      else this.#pending.set(state, value);
      this.#failedOnce.add(value);
    }
  }

  /** Gives everything back; tensors on this device are of no use afterwards. */
  destroy(): void {
    this.backend.destroy();
  }
}

/** Throws unless tensors of this dtype can be made on the device. */
export function expectSupport(op: string, device: Device, dtype: DType): void {
  if (!device.supports(dtype)) throw new TypeError(`${op}: ${device.name} does not support ${dtype}`);
}

let defaultDevice: Device | null = null;

/**
 * Sets the device on which tensors are made when no other is named.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * assert.equal(ones([2]).device.name, "cpu");
 * const f64 = await device("cpu", { precision: "f64" });
 * assert.equal(ones([2], { device: f64 }).device, f64); // named: the default does not matter
 * ```
 */
export function setDefaultDevice(device: Device): void {
  defaultDevice = device;
}

/**
 * The device on which tensors are made when no other is named.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, getDefaultDevice, setDefaultDevice } from "@fermi/fermi";
 *
 * assert.throws(() => getDefaultDevice(), /setDefaultDevice/); // there is none at first
 * const cpu = await device("cpu");
 * setDefaultDevice(cpu);
 * assert.equal(getDefaultDevice(), cpu);
 * ```
 *
 * @throws {TypeError} when none was set.
 */
export function getDefaultDevice(): Device {
  if (defaultDevice === null) {
    throw new TypeError('no default device: call setDefaultDevice(await device("cpu")) or pass { device }');
  }
  return defaultDevice;
}
