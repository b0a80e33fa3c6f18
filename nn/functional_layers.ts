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

/**
 * max(x, 0), the rectified linear unit (Krizhevsky et al. 2012, section 3.1), as a layer.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const relu = new nn.ReLU();
 * assert.deepEqual(await relu.forward(tensor([-1, 2])).array(), [0, 2]);
 * assert.equal(relu.parameters().size, 0);
 * ```
 */
export class ReLU extends Module {
  /** Any shape. */
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/**
 * The hyperbolic tangent, as a layer.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const y = new nn.Tanh().forward(tensor([-20, 0, 20]));
 * assert.deepEqual(await y.array(), [-1, 0, 1]);
 * ```
 */
export class Tanh extends Module {
  /** Any shape. */
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/**
 * Max-pooling of images [N, channels, height, width], as a layer: see `maxPool2d`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const pool = new nn.MaxPool2d({ window: 3, stride: 2 }); // overlapping, as in AlexNet
 * assert.deepEqual(pool.forward(zeros([8, 256, 13, 13])).shape, [8, 256, 6, 6]);
 * ```
 */
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

/**
 * Average pooling of images [N, channels, height, width], as a layer: see `avgPool2d`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = tensor([[[[1, 3], [5, 7]]]]);
 * const overall = new nn.AvgPool2d({ window: 2 }); // the stride is the window, too
 * assert.deepEqual(await overall.forward(image).array(), [[[[4]]]]);
 * ```
 */
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

/**
 * The paper's local response normalisation (Krizhevsky et al. 2012, section 3.3), as a layer: see
 * `localResponseNorm`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const norm = new nn.LocalResponseNorm(); // size 5, alpha 1e-4, beta 0.75, k 2
 * const y = norm.forward(tensor([[[[10]]]]));
 * assert.ok(Math.abs(await y.item() - 10 / (2 + 1e-4 * 10 ** 2) ** 0.75) < 1e-5);
 * ```
 */
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

/**
 * Dropout (Krizhevsky et al. 2012, section 4.2), inverted: at test time it does nothing.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const dropout = new nn.Dropout({ p: 0.5 });
 * const x = ones([100]);
 * assert.equal(dropout.forward(x), x); // a test: nothing is done
 * const y = dropout.forward(x, nn.training(randomKey(1)));
 * assert.deepEqual(new Set(await y.data()), new Set([0, 2]));
 * ```
 */
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

/**
 * All axes but the first become one, in row-major order: what stands between convolutions and fully connected
 * layers.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const maps = zeros([8, 256, 6, 6]);
 * assert.deepEqual(new nn.Flatten().forward(maps).shape, [8, 9216]);
 * ```
 */
export class Flatten extends Module {
  /** [N, ...] to [N, features]. */
  override forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0]!, x.shape.slice(1).reduce((size, extent) => size * extent, 1)]);
  }
}
