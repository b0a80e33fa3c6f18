/**
 * Dynamic loss scaling: what lets gradients be computed in f16. It is decided on the device, by states and by choosing
 * between two values, so that a step stays one evaluation, which nobody waits for.
 *
 * @module
 */

import {
  cast,
  type Device,
  div,
  gradients,
  minimum,
  Parameter,
  type Tensor,
  tensor,
  where,
} from "../tensor/mod.ts";
import { inLayer } from "../tensor/provenance.ts";

/**
 * What `LossScale` takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, LossScale, type LossScaleOptions } from "@fermi/fermi";
 *
 * const options: LossScaleOptions = { device: await device("cpu"), initial: 1024, interval: 100 };
 * assert.equal(await new LossScale(options).scale.item(), 1024);
 * ```
 */
export interface LossScaleOptions {
  /** Where the network lives; default: the device set by `setDefaultDevice`. */
  readonly device?: Device;
  /** The factor at the start, a power of two so that it changes no digits; default 65,536. */
  readonly initial?: number;
  /** After so many steps without overflow the factor is doubled; default 1,000. */
  readonly interval?: number;
}

/** Beyond it nothing is gained: the smallest gradients of f32 weights that matter are far above 2^-24 of a half. */
const LARGEST_SCALE = 2 ** 24;
/** The largest f32. */
const LARGEST = 2 ** 128 - 2 ** 104;

/**
 * Dynamic loss scaling (Micikevicius et al. 2018, section 3.2). In f16 what is smaller than 2^-24 is lost, and gradients
 * often are: so the loss is multiplied by a factor, and the gradients are divided by it. Where one of them overflows, the
 * step is skipped and the factor halved; after `interval` good steps it is doubled.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, LossScale, Parameter, setDefaultDevice, SGD, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const w = new Parameter(tensor([2 ** -20])); // kept in f32, as are gradient and velocity
 * const sgd = new SGD([w], { momentum: 0, weightDecay: 0 });
 * const scaling = new LossScale({ initial: 2 ** 15, interval: 1 });
 * const step = (factor: number) => {
 *   const half = w.cast("f16").mul(factor); // computed in f16
 *   const grads = scaling.gradients(half.cast("f32").square().sum(), [w]);
 *   sgd.step(grads, 0.25, { when: scaling.step(grads) });
 * };
 * step(1); // the gradient, 2^-19, comes through f16 as 2^-4
 * assert.deepEqual([await w.array(), await scaling.scale.item()], [[2 ** -21], 2 ** 16]);
 * step(2 ** 15); // now it is too large for f16: nothing happens but that the factor is halved
 * assert.deepEqual([await w.array(), await scaling.scale.item()], [[2 ** -21], 2 ** 15]);
 * ```
 */
export class LossScale {
  /** The factor, as a step leaves it to the next one. */
  readonly scale: Parameter;
  /** Steps without overflow since the factor was changed last. */
  readonly goodSteps: Parameter;
  readonly #interval: number;

  /**
   * Makes the factor, which is computed by the first evaluation.
   *
   * @throws {RangeError} unless initial is positive and interval a whole number from 1.
   */
  constructor(options: LossScaleOptions = {}) {
    const { initial = 2 ** 16, interval = 1000 } = options;
    if (!(initial > 0 && initial <= LARGEST_SCALE)) {
      throw new RangeError(`LossScale: initial must be above 0, up to ${LARGEST_SCALE}, got ${initial}`);
    }
    if (!(Number.isSafeInteger(interval) && interval >= 1)) {
      throw new RangeError(`LossScale: interval must be a whole number from 1, got ${interval}`);
    }
    const state = (value: number, name: string) => new Parameter(tensor(value, options), { name });
    this.scale = state(initial, "loss scale");
    this.goodSteps = state(0, "steps without overflow");
    this.#interval = interval;
  }

  /**
   * The gradients of the loss, by way of the scaled one. Where one overflowed on the way, it is not finite.
   *
   * @param loss a scalar in f32, in which the factor leaves room
   * @returns as `gradients(loss, xs)`
   */
  gradients(loss: Tensor, xs: readonly Tensor[]): Tensor[] {
    return inLayer("loss scale", () => {
      const inverse = div(1, this.scale);
      return gradients(loss.mul(this.scale), xs).map((slope) => slope.mul(cast(inverse, slope.dtype)));
    });
  }

  /**
   * Queues the change of the factor, which the next evaluation on the device carries out.
   *
   * @param slopes what `gradients` returned
   * @returns a bool, whether all of them are finite: only then the step may change anything
   */
  step(slopes: readonly Tensor[]): Tensor {
    const { finite, updates } = this.updates(slopes);
    for (const { state, value } of updates) state.assign(value);
    return finite;
  }

  /**
   * What `step` would do. Nothing is queued.
   *
   * @param slopes what `gradients` returned
   * @returns whether all of them are finite, and the new contents of `scale` and `goodSteps`
   */
  updates(
    slopes: readonly Tensor[],
  ): { readonly finite: Tensor; readonly updates: { readonly state: Parameter; readonly value: Tensor }[] } {
    return inLayer("loss scale", () => {
      // NaN and infinity survive a sum, and no comparison with NaN holds; what is finite cannot add up to more than f32 has.
      const total = slopes.map((slope) => cast(slope, "f32").sum()).reduce((a, b) => a.add(b));
      const finite = total.abs().less(LARGEST);
      const { scale, goodSteps } = this;
      const good = goodSteps.add(1);
      const waits = good.less(this.#interval);
      const grown = where(waits, scale, minimum(scale.mul(2), LARGEST_SCALE));
      const updates = [
        { state: scale, value: where(finite, grown, scale.mul(0.5)) },
        { state: goodSteps, value: where(finite, where(waits, good, 0), 0) },
      ];
      return { finite, updates };
    });
  }
}
