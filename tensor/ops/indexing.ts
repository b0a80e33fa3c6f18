/**
 * Ops that pick elements by index. `scatterAdd` is the gradient of `gather`, and the other way round.
 *
 * @module
 */

import { hostTensorLike } from "../create.ts";
import { applyOne, expectDType, type Primitive } from "../declare.ts";
import type { DType } from "../dtype.ts";
import { checkShape, normalizeAxis, type Pair, pair, sameShape, show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cast, equal, neg, where } from "./elementwise/mod.ts";
import { concat, reshape, slice } from "./movement/mod.ts";
import { sum } from "./reduction.ts";

/** The axis that is indexed. */
export interface GatherAttributes {
  readonly axis: number;
}

/** Picking along an axis. */
export const gatherOp: Primitive<"gather", GatherAttributes> = {
  name: "gather",
  doc: "the slices of x along an axis that the indices name; an index out of range gives NaN (0 in integers)",
  infer([x, indices], { axis }) {
    expectDType("gather", indices!, ["i32"], "indices");
    return [{
      shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)],
      dtype: x!.dtype,
    }];
  },
  gradient: ({ inputs: [x, indices], attributes: { axis }, cotangent }) => [
    applyOne(scatterAddOp, [cotangent, indices!], { axis, extent: x!.shape[axis]! }),
    null,
  ],
};

/** The axis that is indexed, and its extent. */
export interface ScatterAttributes {
  readonly axis: number;
  readonly extent: number;
}

/** Adding up along an axis. */
export const scatterAddOp: Primitive<"scatterAdd", ScatterAttributes> = {
  name: "scatterAdd",
  doc: "zeros to which each slice of x is added at its index; an index out of range is left out",
  infer([x, indices], { axis, extent }) {
    expectDType("scatterAdd", x!, ["f32", "f16", "i32", "u32"]);
    expectDType("scatterAdd", indices!, ["i32"], "indices");
    const end = axis + indices!.shape.length;
    if (!sameShape(x!.shape.slice(axis, end), indices!.shape)) {
      throw new TypeError(
        `scatterAdd: ${show(x!.shape)} has no axes ${show(indices!.shape)} at axis ${axis}`,
      );
    }
    return [{ shape: [...x!.shape.slice(0, axis), extent, ...x!.shape.slice(end)], dtype: x!.dtype }];
  },
  gradient: ({ inputs: [, indices], attributes: { axis }, cotangent }) => [
    // In range by then: what scatterAdd left out must not come back as NaN.
    applyOne(gatherInRangeOp, [cotangent, indices!], { axis }),
    null,
  ],
};

/** Picking along an axis, 0 out of range. */
export const gatherInRangeOp: Primitive<"gatherInRange", GatherAttributes> = {
  ...gatherOp,
  name: "gatherInRange",
  doc: "gather in which an index out of range gives 0: the transpose of scatterAdd",
};

/** The extents of the parts. */
export interface CropAttributes {
  readonly size: readonly [number, number];
}

/** A part of each image. */
export const cropOp: Primitive<"crop", CropAttributes> = {
  name: "crop",
  doc: "y[.., n, c, i, j] = x[n, c, top + i, left + j], or left + width - 1 - j if mirrored; 0 outside of x",
  infer([x, places], { size }) {
    expectDType("crop", places!, ["i32"], "places");
    if (x!.shape.length !== 4) {
      throw new TypeError(`crop: expects images [N, C, H, W], got ${show(x!.shape)}`);
    }
    const [images, channels] = x!.shape;
    if (!sameShape(places!.shape.slice(-2), [images!, 3])) {
      throw new TypeError(
        `crop: expects places [..., ${images}, 3] for ${images} images, got ${show(places!.shape)}`,
      );
    }
    return [{ shape: [...places!.shape.slice(0, -1), channels!, ...size], dtype: x!.dtype }];
  },
  // A crop is undone by a crop: row r of x went to row r - top of y, so y is the image and -top the place.
  gradient: ({ inputs: [x, places], attributes: { size: [, width] }, cotangent }) => {
    const [images, channels, height, full] = x!.shape as [number, number, number, number];
    const times = sizeOf(places!.shape.slice(0, -2));
    const part = (axis: number) => slice(places!, { axis: -1, start: axis, end: axis + 1 });
    const [top, left, mirrored] = [part(0), part(1), part(2)];
    const from = where(equal(mirrored, 0), neg(left), left.add(width - full));
    const back = concat([neg(top), from, mirrored], { axis: -1 });
    const flat = reshape(cotangent, [times * images, channels, ...cotangent.shape.slice(-2)]);
    const undone = applyOne(cropOp, [flat, reshape(back, [times * images, 3])], { size: [height, full] });
    return [sum(reshape(undone, [times, ...x!.shape]), { axis: 0 }), null];
  },
};

