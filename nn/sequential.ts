/**
 * Layers one after the other, each with a name.
 *
 * @module
 */

import type { Parameter, Tensor } from "../tensor/mod.ts";
import { inLayer } from "../tensor/provenance.ts";
import { evaluation, type ForwardContext, Module } from "./module.ts";

/**
 * A network whose layers follow each other. Its parameters are named after the layers, as in `conv1.weight`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, randomKey, setDefaultDevice, splitKey } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [a, b] = splitKey(randomKey(0), 2);
 * const network = new nn.Sequential({
 *   hidden: new nn.Linear(3, 8, { key: a! }),
 *   relu: new nn.ReLU(),
 *   output: new nn.Linear(8, 2, { key: b!, bias: null }),
 * });
 * assert.deepEqual(network.forward(ones([5, 3])).shape, [5, 2]);
 * assert.deepEqual([...network.parameters().keys()], ["hidden.weight", "hidden.bias", "output.weight"]);
 * assert.ok(network.layers.get("relu") instanceof nn.ReLU);
 * ```
 */
export class Sequential extends Module {
  /** The layers in order. */
  readonly layers: ReadonlyMap<string, Module>;

  /**
   * Makes the network.
   *
   * @throws {RangeError} for a name made of digits alone, which JavaScript would put before the others.
   */
  constructor(layers: Readonly<Record<string, Module>>) {
    super();
    for (const name of Object.keys(layers)) {
      if (/^\d+$/.test(name)) throw new RangeError(`Sequential: a layer's name needs a letter, got ${name}`);
    }
    this.layers = new Map(Object.entries(layers));
    this.parameters();
  }

  /** Each layer's output is the next one's input. */
  override forward(x: Tensor, context: ForwardContext = evaluation): Tensor {
    return [...this.layers].reduce((y, [name, layer]) => inLayer(name, () => layer.forward(y, context)), x);
  }

  /** The layers. */
  protected override parts(): (readonly [string, Parameter | Module])[] {
    return [...this.layers];
  }
}
