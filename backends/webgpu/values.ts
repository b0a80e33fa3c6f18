/**
 * What a plan computes with: values, which get memory, and views, which only say how to read them.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import { sizeOf, stridesOf } from "../../tensor/shape.ts";

/** Where a value's memory comes from. */
export type Home =
  | { readonly kind: "workspace" } // shared by liveness within the plan, and by all plans of the device
  | { readonly kind: "input"; readonly leaf: number } // the plan's own copy of a leaf's numbers
  | { readonly kind: "scalar"; readonly leaf: number; readonly index: number } // a word of the plan's scalars
  | { readonly kind: "scalars" } // the plan's scalars themselves
  | { readonly kind: "state"; readonly buffer: GPUBuffer }; // a parameter's or an input slot's own buffer

/** An array in device memory, or one to be. */
export interface PlanValue {
  readonly dtype: DType;
  readonly length: number;
  /** The op that makes it, for messages. */
  readonly label: string;
  /** The layers that it belongs to, where somebody asked for them; behind a gradient's stands a prime. */
  readonly layers?: readonly string[] | undefined;
  /** Whether a kernel asked for it, so that it is no op's result. */
  readonly scratch?: boolean;
  home: Home;
}

/** A way to read a value: element (c0, c1, ...) stands at `offset + sum of c * stride`. */
export interface View {
  readonly value: PlanValue;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The bytes an element takes in a buffer. */
export const BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u32: 4, f16: 2, u8: 1, bool: 1 };

/** The bytes a value takes, padded so that four elements can always be read at once. */
export function byteLength({ dtype, length }: { readonly dtype: DType; readonly length: number }): number {
  return Math.max(16, Math.ceil(length * BYTES[dtype] / 16) * 16);
}

/** The view that is the whole value, row by row. */
export function wholeView(value: PlanValue, shape: readonly number[]): View {
  return { value, shape, strides: stridesOf(shape), offset: 0 };
}

/** The number of elements that a view shows. */
export function sizeOfView({ shape }: View): number {
  return sizeOf(shape);
}

/** Whether the view reads the whole of its value in order, so that its element i is the value's element i. */
export function isWhole(view: View): boolean {
  if (sizeOf(view.shape) !== view.value.length || view.offset !== 0) return false;
  return isContiguous(view);
}

/** Whether neighbours in the view are neighbours in memory. */
export function isContiguous({ shape, strides }: View): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Two views of a value with the same key show the same elements in the same order. */
export function viewKey(view: View): string {
  return isWhole(view) ? "whole" : `${view.shape}:${view.strides}:${view.offset}`;
}

/** The same elements in the same order with as few axes as possible, so that less index arithmetic is left. */
export function simplify(view: View): View {
  const shape: number[] = [];
  const strides: number[] = [];
  view.shape.forEach((extent, axis) => {
    if (extent === 1) return;
    const last = shape.length - 1;
    if (strides[last] === view.strides[axis]! * extent) {
      shape[last]! *= extent;
      strides[last] = view.strides[axis]!;
    } else {
      shape.push(extent);
      strides.push(view.strides[axis]!);
    }
  });
  return { ...view, shape, strides };
}
