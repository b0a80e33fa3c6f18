/**
 * Layers, initialisers and the networks. A layer is a module: it has parameters and takes a tensor forward.
 * Initialisers are in `nn.init`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, randomKey, setDefaultDevice, splitKey } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [hidden, output] = splitKey(randomKey(1), 2);
 * const network = new nn.Sequential({
 *   hidden: new nn.Linear(2, 8, { key: hidden! }),
 *   relu: new nn.ReLU(),
 *   output: new nn.Linear(8, 3, { key: output!, weight: nn.init.normal(0.01) }),
 * });
 * assert.deepEqual(network.forward(ones([5, 2])).shape, [5, 3]);
 * ```
 *
 * @module
 */

// Whole files, not lists of names: the documentation of the namespace `nn` shows only what comes to it this way.
export * from "./functional_layers.ts";
export * as init from "./initialisers.ts";
export * from "./layers.ts";
export * from "./models/mod.ts";
export * from "./module.ts";
export * from "./sequential.ts";
