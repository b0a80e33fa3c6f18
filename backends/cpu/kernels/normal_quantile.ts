/**
 * The quantile function of the normal distribution: Wichura 1988, "Algorithm AS 241: the percentage points of the normal
 * distribution", PPND16, good to 16 digits.
 *
 * @module
 */

import { AS241 } from "../../../tensor/ops/as241.ts";

/** The number that a standard normal variable is below with the given probability, from 2^-25 to 1 - 2^-25. */
export function normalQuantile(probability: number): number {
  const q = probability - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return q * polynomial(AS241.centre, r) / polynomial(AS241.centreUnder, r);
  }
  const r = Math.sqrt(-Math.log(Math.min(probability, 1 - probability))) - 1.6;
  return Math.sign(q) * polynomial(AS241.tail, r) / polynomial(AS241.tailUnder, r);
}

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) value = value * x + coefficients[i]!;
  return value;
}
