/**
 * The tensor: a description of numbers, and, once somebody asked, the numbers.
 *
 * @module
 */

import type { GraphNode, Spec } from "./declare.ts";
import { type Device, expectSupport } from "./device.ts";
import { type DType, type HostArray, hostArray } from "./dtype.ts";
import * as elementwise from "./ops/elementwise/mod.ts";
import * as indexing from "./ops/indexing.ts";
import * as linear from "./ops/matmul.ts";
import * as movement from "./ops/movement/mod.ts";
import * as reduction from "./ops/reduction.ts";
import * as softmaxes from "./ops/softmax.ts";
import { type Shape, sizeOf, stridesOf } from "./shape.ts";
import type { State } from "./state.ts";
import type { NestedArray, Operand, Value } from "./value.ts";

/**
 * An n-dimensional array that is described first and computed when its numbers are asked for.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 2], [3, 4]]);
 * const y = x.matmul(x).add(1); // a description
 * assert.deepEqual([y.shape, y.dtype], [[2, 2], "f32"]);
 * assert.deepEqual(await y.array(), [[8, 11], [16, 23]]); // computed here
 * assert.throws(() => x.matmul(tensor([1, 2, 3])), TypeError); // mistakes throw where they are made
 * ```
 */
export class Tensor {
  /** The extents of the axes. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: DType;
  /** Where it lives. */
  readonly device: Device;
  /** How it is computed; null for a leaf. Reading the tensor does not change this, unless no gradient flows through it. */
  node: GraphNode | null;
  /** The numbers, where they are known. */
  value: Value | null = null;
  /** The numbers as they were read, where `value` is a state's memory: that goes on to be overwritten. */
  #copy: HostArray | null = null;
  /** @internal Settles when an evaluation that was submitted has set `value`, or also `read` it. */
  arriving: { readonly settled: Promise<void>; readonly read: boolean } | null = null;
  /** The tensor on another device that this one is a copy of. */
  readonly origin: Tensor | null;

