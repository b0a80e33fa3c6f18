/**
 * Pooling of images. Max-pooling keeps the index of each maximum, so that its gradients of any order are moves.
 *
 * @module
 */

import { apply, applyOne, expectDType, expectRank, type Primitive, type Spec } from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { type Padding, type Pair, pair, type Shape, show, type Sides, sides, windows } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

// ---- declarations -------------------------------------------------------------------------------------------

/** How the windows lie. */
export interface PoolGeometry {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  /** top, left, bottom, right */
  readonly padding: Sides;
}

/** Geometry, and the shape of the images. */
export interface PoolGradientAttributes extends PoolGeometry {
  readonly shape: Shape;
}

function pooled(name: string, x: Spec, { window, stride, padding }: PoolGeometry): Shape {
  expectDType(name, x, FLOATS, "images");
  expectRank(name, x, 4, "images [N, channels, height, width]");
  const [top, left, bottom, right] = padding;
  if (Math.max(top, bottom) >= window[0] || Math.max(left, right) >= window[1]) {
    throw new RangeError(`${name}: padding ${show(padding)} must be smaller than the window ${show(window)}`);
  }
  return [
    x.shape[0]!,
    x.shape[1]!,
    windows(name, x.shape[2]!, top + bottom, window[0], stride[0], 1),
    windows(name, x.shape[3]!, left + right, window[1], stride[1], 1),
  ];
}

/** Windows of up to so many elements keep the index of the maximum as a byte: a quarter of the memory until the gradient. */
const MOST_BYTES = 255;

/** Maximum of each window, and where it was. */
export const maxPool2dOp: Primitive<"maxPool2d", PoolGeometry> = {
  name: "maxPool2d",
  doc:
    "the maximum of each window and its row-major index in the window (u8; i32 for windows of over 255); padding is " +
    "-infinity, ties take the first",
  infer([x], geometry) {
    const shape = pooled("maxPool2d", x!, geometry);
    const index = geometry.window[0] * geometry.window[1] <= MOST_BYTES ? "u8" : "i32";
    return [{ shape, dtype: x!.dtype }, { shape, dtype: index }];
  },
  gradient: ({ inputs: [x], outputs: [, index], attributes, cotangent }) => [
    applyOne(maxPool2dGradientOp, [cotangent, index!], { ...attributes, shape: x!.shape }),
  ],
};

/** Sends a gradient back to where the maxima were. */
export const maxPool2dGradientOp: Primitive<"maxPool2dGradient", PoolGradientAttributes> = {
  name: "maxPool2dGradient",
  doc: "dx = sum of dy over the windows whose maximum the element was",
  infer: ([dy], { shape }) => [{ shape, dtype: dy!.dtype }],
  gradient: ({ inputs: [, index], attributes, cotangent }) => [
    applyOne(maxPool2dPickOp, [cotangent, index!], attributes),
    null,
  ],
};

/** Picks the elements that were maxima: the transpose of `maxPool2dGradient`. */
export const maxPool2dPickOp: Primitive<"maxPool2dPick", PoolGeometry> = {
  name: "maxPool2dPick",
  doc: "of each window, the element at the given index",
  infer: ([x, index]) => [{ shape: index!.shape, dtype: x!.dtype }],
  gradient: ({ inputs: [x, index], attributes, cotangent }) => [
    applyOne(maxPool2dGradientOp, [cotangent, index!], { ...attributes, shape: x!.shape }),
    null,
  ],
};

/** Mean of each window. */
export const avgPool2dOp: Primitive<"avgPool2d", PoolGeometry> = {
  name: "avgPool2d",
  doc: "the sum of each window, padding being 0, over the window's size",
  infer: ([x], geometry) => [{ shape: pooled("avgPool2d", x!, geometry), dtype: x!.dtype }],
  gradient: ({ inputs: [x], attributes, cotangent }) => [
    applyOne(avgPool2dGradientOp, [cotangent], { ...attributes, shape: x!.shape }),
  ],
};

/** Spreads a gradient over the windows. */
export const avgPool2dGradientOp: Primitive<"avgPool2dGradient", PoolGradientAttributes> = {
  name: "avgPool2dGradient",
  doc: "dx = sum of dy over the windows that hold the element, over the window's size",
  infer: ([dy], { shape }) => [{ shape, dtype: dy!.dtype }],
  gradient: ({ attributes: { window, stride, padding }, cotangent }) => [
    applyOne(avgPool2dOp, [cotangent], { window, stride, padding }),
  ],
};

// ---- functions ----------------------------------------------------------------------------------------------

/**
 * What pooling takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, maxPool2d, type Pool2dOptions, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const overlapping: Pool2dOptions = { window: 3, stride: 2 }; // as in AlexNet
 * assert.deepEqual(maxPool2d(zeros([1, 96, 55, 55]), overlapping).shape, [1, 96, 27, 27]);
 * assert.deepEqual(maxPool2d(zeros([1, 96, 55, 55]), { window: 3 }).shape, [1, 96, 18, 18]);
 * ```
 */
export interface Pool2dOptions {
  /** Extent of the windows. */
  readonly window: Pair;
  /** Step of the windows, default the window; smaller than the window, they overlap. */
  readonly stride?: Pair;
  /** Border, smaller than the window; default 0. */
  readonly padding?: Padding;
}

function geometry(op: string, { window, stride = window, padding = 0 }: Pool2dOptions): PoolGeometry {
  return {
    window: pair(op, "window", window, 1),
    stride: pair(op, "stride", stride, 1),
    padding: sides(op, padding),
  };
}

/**
 * The maximum of each window, [N, channels, height, width] in and out (Krizhevsky et al. 2012, section 3.4: window 3,
 * stride 2). Padding counts as -infinity; at a tie the gradient goes to the first element of the window.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, maxPool2d, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = tensor([[[[1, 3, 2], [3, 0, 1]]]]);
 * const y = maxPool2d(image, { window: 2, stride: 1 });
 * assert.deepEqual(await y.array(), [[[[3, 3]]]]);
 * const [dx] = gradients(y, [image]);
 * assert.deepEqual(await dx!.array(), [[[[0, 2, 0], [0, 0, 0]]]]); // ties: the first 3
 * ```
 *
 * @returns [N, channels, floor((height + padding - window) / stride) + 1, likewise width]
 * @throws {TypeError} when x is no float image.
 * @throws {RangeError} when a window does not fit or the padding is not smaller than the window.
 */
export function maxPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  return apply(maxPool2dOp, [x], geometry("maxPool2d", options))[0]!;
}

/**
 * The mean of each window, [N, channels, height, width] in and out; zeros of the padding are counted.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { avgPool2d, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = tensor([[[[1, 3], [5, 7]]]]);
 * assert.deepEqual(await avgPool2d(image, { window: 2 }).array(), [[[[4]]]]);
 * const padded = avgPool2d(image, { window: 2, padding: 1 });
 * assert.deepEqual(await padded.array(), [[[[0.25, 0.75], [1.25, 1.75]]]]); // always divided by 4
 * ```
 *
 * @returns [N, channels, floor((height + padding - window) / stride) + 1, likewise width]
 * @throws {TypeError} when x is no float image.
 * @throws {RangeError} when a window does not fit or the padding is not smaller than the window.
 */
export function avgPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  return applyOne(avgPool2dOp, [x], geometry("avgPool2d", options));
}
