/**
 * How weights start. An initialiser describes a tensor of a given shape from a key; nothing is computed here.
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

/** What an initialiser may be told. */
export interface InitialiserOptions {
  /** `f32` (default) or `f16`, to which the numbers are rounded last. */
  readonly dtype?: DType;
}

/** Describes the start of a weight: OIHW for convolutions, [out, in] for linear layers. The key's device is its device. */
export type Initialiser = (shape: Shape, key: Tensor, options?: InitialiserOptions) => Tensor;

/** The inputs that one output adds up: in / groups * height * width. */
function fanIn(shape: Shape): number {
  return shape.slice(1).reduce((size, extent) => size * extent, 1);
}

/** The same value everywhere. */
export function constant(value: number): Initialiser {
  return (shape, key, { dtype = "f32" } = {}) => full(shape, value, { dtype, device: key.device });
}

/** Normal with mean 0 and standard deviation `std`; the paper's is 0.01 (Krizhevsky et al. 2012, section 5). */
export function normal(std: number): Initialiser {
  return (shape, key, { dtype = "f32" } = {}) => standardNormal(key, shape).mul(std).cast(dtype);
}

/** Normal with variance 2 / fan-in, which keeps the scale of activations through ReLUs (He et al. 2015, equation 10). */
export function he(): Initialiser {
  return (shape, key, options) => normal(Math.sqrt(2 / fanIn(shape)))(shape, key, options);
}

/** Uniform with variance 1 / fan-in, which keeps the scale through tanh (LeCun et al. 1998, "Efficient BackProp", 4.6). */
export function lecun(): Initialiser {
  return (shape, key, { dtype = "f32" } = {}) => {
    const bound = Math.sqrt(3 / fanIn(shape));
    return uniform(key, shape).mul(2 * bound).sub(bound).cast(dtype);
  };
}
