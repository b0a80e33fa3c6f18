/**
 * The layers with parameters: convolution and the fully connected layer.
 *
 * @module
 */

import {
  cast,
  conv2d,
  type Conv2dOptions,
  type DType,
  foldIn,
  linear,
  matmul,
  type Pair,
  Parameter,
  type Shape,
  type Tensor,
} from "../tensor/mod.ts";
import { constant, he, type Initialiser } from "./initialisers.ts";
import { Module } from "./module.ts";

/**
 * What every layer with parameters takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: nn.LayerOptions = { key: randomKey(1), weight: nn.init.normal(0.01), bias: nn.init.constant(1) };
 * const layer = new nn.Linear(3, 2, options);
 * assert.deepEqual(await layer.bias!.array(), [1, 1]);
 * assert.equal(new nn.Linear(3, 2, { ...options, bias: null }).bias, null);
 * ```
 */
export interface LayerOptions {
  /** The key of this layer: its weight is drawn from `foldIn(key, 0)`, its bias from `foldIn(key, 1)`. Its device is the layer's. */
  readonly key: Tensor;
  /** How the weight starts, default `he()`. */
  readonly weight?: Initialiser;
  /** How the bias starts, default zeros; `null` for no bias. */
  readonly bias?: Initialiser | null;
  /** What the parameters are kept in, `f32` (default) or `f16`. Layers compute in the dtype of their input. */
  readonly dtype?: DType;
}

function makeWeight(shape: Shape, { key, weight = he(), dtype = "f32" }: LayerOptions): Parameter {
  return new Parameter(weight(shape, foldIn(key, 0), { dtype }), { name: "weight" });
}

function makeBias(size: number, { key, bias = constant(0), dtype = "f32" }: LayerOptions): Parameter | null {
  return bias && new Parameter(bias([size], foldIn(key, 1), { dtype }), { name: "bias" });
}

/**
 * Convolution of images [N, in, height, width] with a weight [out, in / groups, window, window], and a bias an output map.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const conv2 = new nn.Conv2d(96, 256, { window: 5, padding: 2, groups: 2, key: randomKey(1) });
 * assert.deepEqual(conv2.weight.shape, [256, 48, 5, 5]); // a tower sees half of the maps
 * assert.deepEqual(conv2.forward(zeros([1, 96, 27, 27])).shape, [1, 256, 27, 27]);
 * ```
 */
export class Conv2d extends Module {
  /** [out, in / groups, height, width] */
  readonly weight: Parameter;
  /** [out], or null */
  readonly bias: Parameter | null;
  /** Stride, padding, dilation and groups. */
  readonly geometry: Conv2dOptions;

  /**
   * Makes the layer; its parameters are described, not computed.
   *
   * @throws {TypeError} when the groups do not divide the channels.
   */
  constructor(
    inChannels: number,
    outChannels: number,
    options: LayerOptions & Conv2dOptions & {
      /** Extent of the windows. */
      readonly window: Pair;
    },
  ) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, window } = options;
    const [height, width] = typeof window === "number" ? [window, window] : window;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new TypeError(`Conv2d: ${groups} groups do not divide ${inChannels} and ${outChannels} channels`);
    }
    this.geometry = { stride, padding, dilation, groups };
    this.weight = makeWeight([outChannels, inChannels / groups, height, width], options);
    this.bias = makeBias(outChannels, options);
  }

  /** [N, in, height, width] to [N, out, ...], in the dtype of x, to which weight and bias are cast. */
  override forward(x: Tensor): Tensor {
    const bias = this.bias && cast(this.bias, x.dtype);
    const y = conv2d(x, cast(this.weight, x.dtype), { ...this.geometry, bias });
    // It is of that dtype. But JavaScriptCore keeps no frame of a call in tail position, and tools name this line.
    return cast(y, x.dtype);
  }
}

/**
 * The fully connected layer: x weight^T + bias, from [..., in] to [..., out].
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const layer = new nn.Linear(2, 1, { key: randomKey(1), bias: nn.init.constant(0.5) });
 * layer.weight.assign(tensor([[10, 1]]));
 * assert.deepEqual(await layer.forward(tensor([[1, 2], [3, 4]])).array(), [[12.5], [34.5]]);
 * ```
 */
export class Linear extends Module {
  /** [out, in] */
  readonly weight: Parameter;
  /** [out], or null */
  readonly bias: Parameter | null;

  /** Makes the layer; its parameters are described, not computed. */
  constructor(inFeatures: number, outFeatures: number, options: LayerOptions) {
    super();
    this.weight = makeWeight([outFeatures, inFeatures], options);
    this.bias = makeBias(outFeatures, options);
  }

  /** [..., in] to [..., out], in the dtype of x, to which weight and bias are cast. */
  override forward(x: Tensor): Tensor {
    const weight = cast(this.weight, x.dtype);
    // In f16 op by op: a driver may leave out the rounding between a sum and a cast that are one kernel.
    const fused = this.bias !== null && x.dtype === "f32";
    const y = fused ? linear(x, weight, this.bias) : matmul(x, weight.transpose());
    return this.bias === null || fused ? cast(y, x.dtype) : y.add(cast(this.bias, x.dtype));
  }
}
