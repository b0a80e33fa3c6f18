/**
 * Local response normalisation (Krizhevsky et al. 2012, section 3.3). Composite: the definition is here, in sums
 * over neighbours; backends may do it in one pass.
 *
 * @module
 */

import { ones } from "../create.ts";
import { applyOne, type Composite, expectDType, expectRank } from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { pair, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { conv2d } from "./conv2d.ts";
import { add, cast, mul, pow, square, sub } from "./elementwise/mod.ts";
import { reshape } from "./movement/mod.ts";

/** Constants, and the towers whose maps do not see each other. */
export interface LocalResponseNormAttributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly groups: number;
}

/** The paper's constants (section 3.3), which nothing here departs from unless told to. */
export const paperConstants: Readonly<Record<"size" | "alpha" | "beta" | "k", number>> = {
  size: 5,
  alpha: 1e-4,
  beta: 0.75,
  k: 2,
};

/** Local response normalisation. */
export const localResponseNormOp: Composite<"localResponseNorm", LocalResponseNormAttributes> = {
  name: "localResponseNorm",
  doc:
    "y = a / scale^beta, and scale = k + alpha * sum of a^2 over `size` neighbouring maps of the same group",
  infer([x], { groups }) {
    expectDType("localResponseNorm", x!, FLOATS, "images");
    expectRank("localResponseNorm", x!, 4, "images [N, channels, height, width]");
    if (x!.shape[1]! % groups !== 0) {
      throw new TypeError(`localResponseNorm: ${x!.shape[1]} channels do not divide into ${groups} groups`);
    }
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  // In f32 also for f16, whose squares soon leave its range.
  decompose([x], attributes) {
    const wide = cast(x!, "f32");
    return [cast(mul(wide, pow(scaleOf(wide, attributes), -attributes.beta)), x!.dtype)];
  },
  gradient: ({ inputs: [x], attributes, cotangent }) => [
    applyOne(localResponseNormGradientOp, [cotangent, x!], attributes),
  ],
};

/**
 * The gradient of `localResponseNorm`. The scale is made again: that is a few sums, and to keep it would take as much
 * memory as the images until then.
 */
export const localResponseNormGradientOp: Composite<
  "localResponseNormGradient",
  LocalResponseNormAttributes
> = {
  name: "localResponseNormGradient",
  doc: "dx = dy scale^-beta - 2 alpha beta x * sum over the neighbours of dy x scale^-(beta + 1)",
  infer: ([, x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  decompose([dy, x], attributes) {
    const { alpha, beta } = attributes;
    const [wideDy, wide] = [cast(dy!, "f32"), cast(x!, "f32")];
    const scale = scaleOf(wide, attributes);
    const direct = mul(wideDy, pow(scale, -beta));
    const shares = mul(mul(wideDy, wide), pow(scale, -beta - 1));
    const sums = neighbourSum(shares, attributes, "after");
    return [cast(sub(direct, mul(mul(wide, 2 * alpha * beta), sums)), x!.dtype)];
  },
};

function scaleOf(x: Tensor, attributes: LocalResponseNormAttributes): Tensor {
  return add(mul(neighbourSum(square(x), attributes, "before"), attributes.alpha), attributes.k);
}

/**
 * The sum over the maps i - floor(size / 2) ... of `size` maps, as a convolution with ones; for an even size the window
 * reaches one further `before`. Its transpose, for the gradient, reaches one further `after`. In slices and sums, gradients
 * of gradients would be one kernel of size^3 terms.
 */
function neighbourSum(
  x: Tensor,
  { size, groups }: LocalResponseNormAttributes,
  longer: "before" | "after",
): Tensor {
  // No window fits into nothing.
  if (x.size === 0) return x;
  const [batch, channels, height, width] = x.shape as Shape & [number, number, number, number];
  const [long, short] = [Math.floor(size / 2), size - 1 - Math.floor(size / 2)];
  const [before, after] = longer === "before" ? [long, short] : [short, long];
  const towers = reshape(x, [batch * groups, 1, channels / groups, height * width]);
  const window = ones([1, 1, size, 1], { device: x.device });
  return reshape(conv2d(towers, window, { padding: [before, 0, after, 0] }), x.shape);
}

/**
 * What localResponseNorm takes; the paper's values are the defaults.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import {
 *   device,
 *   localResponseNorm,
 *   type LocalResponseNormOptions,
 *   ones,
 *   setDefaultDevice,
 * } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: LocalResponseNormOptions = { size: 3, alpha: 1, beta: 1, k: 0, groups: 2 };
 * const maps = ones([1, 4, 1, 1]); // two towers of two maps
 * const y = localResponseNorm(maps, options);
 * assert.deepEqual(await y.data(), Float32Array.of(0.5, 0.5, 0.5, 0.5)); // one group: 1/2 1/3 1/3 1/2
 * ```
 */
export interface LocalResponseNormOptions {
  /** How many neighbouring maps are summed, default 5. */
  readonly size?: number;
  /** Weight of the sum of squares, not divided by `size`; default 1e-4. */
  readonly alpha?: number;
  /** Exponent, default 0.75. */
  readonly beta?: number;
  /** Offset, default 2. */
  readonly k?: number;
  /** Towers: windows stay inside each of `groups` equal parts of the maps; default 1. */
  readonly groups?: number;
}

/**
 * Local response normalisation: `a / (k + alpha * sum(a^2 over size neighbouring maps))^beta` (Krizhevsky et al.
 * 2012, section 3.3). The window is centred on the map and cut off at the first and last one; an even size reaches
 * one map further towards the first. Caffe, PyTorch and ONNX divide alpha by size: pass `alpha: theirs / size` to
 * match them.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, localResponseNorm, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const maps = tensor([1, 1, 0, 1], { shape: [1, 4, 1, 1] });
 * const y = localResponseNorm(maps, { size: 3, alpha: 1, beta: 1, k: 0 });
 * assert.deepEqual(await y.data(), Float32Array.of(0.5, 0.5, 0, 1)); // active neighbours inhibit each other
 * ```
 *
 * @param x images [N, channels, height, width]
 * @returns the same shape
 * @throws {TypeError} when the groups do not divide the channels, or x is no float image.
 * @throws {RangeError} when size or groups is no whole number from 1.
 */
export function localResponseNorm(x: Tensor, options: LocalResponseNormOptions = {}): Tensor {
  const paper = paperConstants;
  const { size = paper.size, alpha = paper.alpha, beta = paper.beta, k = paper.k, groups = 1 } = options;
  pair("localResponseNorm", "size", size, 1);
  pair("localResponseNorm", "groups", groups, 1);
  return applyOne(localResponseNormOp, [x], { size, alpha, beta, k, groups });
}
