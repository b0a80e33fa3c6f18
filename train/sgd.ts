/**
 * Stochastic gradient descent as the paper has it.
 *
 * @module
 */

import { type DType, Parameter, type Tensor, tensor, where, zeros } from "../tensor/mod.ts";
import { inLayer } from "../tensor/provenance.ts";
import { sameShape, show } from "../tensor/shape.ts";

/**
 * What `SGD` takes; the paper's values are the defaults.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, Parameter, setDefaultDevice, SGD, type SGDOptions, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const options: SGDOptions = { momentum: 0, weightDecay: 0.1 };
 * const w = new Parameter(tensor([1]));
 * new SGD([w], options).step([tensor([0])], 0.5);
 * assert.deepEqual(await w.array(), [Math.fround(0.95)]); // w - weightDecay lr w
 * ```
 */
export interface SGDOptions {
  /** The share of the velocity that stays, in [0, 1); default 0.9. */
  readonly momentum?: number;
  /** The share of the weight, times the rate, that is lost each step, from 0; default 0.0005. */
  readonly weightDecay?: number;
}

/**
 * What a step of `SGD` takes besides.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, Parameter, setDefaultDevice, SGD, type SGDStepOptions, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const w = new Parameter(tensor([1]));
 * const gradient = tensor([NaN]);
 * const options: SGDStepOptions = { when: gradient.abs().less(Infinity) };
 * new SGD([w]).step([gradient], 0.5, options);
 * assert.deepEqual(await w.array(), [1]); // as it was
 * ```
 */
export interface SGDStepOptions {
  /** A bool: where it turns out to be false, nothing changes. The device decides, so the plan is the same. */
  readonly when?: Tensor | undefined;
}

/**
 * SGD with momentum and weight decay (Krizhevsky et al. 2012, section 5), the rate inside the momentum:
 * `v = momentum v - weightDecay lr w - lr g; w = w + v`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, Parameter, setDefaultDevice, SGD, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const w = new Parameter(tensor([4]));
 * const sgd = new SGD([w], { momentum: 0.5, weightDecay: 0 });
 * sgd.step(gradients(w.square().sum(), [w]), 0.125); // v = -0.125 * 8 = -1, w = 3
 * sgd.step(gradients(w.square().sum(), [w]), 0.125); // v = 0.5 v - 0.125 * 6 = -1.25, w = 1.75
 * assert.deepEqual(await w.array(), [1.75]);
 *
 * const [v, next] = sgd.updates([tensor([0])], 0.125); // what a step would do, without doing it
 * assert.deepEqual([await v!.value.array(), await next!.value.array()], [[-0.625], [1.125]]);
 * assert.deepEqual(await w.array(), [1.75]);
 * ```
 */
export class SGD {
  /** What is learnt. */
  readonly parameters: readonly Parameter[];
  /** The velocity of each parameter, zeros at first. */
  readonly velocities: readonly Parameter[];
  /** The share of the velocity that stays. */
  readonly momentum: number;
  /** The share of the weight, times the rate, that is lost each step. */
  readonly weightDecay: number;

  /**
   * Makes the optimiser.
   *
   * @throws {RangeError} unless 0 <= momentum < 1 and weightDecay >= 0.
   * @throws {TypeError} for a parameter that is given twice.
   */
  constructor(parameters: Iterable<Parameter>, options: SGDOptions = {}) {
    const { momentum = 0.9, weightDecay = 0.0005 } = options;
    if (!(momentum >= 0 && momentum < 1)) {
      throw new RangeError(`SGD: momentum must be in [0, 1), got ${momentum}`);
    }
    if (!(weightDecay >= 0 && weightDecay < Infinity)) {
      throw new RangeError(`SGD: weightDecay must be a number from 0, got ${weightDecay}`);
    }
    this.parameters = [...parameters];
    if (new Set(this.parameters).size < this.parameters.length) {
      throw new TypeError("SGD: a parameter is given twice, and would be updated twice");
    }
    this.velocities = this.parameters.map(({ shape, dtype, device, name }) =>
      new Parameter(zeros(shape, { dtype, device }), { name: `velocity of ${name}` })
    );
    this.momentum = momentum;
    this.weightDecay = weightDecay;
  }

  /**
   * Queues one step, which the next evaluation on the device carries out.
   *
   * @param gradients one a parameter, in their order
   * @param lr the learning rate; another one does not change the plan of a step
   * @throws {TypeError} when there are more or fewer gradients than parameters, or one has another shape.
   */
  step(gradients: readonly Tensor[], lr: number, options: SGDStepOptions = {}): void {
    for (const { state, value } of this.updates(gradients, lr, options)) state.assign(value);
  }

  /**
   * What a step would make of each parameter and its velocity. Nothing is queued: that is for looking at the numbers
   * first.
   *
   * @returns for each parameter its velocity's new content, then its own
   */
  updates(
    gradients: readonly Tensor[],
    lr: number,
    { when }: SGDStepOptions = {},
  ): { readonly state: Parameter; readonly value: Tensor }[] {
    if (gradients.length !== this.parameters.length) {
      throw new TypeError(`SGD: ${this.parameters.length} parameters, got ${gradients.length} gradients`);
    }
    this.parameters.forEach(({ name, shape }, i) => {
      if (sameShape(gradients[i]!.shape, shape)) return;
      throw new TypeError(`SGD: ${name} is ${show(shape)}, its gradient is ${show(gradients[i]!.shape)}`);
    });
    const momentum = this.#scalar(this.momentum);
    const decay = this.#scalar(this.weightDecay * lr);
    const rate = this.#scalar(lr);
    return this.parameters.flatMap((w, i) =>
      inLayer(w.name, () => {
        const velocity = this.velocities[i]!;
        const keep = (state: Parameter, value: Tensor) => ({
          state,
          value: when ? where(when, value, state) : value,
        });
        const v = velocity.mul(momentum(w)).sub(w.mul(decay(w))).sub(gradients[i]!.mul(rate(w)));
        const kept = keep(velocity, v);
        return [kept, keep(w, w.add(kept.value))];
      })
    );
  }

  /** The number as a tensor beside a parameter, in its dtype: one for all of them, so that a step uploads little. */
  #scalar(value: number): (parameter: Parameter) => Tensor {
    const made = new Map<DType, Tensor>();
    return ({ dtype, device }) => {
      const scalar = made.get(dtype) ?? tensor(value, { dtype, device });
      made.set(dtype, scalar);
      return scalar;
    };
  }
}
