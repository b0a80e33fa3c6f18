/**
 * Gradients held against central differences.
 *
 * @module
 */

import type { Tensor } from "./tensor.ts";
import { tensor } from "./create.ts";
import { gradients } from "./gradients.ts";

/**
 * The element of one argument whose gradient differs most.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkGradients, device, type GradientCheck, tensor } from "@fermi/fermi";
 *
 * const x = tensor([3], { device: await device("cpu", { precision: "f64" }) });
 * const [check]: GradientCheck[] = await checkGradients((x) => x.square(), [x]);
 * assert.equal(check!.analytic, 6);
 * assert.ok(Math.abs(check!.numeric - 6) < 1e-8);
 * ```
 */
export interface GradientCheck {
  /** Row-major index of the element. */
  readonly index: number;
  /** What the gradient rule says there. */
  readonly analytic: number;
  /** What the central difference says there. */
  readonly numeric: number;
  /** |analytic - numeric| / max(1, |analytic|, |numeric|). */
  readonly error: number;
}

/**
 * What checkGradients takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkGradients, type CheckGradientsOptions, device, tensor } from "@fermi/fermi";
 *
 * const x = tensor([1e-6], { device: await device("cpu", { precision: "f64" }) });
 * await assert.rejects(checkGradients((x) => x.relu(), [x])); // the step crosses the kink at 0
 * const closer: CheckGradientsOptions = { step: 1e-7 };
 * await checkGradients((x) => x.relu(), [x], closer);
 * ```
 */
export interface CheckGradientsOptions {
  /** The step of the differences; default 1e-5 on an f64 device, else 1e-2. */
  readonly step?: number;
  /** The largest error allowed; default 1e-7 on an f64 device, else 1e-2. */
  readonly tolerance?: number;
}

/**
 * Compares the gradients of f, a function to a scalar (or to a tensor whose sum is meant), with central differences at
 * every element of every argument. Meant for `device("cpu", { precision: "f64" })`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkGradients, device, tensor } from "@fermi/fermi";
 *
 * const f64 = await device("cpu", { precision: "f64" });
 * const [x, w] = [tensor([[1, 2]], { device: f64 }), tensor([[3], [4]], { device: f64 })];
 * const checks = await checkGradients((x, w) => x.matmul(w).tanh().sum(), [x, w]);
 * assert.ok(checks.every(({ error }) => error < 1e-7)); // the worst element of each argument
 * ```
 *
 * @returns for each argument its worst element
 * @throws {Error} naming argument, element and both values, when an error exceeds the tolerance.
 */
export async function checkGradients<Args extends readonly Tensor[]>(
  f: (...args: Args) => Tensor,
  args: Args,
  options: CheckGradientsOptions = {},
): Promise<GradientCheck[]> {
  const exact = args[0]?.device.precision === "f64";
  const { step = exact ? 1e-5 : 1e-2, tolerance = exact ? 1e-7 : 1e-2 } = options;
  const analytic = await Promise.all(gradients(f(...args), args).map((gradient) => gradient.data()));
  const checks: GradientCheck[] = [];
  for (const [position, argument] of args.entries()) {
    const data = await argument.data();
    const valueAt = async (index: number, value: number): Promise<number> => {
      const moved = data.slice();
      moved[index] = value;
      const changed = tensor(moved, {
        shape: argument.shape,
        dtype: argument.dtype,
        device: argument.device,
      });
      return await f(...args.map((arg, i) => i === position ? changed : arg) as unknown as Args).sum().item();
    };
    let worst: GradientCheck = { index: 0, analytic: 0, numeric: 0, error: 0 };
    for (let index = 0; index < data.length; index++) {
      const above = await valueAt(index, data[index]! + step);
      const below = await valueAt(index, data[index]! - step);
      const numeric = (above - below) / (2 * step);
      const rule = analytic[position]![index]!;
      const error = Math.abs(rule - numeric) / Math.max(1, Math.abs(rule), Math.abs(numeric));
      // A NaN is the worst of all.
      if (!(error <= worst.error)) worst = { index, analytic: rule, numeric, error };
    }
    if (!(worst.error <= tolerance)) {
      throw new Error(
        `checkGradients: argument ${position}, element ${worst.index}: the gradient is ${worst.analytic}, ` +
          `the central difference ${worst.numeric} (error ${
            worst.error.toExponential(2)
          }, tolerance ${tolerance})`,
      );
    }
    checks.push(worst);
  }
  return checks;
}
