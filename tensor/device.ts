/**
 * A device: where tensors live and who computes them. A backend is handed to it; `tensor/` imports none.
 *
 * @module
 */

import type { Spec } from "./declare.ts";
import type { DType, HostArray, Precision } from "./dtype.ts";
import { collectLeaves, staleState } from "./graph.ts";
import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/** Device memory that outlives an evaluation: a state's own buffer, or the value of an evaluated tensor. */
export interface Storage {
  /** Gives the memory back. */
  release(): void;
}

/** What one evaluation is asked for. */
export interface EvaluationRequest {
  /** Tensors to compute; each comes back as a host array (`read`) or stays on the device. */
  readonly outputs: readonly { readonly tensor: Tensor; readonly read: boolean }[];
  /** States to be overwritten, after every read of their old values. */
  readonly updates: readonly { readonly state: State; readonly value: Tensor }[];
}

/** What a backend does for its device. Its methods take effect in the order of the calls. */
export interface Backend {
  /** How floats are kept. */
  readonly precision: Precision;
  /** Whether tensors of this dtype can be computed here. */
  supports(dtype: DType): boolean;
  /**
   * Queues one evaluation. Returns at once; the promise gives, for each output, the host array or the
   * storage, and rejects with one error that names the op when the device fails.
   */
  evaluate(request: EvaluationRequest): Promise<(HostArray | Storage)[]>;
  /** Makes the memory of a state, zeroed. */
  createState(spec: Spec): Storage;
  /** Overwrites a state from the host, after the evaluations queued so far. */
  writeState(storage: Storage, data: HostArray, spec: Spec): void;
  /** Gives everything back; the device is of no use afterwards. */
  destroy(): void;
}

/** How many evaluated tensors keep their device memory; the garbage collector does not see that memory. */
const MAX_RESIDENTS = 16;

const REWRITTEN = "which has been updated since; make the expression again from its present content";

/** A device, as made by `device(name)`. */
export class Device {
  /** Updates that the next evaluation carries out. */
  readonly #pending: Map<State, Tensor> = new Map();
  /** Tensors whose values live on the device because `evaluate` was asked for them, oldest first. */
  readonly #residents: WeakRef<Tensor>[] = [];

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

  /** Queues the update of a state for the next evaluation. */
  queueUpdate(state: State, value: Tensor): void {
    this.#pending.set(state, value);
  }

  /** Computes `tensors`, and carries out the queued updates. Values that are there already are not computed again. */
  async evaluate(tensors: readonly Tensor[], read: boolean): Promise<void> {
    const roots = [...new Set(tensors.map((tensor) => tensor.snapshot()))];
    const leaves = collectLeaves([...roots, ...this.#pending.values()]);
    // What is not there yet comes from an evaluation under way or from another device.
    const absent = leaves.filter((leaf) => leaf.value === null && !roots.includes(leaf));
    if (absent.length > 0) await Promise.all(absent.map((leaf) => leaf.arriving ?? leaf.fetchOrigin()));

    const missing = roots.filter((tensor) => tensor.value === null || (read && tensor.value.kind !== "host"));
    const arriving = missing.filter((tensor) => tensor.arriving !== null);
    const submitted = this.#submit(missing.filter((tensor) => tensor.arriving === null), read);
    await Promise.all([submitted, ...arriving.map((tensor) => tensor.arriving)]);
    while (this.#residents.length > MAX_RESIDENTS) await this.#spill(this.#residents.shift()!.deref());
  }

  /** Hands one evaluation to the backend, before its first `await`; resolves when the values are set. */
  async #submit(wanted: readonly Tensor[], read: boolean): Promise<void> {
    this.#checkFresh(wanted);
    const updates = [...this.#pending].map(([state, value]) => ({ state, value }));
    // A queued value that is asked for lives in its state afterwards, it needs no storage of its own.
    const queued = new Set(updates.map((update) => update.value));
    const outputs = wanted.filter((tensor) => read || !queued.has(tensor)).map((tensor) => ({
      tensor,
      read,
    }));
    if (outputs.length === 0 && updates.length === 0) return;

    const results = this.backend.evaluate({ outputs, updates });
    this.#pending.clear();
    for (const { state, value } of updates) state.updated(value);
    const settled = results.then((values) =>
      outputs.forEach(({ tensor }, i) => {
        const value = values[i]!;
        if ("release" in value) this.#residents.push(new WeakRef(tensor));
        tensor.setValue(
          "release" in value ? { kind: "resident", storage: value } : { kind: "host", data: value },
        );
      })
    ).finally(() => outputs.forEach(({ tensor }) => tensor.arriving = null));
    for (const { tensor } of outputs) tensor.arriving = settled;
    await settled;
  }

  /** Throws when an expression was made from a content that is gone. */
  #checkFresh(wanted: readonly Tensor[]): void {
    const stale = (root: Tensor) => collectLeaves([root]).map(staleState).find((state) => state !== null);
    for (const [state, value] of this.#pending) {
      const gone = stale(value);
      if (gone === undefined) continue;
      this.#pending.delete(state);
      state.revert();
      throw new Error(`assign: the value for ${state.name} was made from ${gone.name}, ${REWRITTEN}`);
    }
    for (const root of wanted) {
      const gone = stale(root);
      if (gone !== undefined) {
        throw new Error(`evaluate: the tensor was made from ${gone.name}, ${REWRITTEN}`);
      }
    }
  }

  /** Moves a value to the host, so that a loop that evaluates without disposing stays bounded on the device. */
  async #spill(tensor: Tensor | undefined): Promise<void> {
    if (tensor?.value?.kind === "resident") await this.#submit([tensor], true);
  }

  /** Gives everything back; tensors on this device are of no use afterwards. */
  destroy(): void {
    this.backend.destroy();
  }
}

let defaultDevice: Device | null = null;

/** Sets the device on which tensors are made when no other is named. */
export function setDefaultDevice(device: Device): void {
  defaultDevice = device;
}

/**
 * The device on which tensors are made when no other is named.
 *
 * @throws {TypeError} when none was set.
 */
export function getDefaultDevice(): Device {
  if (defaultDevice === null) {
    throw new TypeError('no default device: call setDefaultDevice(await device("cpu")) or pass { device }');
  }
  return defaultDevice;
}
