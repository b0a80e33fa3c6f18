/**
 * What a kernel of the CPU backend is, and the walk over positions that several families share.
 *
 * @module
 */

import type { DType, HostArray } from "../../../tensor/dtype.ts";
import type { Shape } from "../../../tensor/shape.ts";

/** A tensor whose numbers are known, row-major. */
export interface CpuArray {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: HostArray;
}

/**
 * Computes an op: fills `results`, which come zeroed, from `operands`. Shapes and dtypes were checked when the graph was
 * made. Sums are kept in f64 (a number, or a Float64Array) and stored once, since a store rounds to the result's dtype.
 */
export type CpuKernel<Attributes> = (
  operands: readonly CpuArray[],
  attributes: Attributes,
  results: readonly CpuArray[],
) => void;

/** The positions, in row-major order, of the elements of a box with these extents and strides. */
export function positionsOf(shape: Shape, strides: readonly number[], offset = 0): Int32Array {
  let positions = Int32Array.of(offset);
  shape.forEach((extent, axis) => {
    const stride = strides[axis]!;
    const next = new Int32Array(positions.length * extent);
    for (let i = 0, at = 0; i < positions.length; i++) {
      for (let k = 0; k < extent; k++) next[at++] = positions[i]! + k * stride;
    }
    positions = next;
  });
  return positions;
}
