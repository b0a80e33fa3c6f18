/**
 * Powers, exponentials, and what networks put behind their layers.
 *
 * @module
 */

import { applyOne, type Primitive } from "../../declare.ts";
import { FLOATS } from "../../dtype.ts";
import type { Tensor } from "../../tensor.ts";
import type { Operand } from "../../value.ts";
import { div, mul, square, sub } from "./arithmetic.ts";
import { equal, greater, where } from "./comparison.ts";
import { elementwise } from "./declare.ts";
import { binary } from "./operands.ts";

/** Exponential. */
export const expOp: Primitive<"exp"> = elementwise(
  "exp",
  "e^x",
  FLOATS,
  "same",
  (g, { outputs: [y] }) => [mul(g, y!)],
);

/** Logarithm. */
export const logOp: Primitive<"log"> = elementwise(
  "log",
  "natural logarithm",
  FLOATS,
  "same",
  (g, { inputs: [x] }) => [div(g, x!)],
);

/** Square root. */
export const sqrtOp: Primitive<"sqrt"> = elementwise(
  "sqrt",
  "square root",
  FLOATS,
  "same",
  (g, { outputs: [y] }) => [div(mul(g, 0.5), y!)],
);

/** Reciprocal square root. */
export const rsqrtOp: Primitive<"rsqrt"> = elementwise(
  "rsqrt",
  "1 / sqrt(x)",
  FLOATS,
  "same",
  (g, { outputs: [y] }) => [mul(mul(g, -0.5), mul(y!, square(y!)))],
);

/** Power. */
export const powOp: Primitive<"pow"> = elementwise(
  "pow",
  "a^b; a negative base wants a whole exponent, else NaN",
  FLOATS,
  "same",
  (g, { inputs: [a, b], outputs: [y] }) => [
    // b a^(b-1), where b = 0 gives 0 also at a = 0; y log(a), which is 0 at a <= 0 (PyTorch's choice).
    where(equal(b!, 0), 0, mul(g, mul(b!, pow(a!, sub(b!, 1))))),
    where(greater(a!, 0), mul(g, mul(y!, log(where(greater(a!, 0), a!, 1)))), 0),
  ],
);

/** Hyperbolic tangent. */
export const tanhOp: Primitive<"tanh"> = elementwise(
  "tanh",
  "hyperbolic tangent",
  FLOATS,
  "same",
  (g, { outputs: [y] }) => [mul(g, sub(1, square(y!)))],
);

/** Logistic function. */
export const sigmoidOp: Primitive<"sigmoid"> = elementwise(
  "sigmoid",
  "1 / (1 + e^-x)",
  FLOATS,
  "same",
  (g, { outputs: [y] }) => [mul(g, mul(y!, sub(1, y!)))],
);

/** Rectified linear unit. */
export const reluOp: Primitive<"relu"> = elementwise(
  "relu",
  "max(x, 0), slope 0 at 0",
  ["f32", "f16", "i32"],
  "same",
  (g, { outputs: [y] }) => [where(greater(y!, 0), g, 0)],
);

/**
 * e^x, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, exp, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([0, -1000]);
 * assert.deepEqual(await exp(x).array(), [1, 0]);
 * const [dx] = gradients(exp(x), [x]); // e^x is its own derivative
 * assert.deepEqual(await dx!.array(), [1, 0]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function exp(x: Tensor): Tensor {
  return applyOne(expOp, [x], {});
}

/**
 * The natural logarithm, in the shape and dtype of x, which is meant to be above 0.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, log, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([1, 2, 4]);
 * assert.deepEqual(await log(x).array(), [0, Math.LN2, 2 * Math.LN2].map(Math.fround));
 * const [dx] = gradients(log(x), [x]); // 1 / x
 * assert.deepEqual(await dx!.array(), [1, 0.5, 0.25]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function log(x: Tensor): Tensor {
  return applyOne(logOp, [x], {});
}

/**
 * The square root, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, sqrt, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([4, 0]);
 * assert.deepEqual(await sqrt(x).array(), [2, 0]);
 * const [dx] = gradients(sqrt(x), [x]); // 1 / (2 sqrt(x)): infinitely steep at 0
 * assert.deepEqual(await dx!.array(), [0.25, Infinity]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function sqrt(x: Tensor): Tensor {
  return applyOne(sqrtOp, [x], {});
}

/**
 * 1 / sqrt(x), the reciprocal square root, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, rsqrt, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([4, 16]);
 * assert.deepEqual(await rsqrt(x).array(), [0.5, 0.25]);
 * const [dx] = gradients(rsqrt(x), [x]); // -x^-1.5 / 2
 * assert.deepEqual(await dx!.array(), [-1 / 16, -1 / 128]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function rsqrt(x: Tensor): Tensor {
  return applyOne(rsqrtOp, [x], {});
}

/**
 * a^b, with broadcasting as in `add`. A negative base wants a whole exponent, else the result is NaN. The gradient
 * for b is a^b log(a), and 0 where a is not above 0.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, pow, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([4, -4]);
 * assert.deepEqual(await pow(x, 3).array(), [64, -64]);
 * assert.deepEqual(await pow(x, 0.5).array(), [2, NaN]);
 * const [dx] = gradients(pow(x, 3), [x]); // 3 x^2
 * assert.deepEqual(await dx!.array(), [48, 48]);
 * ```
 *
 * @throws {TypeError} when the shapes do not broadcast or the operands meet in an integer dtype.
 */
export function pow(a: Operand, b: Operand): Tensor {
  return binary(powOp, a, b);
}

/**
 * The hyperbolic tangent, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, tanh, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-20, 0, 20]);
 * assert.deepEqual(await tanh(x).array(), [-1, 0, 1]);
 * const [dx] = gradients(tanh(x), [x]); // 1 - tanh(x)^2: a saturated unit does not learn
 * assert.deepEqual(await dx!.array(), [0, 1, 0]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function tanh(x: Tensor): Tensor {
  return applyOne(tanhOp, [x], {});
}

/**
 * 1 / (1 + e^-x), the logistic function, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, sigmoid, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-1000, 0, 1000]);
 * assert.deepEqual(await sigmoid(x).array(), [0, 0.5, 1]);
 * const [dx] = gradients(sigmoid(x), [x]); // y (1 - y): at most 1/4
 * assert.deepEqual(await dx!.array(), [0, 0.25, 0]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function sigmoid(x: Tensor): Tensor {
  return applyOne(sigmoidOp, [x], {});
}

/**
 * max(x, 0), the rectified linear unit (Krizhevsky et al. 2012, section 3.1), in the shape and dtype of x; its
 * slope at 0 is 0.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, relu, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-2, 0, 3]);
 * assert.deepEqual(await relu(x).array(), [0, 0, 3]);
 * const [dx] = gradients(relu(x), [x]);
 * assert.deepEqual(await dx!.array(), [0, 0, 1]);
 * ```
 *
 * @throws {TypeError} unless x is f32, f16 or i32: unsigned numbers have no sign.
 */
export function relu(x: Tensor): Tensor {
  return applyOne(reluOp, [x], {});
}
