/**
 * Ops of arithmetic.
 *
 * @module
 */

import { applyOne, type Primitive } from "../../declare.ts";
import { FLOATS, isFloat, NUMBERS } from "../../dtype.ts";
import type { Tensor } from "../../tensor.ts";
import type { Operand } from "../../value.ts";
import { cast } from "./conversion.ts";
import { elementwise } from "./declare.ts";
import { binary } from "./operands.ts";

/** Negation. */
export const negOp: Primitive<"neg"> = elementwise(
  "neg",
  "-x",
  ["f32", "f16", "i32"],
  "same",
  (g) => [neg(g)],
);

/** Absolute value. */
export const absOp: Primitive<"abs"> = elementwise(
  "abs",
  "|x|, slope 0 at 0",
  ["f32", "f16", "i32"],
  "same",
  (g, { inputs: [x] }) => [mul(g, sign(x!))],
);

/** Sign. */
export const signOp: Primitive<"sign"> = elementwise(
  "sign",
  "-1, 0 or 1",
  ["f32", "f16", "i32"],
  "same",
  null,
);

/** Square. */
export const squareOp: Primitive<"square"> = elementwise(
  "square",
  "x * x",
  NUMBERS,
  "same",
  (g, { inputs: [x] }) => [mul(mul(g, 2), x!)],
);

/** Floor. */
export const floorOp: Primitive<"floor"> = elementwise(
  "floor",
  "the largest whole number <= x",
  FLOATS,
  "same",
  null,
);

/** Addition. */
export const addOp: Primitive<"add"> = elementwise("add", "a + b", NUMBERS, "same", (g) => [g, g]);

/** Subtraction. */
export const subOp: Primitive<"sub"> = elementwise("sub", "a - b", NUMBERS, "same", (g) => [g, neg(g)]);

/** Multiplication. */
export const mulOp: Primitive<"mul"> = elementwise(
  "mul",
  "a * b",
  NUMBERS,
  "same",
  (g, { inputs: [a, b] }) => [mul(g, b!), mul(g, a!)],
);

/** Division. */
export const divOp: Primitive<"div"> = elementwise(
  "div",
  "a / b",
  FLOATS,
  "same",
  (g, { inputs: [, b], outputs: [y] }) => [div(g, b!), neg(div(mul(g, y!), b!))],
);

/**
 * -x, in the shape and dtype of x.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, neg, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * assert.deepEqual(await neg(tensor([1, -2])).array(), [-1, 2]);
 * assert.throws(() => neg(tensor(Uint32Array.of(1))), TypeError);
 * ```
 *
 * @throws {TypeError} unless x is f32, f16 or i32: unsigned numbers have no sign.
 */
export function neg(x: Tensor): Tensor {
  return applyOne(negOp, [x], {});
}

/**
 * |x|, in the shape and dtype of x; its slope at 0 is 0.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { abs, device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-3, 0, 3]);
 * assert.deepEqual(await abs(x).array(), [3, 0, 3]);
 * const [dx] = gradients(abs(x), [x]);
 * assert.deepEqual(await dx!.array(), [-1, 0, 1]);
 * ```
 *
 * @throws {TypeError} unless x is f32, f16 or i32: unsigned numbers have no sign.
 */
export function abs(x: Tensor): Tensor {
  return applyOne(absOp, [x], {});
}

/**
 * -1, 0 or 1, in the shape and dtype of x. No gradient flows through it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, sign, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-0.5, 0, 7]);
 * assert.deepEqual(await sign(x).array(), [-1, 0, 1]);
 * const [dx] = gradients(sign(x), [x]);
 * assert.deepEqual(await dx!.array(), [0, 0, 0]);
 * ```
 *
 * @throws {TypeError} unless x is f32, f16 or i32: unsigned numbers have no sign.
 */
export function sign(x: Tensor): Tensor {
  return applyOne(signOp, [x], {});
}

/**
 * x * x, in the shape and dtype of x; integers wrap modulo 2^32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, square, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([3, -4]);
 * const norm = square(x).sum().sqrt();
 * assert.equal(await norm.item(), 5);
 * const [dx] = gradients(norm, [x]); // x / norm
 * assert.deepEqual(await dx!.array(), [3 / 5, -4 / 5].map(Math.fround));
 * ```
 *
 * @throws {TypeError} when x is u8 or bool.
 */
export function square(x: Tensor): Tensor {
  return applyOne(squareOp, [x], {});
}

/**
 * The largest whole number that is not above x, in the shape and dtype of x. No gradient flows through it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, floor, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([1.5, -1.5]);
 * assert.deepEqual(await floor(x).array(), [1, -2]); // downwards, still f32
 * assert.deepEqual(await x.cast("i32").array(), [1, -1]); // towards 0
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 */
export function floor(x: Tensor): Tensor {
  return applyOne(floorOp, [x], {});
}

/**
 * a + b, with broadcasting.
 *
 * The rules of all ops of two operands: shapes broadcast as in NumPy, aligned at the last axis, where extent 1 is
 * repeated. dtypes meet in the larger one, `bool < u8 < i32, u32 < f16 < f32`. A number takes the tensor's dtype
 * where that holds it: a fraction makes integers f32, a whole number makes bool i32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { add, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const column = tensor([[10], [20]]);
 * const row = tensor([1, 2, 3]);
 * assert.deepEqual(await add(column, row).array(), [[11, 12, 13], [21, 22, 23]]);
 * assert.equal(add(row, tensor(Int32Array.of(1))).dtype, "f32"); // i32 meets f32
 * assert.throws(() => add(row, tensor([1, 2])), /do not broadcast/);
 * ```
 *
 * @throws {TypeError} when the shapes do not broadcast, i32 meets u32, the operands meet in u8 or bool, or the
 * devices differ.
 * @throws {RangeError} for a whole number that the tensor's integer dtype does not hold.
 */
export function add(a: Operand, b: Operand): Tensor {
  return binary(addOp, a, b);
}

/**
 * a - b, with broadcasting and dtypes as in `add`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, setDefaultDevice, sub, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([0.25, 1]);
 * assert.deepEqual(await sub(1, x).array(), [0.75, 0]); // a number may come first
 * const [dx] = gradients(sub(1, x), [x]);
 * assert.deepEqual(await dx!.array(), [-1, -1]);
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function sub(a: Operand, b: Operand): Tensor {
  return binary(subOp, a, b);
}

/**
 * a * b, element by element, with broadcasting and dtypes as in `add`; integers wrap modulo 2^32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, mul, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const counts = tensor(Int32Array.of(1, 2, 3));
 * assert.equal(mul(counts, 2).dtype, "i32");
 * assert.equal(mul(counts, 0.5).dtype, "f32");
 * assert.deepEqual(await mul(counts, 0.5).array(), [0.5, 1, 1.5]);
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function mul(a: Operand, b: Operand): Tensor {
  return binary(mulOp, a, b);
}

/**
 * a / b, with broadcasting as in `add`; integers are divided as f32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, div, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const pixels = tensor(Uint8Array.of(0, 51, 255));
 * assert.deepEqual(await div(pixels, 255).array(), [0, 0.2, 1].map(Math.fround)); // f32
 * const [a, b] = [tensor(6), tensor(2)];
 * const [da, db] = gradients(div(a, b), [a, b]); // 1 / b and -a / b^2
 * assert.deepEqual([await da!.item(), await db!.item()], [0.5, -1.5]);
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function div(a: Operand, b: Operand): Tensor {
  const real = (x: Operand) => typeof x === "number" || isFloat(x.dtype) ? x : cast(x, "f32");
  return binary(divOp, real(a), real(b));
}
