/**
 * The two kinds of slots whose content changes: parameters, which expressions update in place, and input
 * slots, which the host refills. Nothing else is mutable.
 *
 * @module
 */

import { checkData, type TensorData } from "./create.ts";
import { applyOne, type Spec } from "./declare.ts";
import { type Device, getDefaultDevice, type Storage } from "./device.ts";
import type { DType } from "./dtype.ts";
import { reshapeOp } from "./ops/movement/mod.ts";
import { checkShape, sameShape, type Shape, show, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/**
 * A tensor with memory of its own whose content changes; its version counts the changes. The two kinds are
 * `Parameter` and `InputSlot`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, InputSlot, Parameter, setDefaultDevice, type State, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [x, w] = [new InputSlot([2]), new Parameter(tensor([1, 2]))];
 * const states: State[] = [x, w];
 * assert.deepEqual(states.map((state) => state.version), [0, 0]);
 * x.write([5, 6]); // at once
 * w.assign(w.mul(2)); // with the next evaluation
 * assert.deepEqual(await x.add(w).array(), [7, 10]);
 * assert.deepEqual(states.map((state) => state.version), [1, 1]);
 * ```
 */
export abstract class State extends Tensor {
  /** The name that messages use. */
  name: string;
  /** Counts the changes of the content. */
  version = 0;
  /** The device memory. */
  readonly storage: Storage;
  #current: Tensor;
  /** The expression whose value is in the memory, if it was computed there. */
  #bound: WeakRef<Tensor> | null = null;
  /** What stood for the content, now or before, numbered in their order. */
  readonly #contents: WeakMap<Tensor, number> = new WeakMap();
  #contentCount = 0;
  /** A content that was replaced before it was computed. */
  #replaced: WeakRef<Tensor> | null = null;
  #failure: Error | null = null;

  /** Makes the slot and its memory, zeroed. */
  constructor(spec: Spec, device: Device, name: string) {
    super(spec, device, null);
    this.name = name;
    this.storage = device.backend.createState(spec);
    device.own(this, this.storage);
    this.#current = this.#leaf();
  }

  /** @internal The tensor that stands for the content as it is now: a queued update, or else the memory. */
  override snapshot(): Tensor {
    return this.#current;
  }

  /** @internal Called when an update was queued: from now on the content is `value`. */
  protected supersede(value: Tensor): void {
    this.#replaced = this.#current.value === null ? new WeakRef(this.#current) : null;
    this.#current = value;
    this.#contents.set(value, this.#contentCount++);
  }

  /** @internal The content before the queued one, where that was never computed and somebody still has it. */
  replacedContent(): Tensor | undefined {
    const replaced = this.#replaced?.deref();
    return replaced?.value === null ? replaced : undefined;
  }

  /** @internal Called when the memory was overwritten with `value` (null: from the host). Old snapshots are stale from now on. */
  updated(value: Tensor | null): void {
    this.#bound?.deref()?.leaveState(this);
    this.#bound = null;
    this.#replaced = null;
    this.#failure = null;
    this.version++;
    if (value !== null && value.value === null) {
      // From now on the expression is the memory: whoever was made from it reads there.
      value.setValue({ kind: "state", state: this, version: this.version });
      this.#bound = new WeakRef(value);
    }
    if (value === null || this.#current === value) this.#current = this.#leaf();
  }

  /** @internal Forgets a queued update. */
  revert(): void {
    this.#current = this.#leaf();
  }

  /** @internal The number of the content that the tensor stands or stood for, in the order of assignment; -1 for none. */
  contentNumber(tensor: Tensor): number {
    return this.#contents.get(tensor) ?? -1;
  }

  /** @internal The evaluation that was to overwrite the memory failed: what is in it now is anybody's guess. */
  fail(error: Error): void {
    this.#failure = error;
  }

  /** @internal Throws when an update failed on the way, until the next one succeeds. */
  checkContent(): void {
    if (this.#failure === null) return;
    throw new Error(`${this.name} has no content, because its update failed: ${this.#failure.message}`);
  }

  #leaf(): Tensor {
    const leaf = new Tensor(this, this.device, null);
    leaf.setValue({ kind: "state", state: this, version: this.version });
    this.#contents.set(leaf, this.#contentCount++);
    return leaf;
  }

  /** Gives the device memory back. */
  override dispose(): void {
    this.device.cancelUpdate(this);
    this.storage.release();
  }
}

const contents: WeakSet<Tensor> = new WeakSet();

/** The value as a tensor that stands for one state only: gradients tell states apart by their contents. */
function ownContent(value: Tensor): Tensor {
  const fresh = value.node !== null && value.value === null && !contents.has(value);
  const content = fresh ? value : applyOne(reshapeOp, [value], { shape: value.shape });
  contents.add(content);
  return content;
}

/** So many updates of a state may wait for an evaluation: a loop that asks for none must not pile them up. */
const MOST_QUEUED = 16;

/**
 * A learnt tensor. It owns one buffer for its life; `assign` is carried out, in place, by the next evaluation
 * of anything on its device.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, Parameter, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const w = new Parameter(tensor([1, 2]), { name: "w" });
 * w.assign(w.mul(10)); // queued; what is made from w from here on sees the new content
 * assert.deepEqual(await w.add(1).array(), [11, 21]); // carried out with this
 * assert.throws(() => w.assign(tensor([1])), /w is f32 \[2\]/);
 * ```
 */
export class Parameter extends State {
  /** Updates since the last evaluation. */
  #queued = 0;

  /** Makes a parameter that starts as `initial`, an expression like any other. */
  constructor(initial: Tensor, options: { readonly name?: string } = {}) {
    super(initial, initial.device, options.name ?? "parameter");
    this.assign(initial);
  }

  /** @internal Called when the memory was overwritten. */
  override updated(value: Tensor | null): void {
    super.updated(value);
    this.#queued = 0;
  }

  /**
   * Queues `value` as the new content. Expressions made from now on see it.
   *
   * @throws {TypeError} for another shape, dtype or device.
   */
  assign(value: Tensor): void {
    if (!sameShape(value.shape, this.shape) || value.dtype !== this.dtype || value.device !== this.device) {
      throw new TypeError(
        `assign: ${this.name} is ${this.dtype} ${show(this.shape)} on ${this.device.name}, ` +
          `got ${value.dtype} ${show(value.shape)} on ${value.device.name}`,
      );
    }
    if (this.#queued === MOST_QUEUED) {
      this.#queued = 0;
      this.device.flush();
    }
    this.#queued++;
    const content = ownContent(value.snapshot());
    this.supersede(content);
    this.device.queueUpdate(this, content);
  }
}

/**
 * A slot through which a batch enters: refilled by `write`, so that every step binds the same memory.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, InputSlot, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const batch = new InputSlot([2], { name: "batch" });
 * const total = () => batch.sum().item();
 * batch.write([3, 4]);
 * assert.equal(await total(), 7);
 * batch.write(Float32Array.of(10, 20)); // the same memory, refilled
 * assert.equal(await total(), 30);
 * ```
 */
export class InputSlot extends State {
  /**
   * Makes a slot of zeros.
   *
   * @throws {RangeError} for an extent that is no whole number from 0.
   */
  constructor(
    shape: Shape,
    options: { readonly dtype?: DType; readonly device?: Device; readonly name?: string } = {},
  ) {
    super(
      { shape: [...checkShape("InputSlot", shape)], dtype: options.dtype ?? "f32" },
      options.device ?? getDefaultDevice(),
      options.name ?? "input slot",
    );
  }

  /**
   * Refills the slot. Expressions made from the old content can no longer be computed.
   *
   * @throws {TypeError} when the number of elements differs.
   */
  write(data: TensorData): void {
    this.device.flushReaders(this.snapshot());
    const { array } = checkData("write", data, { dtype: this.dtype, device: this.device }, true);
    if (array.length !== sizeOf(this.shape)) {
      throw new TypeError(`write: ${this.name} holds ${sizeOf(this.shape)} elements, got ${array.length}`);
    }
    this.device.backend.writeState(this.storage, array, this);
    this.updated(null);
  }
}