  /** Tensors are made by `tensor(...)` and by ops. */
  constructor(spec: Spec, device: Device, node: GraphNode | null, origin: Tensor | null = null) {
    this.shape = spec.shape;
    this.dtype = spec.dtype;
    this.device = device;
    this.node = node;
    this.origin = origin;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** @internal The immutable tensor that stands for the present content: itself, unless it is a parameter or an input slot. */
  snapshot(): Tensor {
    return this;
  }

  /** @internal Sets where the numbers are, and releases what held them before. */
  setValue(value: Value): void {
    if (this.value?.kind === "resident") this.value.storage.release();
    this.value = value;
  }

  /** @internal The numbers on the host, null where they were not read yet. */
  get hostData(): HostArray | null {
    return this.value?.kind === "host" ? this.value.data : this.#copy;
  }

  /** @internal Takes numbers that were read. */
  receive(data: HostArray): void {
    if (this.value?.kind === "state") this.#copy = data;
    else this.setValue({ kind: "host", data });
    // No gradient flows through here, and the numbers are there for good: nobody needs the history.
    if (this.value?.kind === "host" && this.node?.op.gradient === null) this.node = null;
  }

  /** @internal Called when the state's memory goes on to other content: the tensor is its description again. */
  leaveState(state: State): void {
    if (this.value?.kind !== "state" || this.value.state !== state) return;
    this.value = this.#copy ? { kind: "host", data: this.#copy } : null;
  }

  /** @internal Fetches the numbers of a copy from its device of origin. */
  async fetchOrigin(): Promise<void> {
    if (this.origin === null) throw new TypeError("the tensor's memory was released by dispose()");
    const data = await this.origin.data();
    const copy = hostArray(this.dtype, data.length, this.device.precision);
    copy.set(data);
    this.setValue({ kind: "host", data: copy });
  }

  /**
   * The elements in row-major order, a copy: Float32Array, Int32Array, Uint32Array, Uint8Array, or Float64Array on an f64
   * device.
   *
   * @throws {Error} as `evaluate` does.
   */
  async data(): Promise<HostArray> {
    const current = this.snapshot();
    if (current.hostData === null) await this.device.evaluate([current], true);
    if (current.hostData === null) throw new TypeError("data: the tensor was disposed of while it was read");
    return current.hostData.slice();
  }

  /** The elements as nested lists. */
  async array(): Promise<NestedArray> {
    const data = await this.data();
    const strides = stridesOf(this.shape);
    const nest = (axis: number, offset: number): NestedArray =>
      axis === this.shape.length
        ? data[offset]!
        : Array.from({ length: this.shape[axis]! }, (_, i) => nest(axis + 1, offset + i * strides[axis]!));
    return nest(0, 0);
  }

  /**
   * The only element.
   *
   * @throws {TypeError} when there is more than one, or none.
   */
  async item(): Promise<number> {
    if (this.size !== 1) throw new TypeError(`item: the tensor has ${this.size} elements, wants one`);
    return (await this.data())[0]!;
  }

  /**
   * The same numbers on another device; gradients flow through.
   *
   * @throws {TypeError} when that device does not support the dtype.
   */
  to(device: Device): Tensor {
    if (device === this.device) return this;
    expectSupport("to", device, this.dtype);
    return new Tensor(this, device, null, this.snapshot());
  }

  /** The same numbers, through which no gradient flows. Of a tensor that was read, the result also forgets the history. */
  detach(): Tensor {
    const current = this.snapshot();
    if (current.hostData === null) return elementwise.detach(current);
    const leaf = new Tensor(this, this.device, null);
    leaf.value = { kind: "host", data: current.hostData };
    return leaf;
  }

  /** Gives back the device memory of an evaluated tensor now; nothing needs it, the memory comes back by itself. */
  dispose(): void {
    if (this.value?.kind !== "resident") return;
    this.value.storage.release();
    this.value = null;
  }

  /** `using t = ...` disposes of it. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  // ---- ops that read well as methods; their docs stand at the functions ----------------------------------------

  /** max(x, 0). */
  relu(): Tensor {
    return elementwise.relu(this);
  }

  /** The hyperbolic tangent. */
  tanh(): Tensor {
    return elementwise.tanh(this);
  }

  /** 1 / (1 + e^-x). */
  sigmoid(): Tensor {
    return elementwise.sigmoid(this);
  }

  /** e^x. */
  exp(): Tensor {
    return elementwise.exp(this);
  }

  /** The natural logarithm. */
  log(): Tensor {
    return elementwise.log(this);
  }

  /** The square root. */
  sqrt(): Tensor {
    return elementwise.sqrt(this);
  }

  /** 1 / sqrt(x). */
  rsqrt(): Tensor {
    return elementwise.rsqrt(this);
  }

  /** |x|. */
  abs(): Tensor {
    return elementwise.abs(this);
  }

  /** -x. */
  neg(): Tensor {
    return elementwise.neg(this);
  }

  /** x * x. */
  square(): Tensor {
    return elementwise.square(this);
  }

  /** -1, 0 or 1. */
  sign(): Tensor {
    return elementwise.sign(this);
  }

  /** The largest whole number that is not above x. */
  floor(): Tensor {
    return elementwise.floor(this);
  }

  /** this + other. */
  add(other: Operand): Tensor {
    return elementwise.add(this, other);
  }

  /** this - other. */
  sub(other: Operand): Tensor {
    return elementwise.sub(this, other);
  }

  /** this * other. */
  mul(other: Operand): Tensor {
    return elementwise.mul(this, other);
  }

  /** this / other. */
  div(other: Operand): Tensor {
    return elementwise.div(this, other);
  }

  /** this ^ other. */
  pow(other: Operand): Tensor {
    return elementwise.pow(this, other);
  }

  /** The larger of this and other. */
  maximum(other: Operand): Tensor {
    return elementwise.maximum(this, other);
  }

  /** The smaller of this and other. */
  minimum(other: Operand): Tensor {
    return elementwise.minimum(this, other);
  }

  /** this == other. */
  equal(other: Operand): Tensor {
    return elementwise.equal(this, other);
  }

  /** this < other. */
  less(other: Operand): Tensor {
    return elementwise.less(this, other);
  }

  /** this > other. */
  greater(other: Operand): Tensor {
    return elementwise.greater(this, other);
  }

  /** This, a condition, chooses between a and b. */
  where(a: Operand, b: Operand): Tensor {
    return elementwise.where(this, a, b);
  }

  /** In another dtype. */
  cast(dtype: DType): Tensor {
    return elementwise.cast(this, dtype);
  }

  /** The sum along `axis`. */
  sum(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.sum(this, options);
  }

  /** The mean along `axis`. */
  mean(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.mean(this, options);
  }

  /** The largest along `axis`. */
  max(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.max(this, options);
  }

  /** The smallest along `axis`. */
  min(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.min(this, options);
  }

  /** The product along `axis`. */
  prod(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.prod(this, options);
  }

  /** The index of the largest along `axis`. */
  argmax(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.argmax(this, options);
  }

  /** The index of the smallest along `axis`. */
  argmin(options: reduction.ReduceOptions = {}): Tensor {
    return reduction.argmin(this, options);
  }

  /** The matrix product. */
  matmul(other: Tensor): Tensor {
    return linear.matmul(this, other);
  }

  /** In another shape; one extent may be -1. */
  reshape(shape: Shape): Tensor {
    return movement.reshape(this, shape);
  }

  /** With the axes in another order, default reversed. */
  transpose(permutation?: readonly number[]): Tensor {
    return movement.transpose(this, permutation);
  }

  /** Repeated to `shape`. */
  broadcastTo(shape: Shape): Tensor {
    return movement.broadcastTo(this, shape);
  }

  /** A regular part. */
  slice(options: movement.SliceOptions): Tensor {
    return movement.slice(this, options);
  }

  /** Surrounded with a value. */
  pad(options: movement.PadOptions): Tensor {
    return movement.pad(this, options);
  }

  /** Reversed along `axis`. */
  flip(options: { readonly axis?: number | readonly number[] } = {}): Tensor {
    return movement.flip(this, options);
  }

  /** The slices that `indices` name. */
  gather(indices: Tensor, options: { readonly axis?: number } = {}): Tensor {
    return indexing.gather(this, indices, options);
  }

  /** e^x / sum(e^x) along `axis`, default the last. */
  softmax(options: { readonly axis?: number } = {}): Tensor {
    return softmaxes.softmax(this, options);
  }

  /** The logarithm of the softmax along `axis`, default the last. */
  logSoftmax(options: { readonly axis?: number } = {}): Tensor {
    return softmaxes.logSoftmax(this, options);
  }
}
