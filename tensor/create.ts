/**
 * Tensors from host data.
 *
 * @module
 */

import type { Spec } from "./declare.ts";
import { type Device, expectSupport, getDefaultDevice } from "./device.ts";
import {
  ALL_DTYPES,
  convert,
  type DType,
  type HostArray,
  hostArray,
  isFloat,
  type Precision,
} from "./dtype.ts";
import { checkShape, type Shape, show, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/**
 * Numbers or booleans, nested as deep as the tensor has axes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, equal, type NestedData, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const mask: NestedData = [[true, false], [false, true]];
 * assert.equal(tensor(mask).dtype, "bool");
 * assert.deepEqual(tensor(mask).shape, [2, 2]);
 * assert.throws(() => tensor([[1, 2], [3]]), /equal lengths/);
 * ```
 */
export type NestedData = number | boolean | readonly NestedData[];

/**
 * What a tensor can be made from: a number or boolean, nested arrays of them, or a typed array.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor, type TensorData } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const sources: TensorData[] = [5, [[1, 2]], true, Int32Array.of(1, 2, 3), new Uint8Array(4)];
 * assert.deepEqual(sources.map((data) => tensor(data).dtype), ["f32", "f32", "bool", "i32", "u8"]);
 * assert.deepEqual(sources.map((data) => tensor(data).shape), [[], [1, 2], [], [3], [4]]);
 * ```
 */
export type TensorData = HostArray | NestedData;

/**
 * How to read the data.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor, type TensorOptions } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const grey: TensorOptions = { shape: [1, 1, 2, 2], dtype: "f32" };
 * const image = tensor(Uint8Array.of(0, 64, 128, 255), grey);
 * assert.deepEqual(await image.array(), [[[[0, 64], [128, 255]]]]);
 * ```
 */
export interface TensorOptions {
  /** The shape; default: that of nested arrays, or one axis for a typed array. */
  readonly shape?: Shape;
  /** The dtype; default: the typed array's own (Float64Array: f32), bool for booleans, f32 for numbers. */
  readonly dtype?: DType;
  /** The device; default: the one set by `setDefaultDevice`. */
  readonly device?: Device;
}

/** Makes the leaf tensor that holds `data`, which is not copied. */
export function leaf(data: HostArray, spec: Spec, device: Device): Tensor {
  const tensor = new Tensor(spec, device, null);
  tensor.setValue({ kind: "host", data });
  return tensor;
}

/** A vector of integers beside `like`, whose dtype is the array's. */
export function hostTensorLike(like: Tensor, data: Int32Array | Uint32Array): Tensor {
  return leaf(data, { shape: [data.length], dtype: data instanceof Int32Array ? "i32" : "u32" }, like.device);
}

/**
 * A scalar beside `like`, in its dtype if that can hold it: fractions make integers f32, numbers make bool i32.
 *
 * @throws {RangeError} for a whole number that an integer dtype does not hold.
 */
export function scalarLike(value: number, like: Tensor, dtype?: DType): Tensor {
  const fits = isFloat(like.dtype) || (Number.isInteger(value) && like.dtype !== "bool");
  const own = dtype ?? (fits ? like.dtype : Number.isInteger(value) ? "i32" : "f32");
  const data = hostArray(own, 1, like.device.precision);
  data[0] = convert(value, own, like.device.precision);
  if (!isFloat(own) && data[0] !== value) {
    throw new RangeError(`${value} is no ${own}, cast the other operand`);
  }
  return leaf(data, { shape: [], dtype: own }, like.device);
}

/**
 * Makes a tensor from numbers, booleans, nested arrays of them, or a typed array. The data are copied, and
 * converted where `dtype` says so: floats are rounded, integers truncated and clamped.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * assert.deepEqual(tensor(5).shape, []); // a scalar
 * assert.deepEqual(tensor([[1, 2, 3], [4, 5, 6]]).shape, [2, 3]);
 * const numbers = Float32Array.of(1, 2, 3, 4);
 * const x = tensor(numbers, { shape: [2, 2] });
 * numbers[0] = 9; // x has its own copy
 * assert.deepEqual(await x.array(), [[1, 2], [3, 4]]);
 * ```
 *
 * @throws {TypeError} when the data do not fill the shape, nested arrays are ragged, the device does not support
 * the dtype, or no device is given and there is no default.
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  const device = options.device ?? getDefaultDevice();
  const { array, shape, dtype } = checkData("tensor", data, { ...options, device });
  return leaf(array, { shape, dtype }, device);
}

/**
 * Resolves data and options to a host array, its shape and its dtype. The array is fresh, unless it is `borrowed`: then it
 * may be the data themselves, for a caller who copies them at once.
 */
export function checkData(
  name: string,
  data: TensorData,
  options: TensorOptions & { readonly device: Device },
  borrowed: boolean = false,
): { array: HostArray; shape: Shape; dtype: DType } {
  const flat = ArrayBuffer.isView(data) ? data : flatten(name, data);
  const dtype = options.dtype ?? naturalDType(data, flat);
  if (!ALL_DTYPES.includes(dtype)) {
    throw new TypeError(`${name}: expects a dtype of ${ALL_DTYPES.join(", ")}, got ${dtype}`);
  }
  expectSupport(name, options.device, dtype);
  const shape = [
    ...checkShape(name, options.shape ?? (ArrayBuffer.isView(data) ? [flat.length] : nestedShape(data))),
  ];
  if (sizeOf(shape) !== flat.length) {
    throw new TypeError(`${name}: shape ${show(shape)} wants ${sizeOf(shape)} elements, got ${flat.length}`);
  }
  const { precision } = options.device;
  const isHost = flat.constructor === hostArray(dtype, 0, precision).constructor;
  const asItIs = borrowed && isHost && dtype !== "bool" && dtype !== "f16";
  return { array: asItIs ? flat as HostArray : toHost(flat, dtype, precision), shape, dtype };
}

function toHost(values: ArrayLike<number>, dtype: DType, precision: Precision): HostArray {
  const array = hostArray(dtype, values.length, precision);
  // An array of the dtype's own kind is copied as it is.
  const same = ArrayBuffer.isView(values) &&
    (dtype === "f32" || (dtype !== "bool" && values.constructor === array.constructor));
  if (same && dtype !== "f16") array.set(values as HostArray);
  else for (let i = 0; i < values.length; i++) array[i] = convert(values[i]!, dtype, precision);
  return array;
}

function naturalDType(data: TensorData, flat: ArrayLike<number>): DType {
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Uint32Array) return "u32";
  if (data instanceof Uint8Array) return "u8";
  let first: unknown = data;
  while (Array.isArray(first)) first = first[0];
  return typeof first === "boolean" && flat.length > 0 ? "bool" : "f32";
}

