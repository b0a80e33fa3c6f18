/**
 * How weights start. An initialiser describes a tensor of a given shape from a key; nothing is computed here.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const layer = new nn.Linear(3, 2, { key: randomKey(1), weight: nn.init.constant(0.5) });
 * assert.deepEqual(await layer.weight.array(), [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]);
 * ```
 *
 * @module
 */

import {
  type DType,
  full,
  normal as standardNormal,
  type Shape,
  type Tensor,
  uniform,
} from "../tensor/mod.ts";

/**
 * What an initialiser may be told.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: nn.init.InitialiserOptions = { dtype: "f16" };
 * const weight = nn.init.he()([256, 128], randomKey(1), options);
 * assert.equal(weight.dtype, "f16");
 * ```
 */
export interface InitialiserOptions {
  /** `f32` (default) or `f16`, to which the numbers are rounded last. */
  readonly dtype?: DType;
}

/**
 * Describes the start of a weight: OIHW for convolutions, [out, in] for linear layers. The key's device is its device.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, nn, oneHot, randomKey, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const identity: nn.init.Initialiser = ([out, inputs], key, options = {}) =>
 *   oneHot(arange(out!, { device: key.device }), inputs!, { dtype: options.dtype ?? "f32" });
 * const layer = new nn.Linear(2, 2, { key: randomKey(1), weight: identity });
 * assert.deepEqual(await layer.forward(tensor([[3, 4]])).array(), [[3, 4]]);
 * ```
 */
export type Initialiser = (shape: Shape, key: Tensor, options?: InitialiserOptions) => Tensor;

/** The inputs that one output adds up: in / groups * height * width. */
function fanIn(shape: Shape): number {
  return shape.slice(1).reduce((size, extent) => size * extent, 1);
}

/**
 * The same value everywhere. The key only says on which device.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const ones = nn.init.constant(1);
 * assert.deepEqual(await ones([3], randomKey(1)).array(), [1, 1, 1]); // draws nothing from the key
 * ```
 */
export function constant(value: number): Initialiser {
  return (shape, key, { dtype = "f32" }: InitialiserOptions = {}) =>
    full(shape, value, { dtype, device: key.device });
}

/**
 * Normal with mean 0 and standard deviation `std`; the paper's is 0.01 (Krizhevsky et al. 2012, section 5).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const weight = nn.init.normal(0.01)([100, 100], randomKey(1));
 * const deviation = await weight.square().mean().sqrt().item();
 * assert.ok(Math.abs(deviation - 0.01) < 0.0003);
 * ```
 */
export function normal(std: number): Initialiser {
  return (shape, key, { dtype = "f32" }: InitialiserOptions = {}) =>
    standardNormal(key, shape).mul(std).cast(dtype);
}

/**
 * Normal with variance 2 / fan-in, which keeps the scale of activations through ReLUs (He et al. 2015, equation 10).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const weight = nn.init.he()([64, 8, 5, 5], randomKey(1)); // one output adds up 8 * 5 * 5 = 200 inputs
 * const variance = await weight.square().mean().item();
 * assert.ok(Math.abs(variance - 2 / 200) < 0.0005);
 * ```
 */
export function he(): Initialiser {
  return (shape, key, options) => normal(Math.sqrt(2 / fanIn(shape)))(shape, key, options);
}

/**
 * Uniform from -sqrt(3 / fan-in) to sqrt(3 / fan-in), with variance 1 / fan-in, which keeps the scale through tanh
 * (LeCun et al. 1998, "Efficient BackProp", 4.6).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const weight = nn.init.lecun()([100, 75], randomKey(1)); // fan-in 75: the bound is sqrt(3 / 75) = 0.2
 * assert.ok(await weight.abs().max().item() <= 0.2001);
 * assert.ok(Math.abs(await weight.square().mean().item() - 1 / 75) < 0.0005);
 * ```
 */
export function lecun(): Initialiser {
  return (shape, key, { dtype = "f32" }: InitialiserOptions = {}) => {
    const bound = Math.sqrt(3 / fanIn(shape));
    return uniform(key, shape).mul(2 * bound).sub(bound).cast(dtype);
  };
}
