/**
 * Ops that see all elements of a tensor along other axes.
 *
 * @module
 */

import { applyOne, type Primitive } from "../../declare.ts";
import {
  checkShape,
  normalizeAxes,
  normalizeAxis,
  sameShape,
  type Shape,
  show,
  sizeOf,
} from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { sum } from "../reduction.ts";

/** A shape to take on. */
export interface ShapeAttributes {
  readonly shape: Shape;
}

/** The same elements under another shape. */
export const reshapeOp: Primitive<"reshape", ShapeAttributes> = {
  name: "reshape",
  doc: "the same elements in the same order, in another shape",
  infer([x], { shape }) {
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw new TypeError(
        `reshape: ${show(x!.shape)} has ${sizeOf(x!.shape)} elements, ${show(shape)} wants ${sizeOf(shape)}`,
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], cotangent }) => [reshape(cotangent, x!.shape)],
};

/** Repetition along new axes and along axes of extent 1. */
export const broadcastToOp: Primitive<"broadcastTo", ShapeAttributes> = {
  name: "broadcastTo",
  doc: "x repeated along new leading axes and along axes of extent 1",
  infer([x], { shape }) {
    const lead = shape.length - x!.shape.length;
    if (lead < 0 || x!.shape.some((extent, axis) => extent !== 1 && extent !== shape[lead + axis])) {
      throw new TypeError(`broadcastTo: ${show(x!.shape)} does not broadcast to ${show(shape)}`);
    }
    return [{ shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], attributes: { shape }, cotangent }) => {
    const lead = shape.length - x!.shape.length;
    const repeated = [...shape.keys()].filter((axis) => axis < lead || x!.shape[axis - lead] !== shape[axis]);
    return [reshape(sum(cotangent, { axis: repeated }), x!.shape)];
  },
};

/** An order of axes. */
export interface TransposeAttributes {
  /** Output axis i is input axis `permutation[i]`. */
  readonly permutation: readonly number[];
}

/** Reordered axes. */
export const transposeOp: Primitive<"transpose", TransposeAttributes> = {
  name: "transpose",
  doc: "the axes in another order: output axis i is input axis permutation[i]",
  infer([x], { permutation }) {
    return [{ shape: permutation.map((axis) => x!.shape[axis]!), dtype: x!.dtype }];
  },
  gradient: ({ attributes: { permutation }, cotangent }) => [
    transpose(cotangent, permutation.map((_, axis) => permutation.indexOf(axis))),
  ],
};

/** Axes to reverse. */
export interface FlipAttributes {
  readonly axes: readonly number[];
}

/** Reversed axes. */
export const flipOp: Primitive<"flip", FlipAttributes> = {
  name: "flip",
  doc: "the elements in reverse order along the given axes",
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  gradient: ({ attributes: { axes }, cotangent }) => [flip(cotangent, { axis: axes })],
};

/**
 * The same elements in the same (row-major) order, in another shape; one extent may be -1 and is worked out.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, reshape, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = arange(6);
 * assert.deepEqual(await reshape(x, [2, -1]).array(), [[0, 1, 2], [3, 4, 5]]);
 * assert.deepEqual(reshape(x, [1, 6, 1]).shape, [1, 6, 1]);
 * assert.throws(() => reshape(x, [4, -1]), TypeError);
 * ```
 *
 * @throws {TypeError} when the number of elements differs.
 * @throws {RangeError} for an extent below -1.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((size, extent) => extent === -1 ? size : size * extent, 1);
  const resolved = shape.map((extent) => extent === -1 ? (known === 0 ? 0 : x.size / known) : extent);
  if (
    shape.filter((extent) => extent === -1).length > 1 || resolved.some((extent) => !Number.isInteger(extent))
  ) {
    throw new TypeError(`reshape: ${show(x.shape)} cannot take the shape ${show(shape)}`);
  }
  if (sameShape(resolved, x.shape)) return x;
  return applyOne(reshapeOp, [x], { shape: checkShape("reshape", resolved) });
}

/**
 * Repeats x to `shape` by NumPy's broadcasting rule: along new leading axes, and along axes of extent 1.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { broadcastTo, device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1], [2]]);
 * assert.deepEqual(await broadcastTo(x, [2, 3]).array(), [[1, 1, 1], [2, 2, 2]]);
 * const [dx] = gradients(broadcastTo(x, [4, 2, 3]), [x]);
 * assert.deepEqual(await dx!.array(), [[12], [12]]); // summed over the repetitions
 * ```
 *
 * @throws {TypeError} when x does not broadcast to it.
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  return applyOne(broadcastToOp, [x], { shape: [...checkShape("broadcastTo", shape)] });
}

/**
 * Reorders the axes: axis i of the result is axis `permutation[i]` of x. Without a permutation the order is reversed.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, tensor, transpose, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const matrix = tensor([[1, 2, 3], [4, 5, 6]]);
 * assert.deepEqual(await transpose(matrix).array(), [[1, 4], [2, 5], [3, 6]]);
 * const image = zeros([1, 480, 640, 3]); // NHWC, as decoders give it
 * assert.deepEqual(transpose(image, [0, 3, 1, 2]).shape, [1, 3, 480, 640]); // NCHW
 * ```
 *
 * @throws {RangeError} when `permutation` does not name every axis once.
 */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const rank = x.shape.length;
  const order = permutation?.map((axis) => normalizeAxis("transpose", axis, rank)) ??
    [...x.shape.keys()].reverse();
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new RangeError(`transpose: permutation ${show(order)} must name each of ${rank} axes once`);
  }
  if (order.every((axis, i) => axis === i)) return x;
  return applyOne(transposeOp, [x], { permutation: order });
}

/**
 * Reverses the elements along `axis` (a number or a list, negative from the end; left out: all).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, flip, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await flip(image, { axis: -1 }).array(), [[2, 1], [4, 3]]); // mirrored
 * assert.deepEqual(await flip(image).array(), [[4, 3], [2, 1]]);
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice.
 */
export function flip(x: Tensor, options: { readonly axis?: number | readonly number[] } = {}): Tensor {
  return applyOne(flipOp, [x], { axes: normalizeAxes("flip", options.axis, x.shape.length) });
}
