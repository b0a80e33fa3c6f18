/**
 * What a layer is: something with named parameters that takes a tensor forward.
 *
 * @module
 */

import { foldIn, Parameter, type Tensor } from "../tensor/mod.ts";

/**
 * How a forward pass is meant: in training, layers that draw random numbers take a key of their own from it, in the
 * order in which they are reached, so a fresh context with the same key repeats the pass bit for bit.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, setDefaultDevice, type Tensor, uniform, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * class Jitter extends nn.Module {
 *   override forward(x: Tensor, context: nn.ForwardContext = nn.evaluation): Tensor {
 *     return context.training ? x.add(uniform(context.nextKey(), x.shape)) : x;
 *   }
 * }
 * const [x, jitter] = [zeros([4]), new Jitter()];
 * assert.deepEqual(await jitter.forward(x).array(), [0, 0, 0, 0]);
 * const pass = () => jitter.forward(x, nn.training(randomKey(7))).array();
 * assert.deepEqual(await pass(), await pass()); // the same key: the same numbers
 * ```
 */
export class ForwardContext {
  /** Whether this pass trains. */
  readonly training: boolean;
  /** The key of the pass; null where nothing is drawn. */
  readonly key: Tensor | null;
  #drawn = 0;

  /** Contexts are made by `training(key)`; `evaluation` is the one for testing. */
  constructor(training: boolean, key: Tensor | null) {
    this.training = training;
    this.key = key;
  }

  /**
   * The key for the next layer that draws: `foldIn(key, i)` for the i-th one, from 0.
   *
   * @throws {TypeError} when the pass has no key.
   */
  nextKey(): Tensor {
    if (this.key === null) {
      throw new TypeError("forward: a pass that draws random numbers wants a key, got none");
    }
    return foldIn(this.key, this.#drawn++);
  }
}

/**
 * The context of a test: nothing is dropped, nothing is drawn.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const network = new nn.Sequential({ dropout: new nn.Dropout({ p: 0.9 }) });
 * const y = network.forward(ones([3]), nn.evaluation); // also what is meant without a context
 * assert.deepEqual(await y.array(), [1, 1, 1]);
 * assert.throws(() => nn.evaluation.nextKey(), TypeError);
 * ```
 */
export const evaluation: ForwardContext = new ForwardContext(false, null);

/**
 * The context of a training pass that draws its random numbers from `key`; make a new one for each pass. Without a
 * key, a layer that draws throws.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, foldIn, nn, ones, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const key = randomKey(1);
 * const dropout = new nn.Dropout();
 * const maskOf = (step: number) => dropout.forward(ones([32]), nn.training(foldIn(key, step))).array();
 * assert.deepEqual(await maskOf(1), await maskOf(1));
 * assert.notDeepEqual(await maskOf(1), await maskOf(2));
 * ```
 */
export function training(key: Tensor | null = null): ForwardContext {
  return new ForwardContext(true, key);
}

/**
 * The base of layers and networks. Parameters are found by walking a module's own properties; a module inside gives
 * its own parameters a prefix, an array of modules gives them an index.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, nn, randomKey, type Tensor } from "@fermi/fermi";
 *
 * class Twice extends nn.Module {
 *   readonly inner: nn.Linear;
 *   constructor(key: Tensor) {
 *     super();
 *     this.inner = new nn.Linear(4, 4, { key });
 *   }
 *   override forward(x: Tensor): Tensor {
 *     return this.inner.forward(this.inner.forward(x).relu());
 *   }
 * }
 * const key = randomKey(0, { device: await device("cpu") });
 * assert.deepEqual([...new Twice(key).parameters().keys()], ["inner.weight", "inner.bias"]);
 * ```
 */
export abstract class Module {
  /** The output for `x`; without a context the pass is a test. */
  abstract forward(x: Tensor, context?: ForwardContext): Tensor;

  /**
   * The parameters by name, such as `conv1.weight`, in the order of the layers. Each is told its name, for messages. A
   * parameter that is used in several places is there once, under the first of its names, so that it is updated once.
   */
  parameters(): Map<string, Parameter> {
    const names = new Map<Parameter, string>();
    const add = (parameter: Parameter, name: string) => names.has(parameter) || names.set(parameter, name);
    for (const [name, part] of this.parts()) {
      if (part instanceof Parameter) add(part, name);
      else for (const [inner, parameter] of part.parameters()) add(parameter, `${name}.${inner}`);
    }
    for (const [parameter, name] of names) parameter.name = name;
    return new Map([...names].map(([parameter, name]) => [name, parameter]));
  }

  /** What this module directly consists of. */
  protected parts(): (readonly [string, Parameter | Module])[] {
    return Object.entries(this).flatMap(([name, value]: [string, unknown]) => {
      if (Array.isArray(value)) return value.map((item: unknown, i) => [`${name}.${i}`, item] as const);
      return [[name, value] as const];
    }).filter(isPart);
  }
}

function isPart(entry: readonly [string, unknown]): entry is readonly [string, Parameter | Module] {
  return entry[1] instanceof Parameter || entry[1] instanceof Module;
}
