// What one rounding costs, on WGSL's word: "correctly rounded" there means either neighbour, so an operation errs by up to
// one unit in the last place; results that are representable are exact; subnormals may be flushed to zero.

import type { CpuArray } from "../backends/cpu/kernels/kernel.ts";
import { type HostArray, roundToF16 } from "../tensor/dtype.ts";

/** One unit in the last place of an f32, relative, and of an f16. */
export const ULP: number = 2 ** -23;
const ULP16 = 2 ** -10;
/** The smallest normal f32 and f16. */
export const TINY: number = 2 ** -126;
const TINY16 = 2 ** -14;
/** Beyond these a device may overflow in between. */
const HUGE = 3e38;
const HUGE16 = 65000;

/** Adds the rounding of a store in half precision, and opens what may overflow. */
export function storeErrors({ dtype, data }: CpuArray, errors: Float64Array): Float64Array {
  if (dtype !== "f32" && dtype !== "f16") return errors;
  return errors.map((error, i) => {
    const value = data[i]!;
    // A NaN that was computed from exact operands has to be one; one in the error comes from Infinity * 0.
    if (Number.isNaN(error)) return Infinity;
    if (Number.isNaN(value)) return error;
    const largest = Math.abs(value) + error;
    if (largest > (dtype === "f16" ? HUGE16 : HUGE)) {
      return error === 0 && representable(value, dtype) ? 0 : Infinity;
    }
    if (dtype === "f32" || (error === 0 && representable(value, dtype))) return error;
    const flushed = Math.abs(value) - error < TINY16 ? TINY16 : 0;
    return error + Math.max(largest * ULP16, flushed);
  });
}

function representable(value: number, dtype: "f32" | "f16"): boolean {
  return dtype === "f16" ? roundToF16(value) === value : Math.fround(value) === value;
}

/** `count` roundings of `value`, which carries `error`. */
export function roundings(value: number, error: number, count: number): number {
  return count * ((Math.abs(value) + error) * ULP + TINY);
}

/** One rounding, none where operands and result are exact. */
export function oneRounding(value: number, error: number, exact: boolean): number {
  return error === 0 && exact && Math.fround(value) === value ? 0 : roundings(value, error, 1);
}

const grids = new WeakMap<HostArray, number | null>();

/** The largest g in -24..0 such that all numbers are multiples of 2^g; null when there is none. */
export function gridOf(data: HostArray): number | null {
  const known = grids.get(data);
  if (known !== undefined) return known;
  let grid: number | null = 0;
  for (const value of data) {
    while (grid !== null && !Number.isInteger(value * 2 ** -grid)) grid = grid > -24 ? grid - 1 : null;
    if (grid === null) break;
  }
  grids.set(data, grid);
  return grid;
}

/** Whether the errors are all 0. */
export function isExact({ errors }: { readonly errors: Float64Array }): boolean {
  return errors.every((error) => error === 0);
}

/**
 * The rounding of sums in any order, where `magnitudes` are the sums of the absolute values and each term passes through
 * as many roundings as `counts` says: (count + 1) ulp of them, one for what is of second order. Where everything is a multiple of 2^grid and no partial sum can reach 2^24 of those,
 * every intermediate result is an f32, and the sum is exact.
 */
export function sumErrors(
  magnitudes: Float64Array,
  counts: Float64Array,
  grid: number | null,
): Float64Array {
  const limit = grid === null ? -1 : 2 ** (24 + grid);
  return magnitudes.map((magnitude, i) =>
    magnitude <= limit || counts[i] === 0 ? 0 : (counts[i]! + 1) * (magnitude * ULP + TINY)
  );
}
