/**
 * Gradients held against central differences.
 *
 * @module
 */

import { isFloat } from "../tensor/dtype.ts";
import type { Shape, Tensor } from "../tensor/mod.ts";
import { show } from "../tensor/shape.ts";
import { type Difference, differences, type GradientCheck, isExact } from "./differences.ts";

export type { GradientCheck };

/**
 * What checkGradients takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, normal, randomKey } from "@fermi/fermi";
 * import { checkGradients, type CheckGradientsOptions } from "@fermi/fermi/debug";
 *
 * const f64 = await device("cpu", { precision: "f64" });
 * const x = normal(randomKey(1, { device: f64 }), [100, 100]);
 * const quick: CheckGradientsOptions = { directions: 2 }; // 4 values of f instead of 20,000
 * const [check] = await checkGradients((x) => x.tanh().mean(), [x], quick);
 * assert.deepEqual([check!.at, check!.index < 2], [null, true]);
 * const sampled: CheckGradientsOptions = { limit: 5, seed: 3 };
 * await checkGradients((x) => x.tanh().mean(), [x], sampled);
 * ```
 */
export interface CheckGradientsOptions {
  /**
   * The step of the differences; default 1e-5 on an f64 device, else 1e-2. On an f64 device a tenth and a hundredth of
   * it are tried where it disagrees, since the step may straddle a kink.
   */
  readonly step?: number;
  /** The largest error allowed; default 1e-7 where all arguments are on f64 devices, else 1e-2. */
  readonly tolerance?: number;
  /**
   * What slopes below it are measured by: a number, or "gradient", the default: the argument's own largest gradient (along
   * a direction, the root of its mean square), but no less than the rounding of f's value can make of an error.
   */
  readonly floor?: number | "gradient";
  /**
   * Elements of each argument that are compared: so many, spread over it, and the one with the largest gradient. Default
   * all, and none with `directions`; 0 without `directions` would compare nothing, and throws a RangeError.
   */
  readonly limit?: number;
  /**
   * Moves each argument as a whole, along so many directions of random signs and of length 1, and compares the slope with
   * that of the gradient. This costs the same whatever the argument's size. All elements take part, but an error does not
   * show that is, divided by the root of their number, below the tolerance times the slope; default 0.
   */
  readonly directions?: number;
  /** What elements and directions are drawn from; default 0. */
  readonly seed?: number;
}

/**
 * Compares the gradients of f, a function to a scalar (or to a tensor whose sum is meant), with central differences: at
 * every element of every argument, at some of them (`limit`), or along random directions (`directions`).
 *
 * The values of f are computed where the arguments are. That should be `device("cpu", { precision: "f64" })`, with all
 * that f takes from around it: there differences are good to about ten digits. A device with f32 keeps two, and where one
 * of the arguments is on such, the tolerance is 1e-2; the error says so.
 *
 * An argument may be a `Parameter`, which f may as well read from around it. It is overwritten, and put back in the end.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, Parameter, tensor, type Tensor } from "@fermi/fermi";
 * import { checkGradients } from "@fermi/fermi/debug";
 *
 * const f64 = await device("cpu", { precision: "f64" });
 * const [x, w] = [tensor([[1, 2]], { device: f64 }), new Parameter(tensor([[3], [4]], { device: f64 }))];
 * const checks = await checkGradients((x, w) => x.matmul(w).mul(0.1).tanh(), [x, w]);
 * assert.ok(checks.every(({ error }) => error < 1e-7)); // the worst element of each argument
 *
 * const wrong = (w: Tensor) => w.square().add(w.detach()); // the second w has a slope, too
 * await assert.rejects(checkGradients(wrong, [w]), /argument 0, element \[\d, 0\]: the gradient is [68]/);
 * ```
 *
 * @returns for each argument its worst element or direction
 * @throws {Error} naming element and both values, for every argument with an error beyond the tolerance.
 * @throws {TypeError} naming an argument of whole numbers or bools, which has no gradient.
 * @throws {RangeError} for a number of elements or directions that is no whole number from 0, and for none of either.
 */
export async function checkGradients<Args extends readonly Tensor[]>(
  f: (...args: Args) => Tensor,
  args: Args,
  options: CheckGradientsOptions = {},
): Promise<GradientCheck[]> {
  const exact = isExact(args);
  args.forEach(({ dtype, shape }, i) => {
    if (isFloat(dtype)) return;
    throw new TypeError(
      `checkGradients: argument ${i} is ${dtype} ${show(shape)}, wants floats: leave it out`,
    );
  });
  const { step = exact ? 1e-5 : 1e-2, tolerance = exact ? 1e-7 : 1e-2, seed = 0 } = options;
  const { floor = "gradient", directions = 0, limit = directions > 0 ? 0 : Infinity } = options;
  for (const [name, count] of Object.entries({ directions, limit })) {
    if ((Number.isInteger(count) || count === Infinity && name === "limit") && count >= 0) continue;
    throw new RangeError(`checkGradients: ${name} must be a whole number from 0, got ${count}`);
  }
  if (limit === 0 && directions === 0) {
    throw new RangeError("checkGradients: limit 0 without directions compares nothing: give one of them");
  }
  const steps = exact ? [step, step / 10, step / 100] : [step];
  const worst: Difference[] = args.map((_, argument) => ({ argument, ...NOTHING }));
  for await (
    const each of differences(f, args, { steps, tolerance, limit, directions, seed, floor })
  ) {
    // A NaN is the worst of all.
    if (!(each.error <= worst[each.argument]!.error)) worst[each.argument] = each;
  }
  const wrong = worst.filter(({ error }) => !(error <= tolerance));
  if (wrong.length > 0) {
    const sentences = wrong.map((each) => complaint(each, args[each.argument]!.shape));
    throw new Error(
      `checkGradients: ${sentences.join("; ")}; tolerance ${tolerance}${
        exact ? "" : ", in f32: put all arguments on an f64 device for ten digits"
      }`,
    );
  }
  return worst.map(({ argument: _, ...check }) => ({ ...check, error: Math.max(0, check.error) }));
}

/** Of an argument without elements. */
const NOTHING = { index: 0, at: null, analytic: 0, numeric: 0, error: -1, kink: null } as const;

function complaint({ argument, index, at, analytic, numeric, error }: Difference, shape: Shape): string {
  const where = at === null
    ? `direction ${index} over all of ${show(shape)}: the gradient's slope`
    : `element ${show(at)}: the gradient`;
  return `argument ${argument}, ${where} is ${analytic}, the central difference ${numeric} ` +
    `(error ${error.toExponential(2)})`;
}