function nestedShape(data: NestedData | HostArray): number[] {
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

function flatten(name: string, data: NestedData): number[] {
  const flat: number[] = [];
  const shape = nestedShape(data);
  const walk = (level: NestedData, depth: number) => {
    const isList = Array.isArray(level);
    if (isList !== (depth < shape.length) || (isList && level.length !== shape[depth])) {
      throw new TypeError(
        `${name}: nested arrays must have equal lengths at each depth, as in ${show(shape)}`,
      );
    }
    if (isList) { for (const item of level) walk(item, depth + 1); }
    else if (typeof level === "number" || typeof level === "boolean") flat.push(Number(level));
    else throw new TypeError(`${name}: expects numbers or booleans, got ${typeof level}`);
  };
  walk(data, 0);
  return flat;
}

/**
 * Shape, dtype (default f32) and device of a tensor that is made from nothing.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type FillOptions, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const counters: FillOptions = { dtype: "i32" };
 * assert.equal(zeros([10], counters).dtype, "i32");
 * assert.equal(zeros([10]).dtype, "f32");
 * ```
 */
export type FillOptions = Omit<TensorOptions, "shape">;

/**
 * A tensor of zeros.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * assert.deepEqual(await zeros([2, 3]).array(), [[0, 0, 0], [0, 0, 0]]);
 * assert.equal(zeros([0, 3]).size, 0); // tensors may be empty
 * ```
 *
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function zeros(shape: Shape, options: FillOptions = {}): Tensor {
  return full(shape, 0, options);
}

/**
 * A tensor of ones.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await ones([2]).matmul(x).array(), [4, 6]); // sums the columns
 * ```
 *
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function ones(shape: Shape, options: FillOptions = {}): Tensor {
  return full(shape, 1, options);
}

/**
 * A tensor that is `value` everywhere. It takes no memory until something writes to it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, full, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = full([1000, 1000], 0.5);
 * assert.equal(x.node?.op.name, "broadcastTo"); // one number that is read a million times
 * assert.equal(await x.sum().item(), 500_000);
 * ```
 *
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function full(shape: Shape, value: number, options: FillOptions = {}): Tensor {
  return tensor(value, { ...options, dtype: options.dtype ?? "f32" }).broadcastTo(shape);
}

/**
 * 0, 1, ... n - 1: a vector of shape [n], i32 unless told otherwise.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * assert.deepEqual(await arange(3).data(), Int32Array.of(0, 1, 2));
 * const grid = arange(6, { dtype: "f32" }).reshape([2, 3]);
 * assert.deepEqual(await grid.array(), [[0, 1, 2], [3, 4, 5]]);
 * ```
 *
 * @throws {RangeError} when n is no whole number from 0.
 */
export function arange(n: number, options: FillOptions = {}): Tensor {
  checkShape("arange", [n]);
  return tensor(Int32Array.from({ length: n }, (_, i) => i), { dtype: "i32", ...options });
}
