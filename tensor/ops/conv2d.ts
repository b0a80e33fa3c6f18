/**
 * Convolution of images. The three passes are primitives, and the gradients of each are the other two, so gradients
 * of any order come for free.
 *
 * @module
 */

import {
  apply,
  applyOne,
  type Composite,
  expectDType,
  expectRank,
  expectShape,
  type Primitive,
  type Spec,
} from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { type Padding, type Pair, pair, type Shape, type Sides, sides, windows } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./elementwise/mod.ts";
import { reshape } from "./movement/mod.ts";
import { sum } from "./reduction.ts";

// ---- declarations -------------------------------------------------------------------------------------------

/** How the windows lie. */
export interface ConvGeometry {
  readonly stride: readonly [number, number];
  /** top, left, bottom, right */
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** Geometry, and the shape of the result that the operands do not tell. */
export interface ConvGradientAttributes extends ConvGeometry {
  readonly shape: Shape;
}

function outputShape(x: Shape, weight: Shape, { stride, padding, dilation, groups }: ConvGeometry): number[] {
  const [batch, channels, height, width] = x as [number, number, number, number];
  const [outChannels, groupChannels, windowY, windowX] = weight as [number, number, number, number];
  if (channels % groups !== 0) {
    throw new TypeError(`conv2d: ${channels} input channels do not divide into ${groups} groups`);
  }
  if (channels !== groupChannels * groups) {
    throw new TypeError(
      `conv2d: weight expects ${channels / groups} input channels per group ` +
        `(${channels} / ${groups}), got ${groupChannels}`,
    );
  }
  if (outChannels % groups !== 0) {
    throw new TypeError(`conv2d: ${outChannels} output channels do not divide into ${groups} groups`);
  }
  const [top, left, bottom, right] = padding;
  return [
    batch,
    outChannels,
    windows("conv2d", height, top + bottom, windowY, stride[0], dilation[0]),
    windows("conv2d", width, left + right, windowX, stride[1], dilation[1]),
  ];
}

function expectImages(name: string, x: Spec, other: Spec, otherLayout: string): void {
  expectDType(name, x, FLOATS, "images");
  expectDType(name, other, [x.dtype], otherLayout);
  expectRank(name, x, 4, "images [N, channels, height, width]");
  expectRank(name, other, 4, otherLayout);
}

/** Convolution, in the cross-correlation sense of the field. */
export const conv2dOp: Primitive<"conv2d", ConvGeometry> = {
  name: "conv2d",
  doc:
    "y[n,o,i,j] = sum over c,u,v of x[n, c, i*stride + u*dilation - padding, ...] * weight[o,c,u,v], within groups",
  infer([x, weight], geometry) {
    expectImages("conv2d", x!, weight!, "a weight [out, in / groups, height, width]");
    return [{ shape: outputShape(x!.shape, weight!.shape, geometry), dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x, weight], attributes, cotangent }) => [
    conv2dInputGradient(cotangent, weight!, { ...attributes, shape: x!.shape }),
    conv2dWeightGradient(x!, cotangent, { ...attributes, shape: weight!.shape }),
  ],
};

/** The gradient of conv2d for its input. */
export const conv2dInputGradientOp: Primitive<"conv2dInputGradient", ConvGradientAttributes> = {
  name: "conv2dInputGradient",
  doc:
    "dx[n,c,y,x] = sum of dy[n,o,i,j] * weight[o,c,u,v] where i*stride + u*dilation - padding = y, likewise x",
  infer([dy, weight], attributes) {
    expectImages("conv2dInputGradient", dy!, weight!, "a weight [out, in / groups, height, width]");
    const outputs = outputShape(attributes.shape, weight!.shape, attributes);
    expectShape("conv2dInputGradient", dy!, outputs, "output gradients");
    return [{ shape: attributes.shape, dtype: dy!.dtype }];
  },
  gradient: ({ inputs: [dy, weight], attributes, cotangent }) => [
    conv2d(cotangent, weight!, attributes),
    conv2dWeightGradient(cotangent, dy!, { ...attributes, shape: weight!.shape }),
  ],
};

/** The gradient of conv2d for its weight. */
export const conv2dWeightGradientOp: Primitive<"conv2dWeightGradient", ConvGradientAttributes> = {
  name: "conv2dWeightGradient",
  doc: "dw[o,c,u,v] = sum over n,i,j of dy[n,o,i,j] * x[n, c, i*stride + u*dilation - padding, ...]",
  infer([x, dy], attributes) {
    expectImages("conv2dWeightGradient", x!, dy!, "output gradients [N, out, height, width]");
    const outputs = outputShape(x!.shape, attributes.shape, attributes);
    expectShape("conv2dWeightGradient", dy!, outputs, "output gradients");
    return [{ shape: attributes.shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x, dy], attributes, cotangent }) => [
    conv2dInputGradient(dy!, cotangent, { ...attributes, shape: x!.shape }),
    conv2d(x!, cotangent, attributes),
  ],
};

/** Convolution with a bias, so that one pass over the gradient of its result gives the gradients of weight and bias. */
export const conv2dWithBiasOp: Composite<"conv2dWithBias", ConvGeometry> = {
  name: "conv2dWithBias",
  doc: "y = conv2d(x, weight) + bias[o]",
  infer([x, weight, bias], geometry) {
    const outputs = conv2dOp.infer([x!, weight!], geometry);
    expectDType("conv2d", bias!, [x!.dtype], "a bias");
    expectShape("conv2d", bias!, [weight!.shape[0]!], "a bias");
    return outputs;
  },
  decompose: ([x, weight, bias], geometry) => [
    add(applyOne(conv2dOp, [x!, weight!], geometry), reshape(bias!, [1, -1, 1, 1])),
  ],
  gradient: ({ inputs: [x, weight], attributes, cotangent }) => [
    conv2dInputGradient(cotangent, weight!, { ...attributes, shape: x!.shape }),
    ...apply(conv2dParameterGradientsOp, [x!, cotangent], { ...attributes, shape: weight!.shape }),
  ],
};

/** The gradients of conv2d for its weight and its bias. */
export const conv2dParameterGradientsOp: Composite<"conv2dParameterGradients", ConvGradientAttributes> = {
  name: "conv2dParameterGradients",
  doc: "dw = conv2dWeightGradient(x, dy) and db[o] = sum over n,i,j of dy[n,o,i,j]",
  infer(inputs, attributes) {
    const [weight] = conv2dWeightGradientOp.infer(inputs, attributes);
    return [weight!, { shape: [weight!.shape[0]!], dtype: weight!.dtype }];
  },
  decompose: ([x, dy], attributes) => [
    applyOne(conv2dWeightGradientOp, [x!, dy!], attributes),
    sum(dy!, { axis: [0, 2, 3] }),
  ],
};

// ---- functions ----------------------------------------------------------------------------------------------

/**
 * What conv2d takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { conv2d, type Conv2dOptions, device, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: Conv2dOptions = { stride: 4, padding: 2 }; // the first layer of AlexNet
 * const maps = conv2d(zeros([1, 3, 224, 224]), zeros([96, 3, 11, 11]), options);
 * assert.deepEqual(maps.shape, [1, 96, 55, 55]); // floor((224 + 2 + 2 - 11) / 4) + 1
 * ```
 */
export interface Conv2dOptions {
  /** Step of the windows, default 1. */
  readonly stride?: Pair;
  /** Zeros around the image, default 0. */
  readonly padding?: Padding;
  /** Step within a window, default 1. */
  readonly dilation?: Pair;
  /** Parts of the channels that do not see each other, default 1. */
  readonly groups?: number;
}

/**
 * What the forward pass takes besides.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { conv2d, type Conv2dForwardOptions, device, ones, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: Conv2dForwardOptions = { bias: tensor([10, 20]) };
 * const y = conv2d(ones([1, 1, 1, 1]), ones([2, 1, 1, 1]), options);
 * assert.deepEqual(await y.data(), Float32Array.of(11, 21));
 * ```
 */
export interface Conv2dForwardOptions extends Conv2dOptions {
  /** A number [out] to add to each output map; default none. */
  readonly bias?: Tensor | null;
}

/**
 * Convolution of images (cross-correlation, as in all of deep learning): y[n, o, i, j] is the sum over c, u, v of
 * x[n, c, i stride + u dilation - padding, likewise j and v] weight[o, c, u, v]; with groups, c runs over the
 * channels of o's group. With a bias, bias[o] is added.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, conv2d, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = arange(9, { dtype: "f32" }).reshape([1, 1, 3, 3]);
 * const differences = tensor([[[[-1, 1]]]]); // right neighbour minus left
 * const y = conv2d(image, differences);
 * assert.deepEqual(await y.array(), [[[[1, 1], [1, 1], [1, 1]]]]);
 * ```
 *
 * @param x images [N, in, height, width]
 * @param weight [out, in / groups, height, width]
 * @returns [N, out, floor((height + padding - reach) / stride) + 1, likewise width], where reach is (window - 1)
 * dilation + 1
 * @throws {TypeError} when channels, groups, the bias or dtypes do not fit.
 * @throws {RangeError} when an option is out of range or the window does not fit into the image.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dForwardOptions = {}): Tensor {
  const attributes = geometry("conv2d", options);
  const { bias } = options;
  return bias
    ? applyOne(conv2dWithBiasOp, [x, weight, bias], attributes)
    : applyOne(conv2dOp, [x, weight], attributes);
}

/**
 * The gradient of conv2d for its input, whose shape is given: dy [N, out, ...], weight as conv2d's. Elsewhere it
 * is known as transposed convolution.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { conv2dInputGradient, device, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const dy = ones([1, 1, 2, 2]);
 * const weight = ones([1, 1, 2, 2]);
 * const dx = conv2dInputGradient(dy, weight, { shape: [1, 1, 3, 3] });
 * assert.deepEqual(await dx.array(), [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]); // how many windows saw it
 * ```
 *
 * @param options those of the forward pass, and the shape [N, in, height, width] of its input
 * @throws {TypeError} when dy does not have the shape of that pass's output, or the dtypes differ.
 */
export function conv2dInputGradient(
  dy: Tensor,
  weight: Tensor,
  options: Conv2dOptions & { readonly shape: Shape },
): Tensor {
  const attributes = { ...geometry("conv2dInputGradient", options), shape: options.shape };
  return applyOne(conv2dInputGradientOp, [dy, weight], attributes);
}

/**
 * The gradient of conv2d for its weight, whose shape is given: x as conv2d's, dy [N, out, ...].
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, conv2dWeightGradient, device, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = arange(9, { dtype: "f32" }).reshape([1, 1, 3, 3]);
 * const dy = ones([1, 1, 2, 2]);
 * const dw = conv2dWeightGradient(x, dy, { shape: [1, 1, 2, 2] });
 * assert.deepEqual(await dw.array(), [[[[8, 12], [20, 24]]]]); // the sum of what each weight met
 * ```
 *
 * @param options those of the forward pass, and the shape [out, in / groups, height, width] of its weight
 * @throws {TypeError} when dy does not have the shape of that pass's output, or the dtypes differ.
 */
export function conv2dWeightGradient(
  x: Tensor,
  dy: Tensor,
  options: Conv2dOptions & { readonly shape: Shape },
): Tensor {
  const attributes = { ...geometry("conv2dWeightGradient", options), shape: options.shape };
  return applyOne(conv2dWeightGradientOp, [x, dy], attributes);
}

function geometry(
  op: string,
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions,
): ConvGeometry {
  return {
    stride: pair(op, "stride", stride, 1),
    padding: sides(op, padding),
    dilation: pair(op, "dilation", dilation, 1),
    groups: pair(op, "groups", groups, 1)[0],
  };
}
