/**
 * The layers without parameters: an op with its options, in the form of a module.
 *
 * @module
 */

import {
  avgPool2d,
  dropout,
  localResponseNorm,
  type LocalResponseNormOptions,
  maxPool2d,
  type Pool2dOptions,
  relu,
  tanh,
  type Tensor,
} from "../tensor/mod.ts";
import { evaluation, type ForwardContext, Module } from "./module.ts";

/** max(x, 0). */
export class ReLU extends Module {
  /** Any shape. */
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Module {
  /** Any shape. */
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** Max-pooling of images [N, channels, height, width]. */
export class MaxPool2d extends Module {
  /** Window, stride and padding. */
  readonly options: Pool2dOptions;

  /** Makes the layer. */
  constructor(options: Pool2dOptions) {
    super();
    this.options = options;
  }

  /** [N, channels, height, width] in and out. */
  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options);
  }
}

/** Average pooling of images [N, channels, height, width]. */
export class AvgPool2d extends Module {
  /** Window, stride and padding. */
  readonly options: Pool2dOptions;

  /** Makes the layer. */
  constructor(options: Pool2dOptions) {
    super();
    this.options = options;
  }

  /** [N, channels, height, width] in and out. */
  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options);
  }
}

/** The paper's local response normalisation (Krizhevsky et al. 2012, section 3.3). */
export class LocalResponseNorm extends Module {
  /** Size, alpha (not divided by size), beta, k and groups. */
  readonly options: LocalResponseNormOptions;

  /** Makes the layer; the paper's constants are the defaults. */
  constructor(options: LocalResponseNormOptions = {}) {
    super();
    this.options = options;
  }

  /** [N, channels, height, width] in and out. */
  override forward(x: Tensor): Tensor {
    return localResponseNorm(x, this.options);
  }
}

/** Dropout (Krizhevsky et al. 2012, section 4.2), inverted: at test time it does nothing. */
export class Dropout extends Module {
  /** The probability of being zeroed. */
  readonly p: number;

  /**
   * Makes the layer, p = 0.5 unless told otherwise.
   *
   * @throws {RangeError} unless 0 <= p < 1.
   */
  constructor(options: { readonly p?: number } = {}) {
    super();
    const { p = 0.5 } = options;
    if (!(p >= 0 && p < 1)) throw new RangeError(`Dropout: p must be in [0, 1), got ${p}`);
    this.p = p;
  }

  /** Any shape; a training pass wants a key. */
  override forward(x: Tensor, context: ForwardContext = evaluation): Tensor {
    return context.training && this.p > 0 ? dropout(x, context.nextKey(), { p: this.p }) : x;
  }
}

/** All axes but the first become one. */
export class Flatten extends Module {
  /** [N, ...] to [N, features]. */
  override forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0]!, x.shape.slice(1).reduce((size, extent) => size * extent, 1)]);
  }
}
