/**
 * Element types: their names, their arrays on the host, and how two of them meet.
 *
 * @module
 */

/**
 * The type of a tensor's elements. `u8` is for storage (images); `bool` holds 0 or 1.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type DType, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const kept = (dtype: DType) => tensor([2.1, -1], { dtype }).array();
 * assert.deepEqual(await kept("f32"), [2.1, -1].map(Math.fround));
 * assert.deepEqual(await kept("f16"), [2.099609375, -1]); // 11 significant bits
 * assert.deepEqual(await kept("i32"), [2, -1]);
 * assert.deepEqual(await kept("u8"), [2, 0]);
 * assert.deepEqual(await kept("bool"), [1, 1]);
 * ```
 */
export type DType = "f32" | "f16" | "i32" | "u32" | "u8" | "bool";

/**
 * An array that holds a tensor's elements on the host: Float32Array for f32 and f16 (Float64Array on an f64
 * device), Int32Array, Uint32Array, and Uint8Array for u8 and bool.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type HostArray, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const data: HostArray = await tensor([1, 2]).data();
 * assert.ok(data instanceof Float32Array);
 * assert.ok(await tensor([true]).data() instanceof Uint8Array);
 * assert.ok(await tensor([1], { dtype: "i32" }).data() instanceof Int32Array);
 * ```
 */
export type HostArray = Float64Array | Float32Array | Int32Array | Uint32Array | Uint8Array;

/**
 * How floats are kept on the host: `f32` (f16 widened) or, on a CPU device made for it, `f64`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type Precision, tensor } from "@fermi/fermi";
 *
 * const third = async (precision: Precision) =>
 *   await tensor(1, { device: await device("cpu", { precision }) }).div(3).item();
 * assert.equal(await third("f64"), 1 / 3);
 * assert.equal(await third("f32"), Math.fround(1 / 3));
 * ```
 */
export type Precision = "f32" | "f64";

/** The dtypes of real numbers, which gradients flow through. */
export const FLOATS: readonly DType[] = ["f32", "f16"];
/** The dtypes that arithmetic is defined on. */
export const NUMBERS: readonly DType[] = ["f32", "f16", "i32", "u32"];
/** Every dtype. */
export const ALL_DTYPES: readonly DType[] = ["f32", "f16", "i32", "u32", "u8", "bool"];

/** Whether `dtype` holds real numbers. */
export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** Makes a zeroed host array for `length` elements of `dtype`. */
export function hostArray(dtype: DType, length: number, precision: Precision = "f32"): HostArray {
  switch (dtype) {
    case "f32":
    case "f16":
      return precision === "f64" ? new Float64Array(length) : new Float32Array(length);
    case "i32":
      return new Int32Array(length);
    case "u32":
      return new Uint32Array(length);
    case "u8":
    case "bool":
      return new Uint8Array(length);
    default:
      return dtype satisfies never;
  }
}

/**
 * The dtype in which two operands meet: `bool < u8 < i32, u32 < f16 < f32`.
 *
 * @throws {TypeError} for `i32` with `u32`, which have no common type.
 */
export function promote(op: string, a: DType, b: DType): DType {
  if (a === b) return a;
  const rank: Record<DType, number> = { bool: 0, u8: 1, i32: 2, u32: 2, f16: 3, f32: 4 };
  if (rank[a] === rank[b]) throw new TypeError(`${op}: ${a} and ${b} have no common dtype, cast one of them`);
  return rank[a] > rank[b] ? a : b;
}

/** Converts one number to what `dtype` can hold: floats are rounded, integers truncated and clamped. */
export function convert(value: number, dtype: DType, precision: Precision = "f32"): number {
  switch (dtype) {
    case "f32":
      return precision === "f64" ? value : Math.fround(value);
    case "f16":
      return precision === "f64" ? value : roundToF16(value);
    case "i32":
      return clampTruncate(value, -2147483648, 2147483647);
    case "u32":
      return clampTruncate(value, 0, 4294967295);
    case "u8":
      return clampTruncate(value, 0, 255);
    case "bool":
      return value === 0 ? 0 : 1;
    default:
      return dtype satisfies never;
  }
}

function clampTruncate(value: number, low: number, high: number): number {
  return Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)));
}

const f64Pair = new Float64Array(2);
const f64Words = new Uint32Array(f64Pair.buffer);

/** Rounds to the nearest IEEE half, ties to even; over 65,519 becomes infinity. */
export function roundToF16(value: number): number {
  if (!(Math.abs(value) < 65520)) return value * Infinity;
  // The spacing of halves is 2^(e - 10), and 2^-24 below the smallest normal number 2^-14. Beside 1.5 times 2^(e + 42) it is
  // that of doubles, whose addition then rounds.
  f64Pair[0] = value;
  const exponent = Math.max((f64Words[1]! >>> 20) & 0x7ff, 1023 - 14);
  f64Words[3] = ((exponent + 42) << 20) | 0x80000;
  const rounded = value + f64Pair[1]! - f64Pair[1]!;
  return rounded === 0 ? value * 0 : rounded;
}

const f32Bits = new Float32Array(1);
const u32Bits = new Uint32Array(f32Bits.buffer);

/** The 16 bits of a number that is already a half. */
export function f16ToBits(value: number): number {
  f32Bits[0] = value;
  const bits = u32Bits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | Math.round(magnitude * 2 ** 24);
  return sign | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

/** The number that 16 bits of a half stand for. */
export function f16FromBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
