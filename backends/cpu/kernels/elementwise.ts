/**
 * Ops that work element by element. Each has a loop of its own: one loop that calls a function for each element would
 * be shorter, and ten times slower, because V8 cannot inline a call that goes to two dozen places.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/declare.ts";
import { convert, type HostArray, isFloat } from "../../../tensor/dtype.ts";
import type { CastAttributes } from "../../../tensor/ops/elementwise/mod.ts";
import type { CpuKernel } from "./kernel.ts";

type Elementwise = CpuKernel<NoAttributes>;

function unary(loop: (y: HostArray, x: HostArray) => void): Elementwise {
  return ([x], _, [y]) => loop(y!.data, x!.data);
}

function binary(loop: (y: HostArray, a: HostArray, b: HostArray) => void): Elementwise {
  return ([a, b], _, [y]) => loop(y!.data, a!.data, b!.data);
}

/** -x. */
export const neg: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = -x[i]!;
});
/** |x|. */
export const abs: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.abs(x[i]!);
});
/** -1, 0 or 1. */
export const sign: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.sign(x[i]!);
});
/** max(x, 0). */
export const relu: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.max(x[i]!, 0);
});
/** the largest whole number <= x. */
export const floor: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.floor(x[i]!);
});
/** e^x. */
export const exp: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.exp(x[i]!);
});
/** natural logarithm. */
export const log: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.log(x[i]!);
});
/** square root. */
export const sqrt: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.sqrt(x[i]!);
});
/** 1 / sqrt(x). */
export const rsqrt: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = 1 / Math.sqrt(x[i]!);
});
/** hyperbolic tangent. */
export const tanh: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.tanh(x[i]!);
});
/** 1 / (1 + e^-x). */
export const sigmoid: Elementwise = unary((y, x) => {
  for (let i = 0; i < y.length; i++) y[i] = 1 / (1 + Math.exp(-x[i]!));
});
/** x. */
export const detach: Elementwise = unary((y, x) => y.set(x));
/** x * x. */
export const square: Elementwise = ([x], _, [y]) => mul([x!, x!], _, [y!]);

/** a + b. */
export const add: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! + b[i]!;
});
/** a - b. */
export const sub: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! - b[i]!;
});
/** a / b. */
export const div: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! / b[i]!;
});
/** a^b. */
export const pow: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.pow(a[i]!, b[i]!);
});
/** max(a, b), NaN if either is. */
export const maximum: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.max(a[i]!, b[i]!);
});
/** min(a, b), NaN if either is. */
export const minimum: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.min(a[i]!, b[i]!);
});
/** a == b. */
export const equal: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! === b[i]! ? 1 : 0;
});
/** a < b. */
export const less: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! < b[i]! ? 1 : 0;
});
/** a > b. */
export const greater: Elementwise = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! > b[i]! ? 1 : 0;
});

const mulReals = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = a[i]! * b[i]!;
});
const mulIntegers = binary((y, a, b) => {
  for (let i = 0; i < y.length; i++) y[i] = Math.imul(a[i]!, b[i]!);
});

/** a * b; integers wrap modulo 2^32, whose products are too long for an f64. */
export const mul: Elementwise = (operands, _, results) =>
  (isFloat(results[0]!.dtype) ? mulReals : mulIntegers)(operands, _, results);

/** condition ? a : b. */
export const where: Elementwise = ([condition, a, b], _, [y]) => {
  chooseInto(y!.data, condition!.data, a!.data, b!.data);
};

function chooseInto(y: HostArray, condition: HostArray, a: HostArray, b: HostArray): void {
  for (let i = 0; i < y.length; i++) y[i] = condition[i] ? a[i]! : b[i]!;
}

/** x in another dtype. */
export const cast: CpuKernel<CastAttributes> = ([x], { dtype }, [y]) => {
  const [from, to] = [x!.data, y!.data];
  // Any dtype fits into a float as it is; the store rounds.
  if (isFloat(dtype)) to.set(from);
  else for (let i = 0; i < to.length; i++) to[i] = convert(from[i]!, dtype);
};