/**
 * The slices of x along `axis` (default 0) that `indices` (i32, any shape) name: x [..., extent, ...] becomes
 * [..., indices.shape, ...]. An index out of range gives NaN in floats and 0 in integers. The gradient adds up
 * where an index comes twice.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gather, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const embeddings = tensor([[1, 2], [3, 4], [5, 6]]);
 * const words = tensor(Int32Array.of(2, 0, 2));
 * assert.deepEqual(await gather(embeddings, words).array(), [[5, 6], [1, 2], [5, 6]]);
 * const outside = tensor(Int32Array.of(-1)); // does not count from the end
 * assert.deepEqual(await gather(embeddings, outside).array(), [[NaN, NaN]]);
 * ```
 *
 * @throws {TypeError} when the indices are not i32.
 * @throws {RangeError} for an axis that x does not have.
 */
export function gather(x: Tensor, indices: Tensor, options: { readonly axis?: number } = {}): Tensor {
  return applyOne(gatherOp, [x, indices], {
    axis: normalizeAxis("gather", options.axis ?? 0, x.shape.length),
  });
}

/**
 * A part of each image: from images [N, C, H, W] and places [N, 3] of i32, rows (top, left, mirrored), the parts
 * [N, C, height, width] that begin there; one whose `mirrored` is not 0 is read from right to left. What lies outside of
 * an image is 0, so a place may be negative. Places [K, N, 3] give K parts of each image: [K, N, C, height, width].
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, crop, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const images = arange(9).add(1).reshape([1, 1, 3, 3]); // 1 2 3, 4 5 6, 7 8 9
 * const at = (...place: number[]) => tensor(Int32Array.from(place), { shape: [1, 3] });
 * assert.deepEqual(await crop(images, at(1, 0, 0), { size: 2 }).array(), [[[[4, 5], [7, 8]]]]);
 * assert.deepEqual(await crop(images, at(1, 0, 1), { size: 2 }).array(), [[[[5, 4], [8, 7]]]]);
 * assert.deepEqual(await crop(images, at(-1, 2, 0), { size: 2 }).array(), [[[[0, 0], [3, 0]]]]);
 * ```
 *
 * @throws {TypeError} when x is not [N, C, H, W], or the places are not i32 [..., N, 3].
 * @throws {RangeError} for a size that is no whole number from 0.
 */
export function crop(x: Tensor, places: Tensor, options: { readonly size: Pair }): Tensor {
  return applyOne(cropOp, [x, places], { size: pair("crop", "size", options.size, 0) });
}

/**
 * 1 at the index and 0 elsewhere, along a new last axis of `depth`: shape [...indices.shape, depth], dtype f32 unless
 * told otherwise. An index out of range gives zeros.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, oneHot, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const labels = tensor(Int32Array.of(2, 0));
 * assert.deepEqual(await oneHot(labels, 3).array(), [[0, 0, 1], [1, 0, 0]]);
 * ```
 *
 * @throws {TypeError} when the indices are not i32.
 * @throws {RangeError} when `depth` is no whole number from 0.
 */
export function oneHot(indices: Tensor, depth: number, options: { readonly dtype?: DType } = {}): Tensor {
  expectDType("oneHot", indices, ["i32"], "indices");
  checkShape("oneHot", [depth]);
  const classes = hostTensorLike(indices, Int32Array.from({ length: depth }, (_, i) => i));
  return cast(equal(reshape(indices, [...indices.shape, 1]), classes), options.dtype ?? "f32");
}
