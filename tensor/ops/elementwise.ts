/**
 * Ops that work element by element. Operands of binary ops are brought to one dtype and one shape by
 * explicit `cast` and `broadcastTo`, so the primitives themselves only ever see equal shapes.
 *
 * @module
 */

import { scalarLike } from "../create.ts";
import {
  applyOne,
  expectDType,
  type GradientContext,
  type NoAttributes,
  type Primitive,
  type Spec,
} from "../declare.ts";
import { ALL_DTYPES, type DType, FLOATS, isFloat, NUMBERS, promote } from "../dtype.ts";
import { broadcastShapes, sameShape, show } from "../shape.ts";
import type { Operand, Tensor } from "../tensor.ts";
import { broadcastTo } from "./movement.ts";

// ---- declarations -------------------------------------------------------------------------------------------

type Rule = (cotangent: Tensor, context: GradientContext<NoAttributes>) => readonly (Tensor | null)[];

function elementwise<Name extends string>(
  name: Name,
  doc: string,
  dtypes: readonly DType[],
  result: DType | "same",
  rule: Rule | null,
): Primitive<Name> {
  return {
    name,
    doc,
    infer(inputs) {
      const first = inputs[0]!;
      for (const input of inputs) {
        expectDType(name, input, dtypes);
        if (!sameShape(input.shape, first.shape) || input.dtype !== first.dtype) {
          throw new TypeError(
            `${name}: operands are ${first.dtype} ${show(first.shape)} and ${input.dtype} ${
              show(input.shape)
            }`,
          );
        }
      }
      return [{ shape: first.shape, dtype: result === "same" ? first.dtype : result }];
    },
    gradient: rule && ((context) => rule(context.cotangent, context)),
  };
}

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
/** Rectified linear unit. */
export const reluOp: Primitive<"relu"> = elementwise(
  "relu",
  "max(x, 0), slope 0 at 0",
  ["f32", "f16", "i32"],
  "same",
  (g, { outputs: [y] }) => [where(greater(y!, 0), g, 0)],
);
/** Floor. */
export const floorOp: Primitive<"floor"> = elementwise(
  "floor",
  "the largest whole number <= x",
  FLOATS,
  "same",
  null,
);
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
/** The same numbers, with no gradient. */
export const detachOp: Primitive<"detach"> = elementwise(
  "detach",
  "x, through which no gradient flows",
  ALL_DTYPES,
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
/** The larger of two. */
export const maximumOp: Primitive<"maximum"> = elementwise(
  "maximum",
  "max(a, b); at a tie the gradient goes to a",
  NUMBERS,
  "same",
  (g, { inputs: [a, b] }) => [where(less(a!, b!), 0, g), where(less(a!, b!), g, 0)],
);
/** The smaller of two. */
export const minimumOp: Primitive<"minimum"> = elementwise(
  "minimum",
  "min(a, b); at a tie the gradient goes to a",
  NUMBERS,
  "same",
  (g, { inputs: [a, b] }) => [where(greater(a!, b!), 0, g), where(greater(a!, b!), g, 0)],
);
/** Equality. */
export const equalOp: Primitive<"equal"> = elementwise("equal", "a == b", ALL_DTYPES, "bool", null);
/** Less than. */
export const lessOp: Primitive<"less"> = elementwise("less", "a < b", ALL_DTYPES, "bool", null);
/** Greater than. */
export const greaterOp: Primitive<"greater"> = elementwise("greater", "a > b", ALL_DTYPES, "bool", null);

/** Choice by a condition. */
export const whereOp: Primitive<"where"> = {
  name: "where",
  doc: "condition ? a : b",
  infer([condition, a, b]) {
    expectDType("where", condition!, ["bool"], "a condition");
    if (a!.dtype !== b!.dtype || !sameShape(a!.shape, b!.shape) || !sameShape(a!.shape, condition!.shape)) {
      throw new TypeError(
        `where: operands are ${show(condition!.shape)}, ${show(a!.shape)} and ${show(b!.shape)}`,
      );
    }
    return [{ shape: a!.shape, dtype: a!.dtype }];
  },
  gradient: (
    { inputs: [condition], cotangent },
  ) => [null, where(condition!, cotangent, 0), where(condition!, 0, cotangent)],
};

/** The target of a cast. */
export interface CastAttributes {
  readonly dtype: DType;
}

/** Conversion of dtype. */
export const castOp: Primitive<"cast", CastAttributes> = {
  name: "cast",
  doc:
    "x in another dtype: floats round to nearest even, to integers truncate and clamp (NaN is open), to bool x != 0",
  infer([x]: readonly Spec[], { dtype }: CastAttributes): readonly Spec[] {
    return [{ shape: x!.shape, dtype }];
  },
  gradient: ({ inputs: [x], attributes: { dtype }, cotangent }) => [
    isFloat(x!.dtype) && isFloat(dtype) ? cast(cotangent, x!.dtype) : null,
  ],
};

// ---- functions ----------------------------------------------------------------------------------------------

function binary(op: Primitive<string>, a: Operand, b: Operand): Tensor {
  return applyOne(op, alike(op.name, [a, b]), {});
}

/** Brings operands to one device, dtype and shape. */
function alike(name: string, operands: readonly Operand[]): Tensor[] {
  const wrong = operands.find((operand) =>
    typeof operand !== "number" && typeof operand?.snapshot !== "function"
  );
  if (wrong !== undefined) throw new TypeError(`${name}: expects tensors or numbers, got ${typeof wrong}`);
  const like = operands.find((operand): operand is Tensor => typeof operand !== "number");
  if (like === undefined) throw new TypeError(`${name}: at least one operand must be a tensor`);
  const tensors = operands.map((operand) =>
    typeof operand === "number" ? scalarLike(operand, like) : operand
  );
  const dtype = tensors.map((tensor) => tensor.dtype).reduce((a, b) => promote(name, a, b));
  const shape = tensors.map((tensor) => tensor.shape).reduce((a, b) => broadcastShapes(name, a, b));
  return tensors.map((tensor) => broadcastTo(cast(tensor, dtype), shape));
}

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
 * The same numbers, in the shape and dtype of x, through which no gradient flows.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { detach, device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([3]);
 * const [dx] = gradients(x.mul(detach(x)), [x]); // the second factor counts as a constant
 * assert.deepEqual(await dx!.array(), [3]); // not 2 x
 * ```
 */
export function detach(x: Tensor): Tensor {
  return applyOne(detachOp, [x], {});
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
 * The larger of a and b, with broadcasting and dtypes as in `add`; at a tie the gradient goes to a. NaN is open.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, maximum, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const a = tensor([1, 5, 3]);
 * const b = tensor([2, 5, 1]);
 * assert.deepEqual(await maximum(a, b).array(), [2, 5, 3]);
 * const [da, db] = gradients(maximum(a, b), [a, b]);
 * assert.deepEqual(await da!.array(), [0, 1, 1]); // the tie in the middle is a's
 * assert.deepEqual(await db!.array(), [1, 0, 0]);
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary(maximumOp, a, b);
}

/**
 * The smaller of a and b, with broadcasting and dtypes as in `add`; at a tie the gradient goes to a. NaN is open.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, maximum, minimum, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-1, 3, 9]);
 * assert.deepEqual(await minimum(maximum(x, 0), 6).array(), [0, 3, 6]); // clipped to [0, 6]
 * const [dx] = gradients(minimum(x, 6), [x]);
 * assert.deepEqual(await dx!.array(), [1, 1, 0]);
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary(minimumOp, a, b);
}

/**
 * a == b, as bool, with broadcasting as in `add`; every dtype can be compared. No gradient flows through it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, equal, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const predictions = tensor(Int32Array.of(7, 2, 1, 0));
 * const labels = tensor(Int32Array.of(7, 2, 1, 9));
 * const hits = equal(predictions, labels);
 * assert.equal(hits.dtype, "bool");
 * assert.equal(await hits.mean().item(), 0.75); // the accuracy
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function equal(a: Operand, b: Operand): Tensor {
  return binary(equalOp, a, b);
}

/**
 * a < b, as bool, with broadcasting as in `add`; every dtype can be compared. No gradient flows through it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, less, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-2, -1, 0, 1]);
 * assert.equal(await less(x, 0).sum().item(), 2); // bool is summed as i32: how many are negative
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function less(a: Operand, b: Operand): Tensor {
  return binary(lessOp, a, b);
}

/**
 * a > b, as bool, with broadcasting as in `add`; every dtype can be compared. No gradient flows through it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, greater, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const row = arange(3);
 * const column = row.reshape([3, 1]);
 * assert.deepEqual(await greater(column, row).array(), [[0, 0, 0], [1, 0, 0], [1, 1, 0]]); // i > j
 * ```
 *
 * @throws {TypeError} or a RangeError, as `add` does.
 */
export function greater(a: Operand, b: Operand): Tensor {
  return binary(greaterOp, a, b);
}

/**
 * `condition ? a : b`, element by element, with broadcasting and dtypes as in `add`; between two numbers the
 * result is f32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, greater, setDefaultDevice, tensor, where } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([-1, 2]);
 * const y = where(greater(x, 0), x, x.mul(0.5)); // a leaky ReLU
 * assert.deepEqual(await y.array(), [-0.5, 2]);
 * const [dx] = gradients(y, [x]); // flows where it was chosen
 * assert.deepEqual(await dx!.array(), [0.5, 1]);
 * ```
 *
 * @throws {TypeError} when the condition is not bool, or the shapes do not broadcast.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  // Two numbers make an f32.
  const first = typeof a === "number" && typeof b === "number" ? scalarLike(a, condition, "f32") : a;
  const [x, y] = alike("where", [first, b]);
  const shape = broadcastShapes("where", condition.shape, x!.shape);
  return applyOne(
    whereOp,
    [broadcastTo(condition, shape), broadcastTo(x!, shape), broadcastTo(y!, shape)],
    {},
  );
}

/**
 * x in another dtype: floats round to the nearest, ties to even; integers truncate and clamp (NaN is open); bool
 * is x != 0. A gradient flows between floats only.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { cast, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([300.7, -1.5, 0]);
 * assert.deepEqual(await cast(x, "i32").array(), [300, -1, 0]);
 * assert.deepEqual(await cast(x, "u8").array(), [255, 0, 0]);
 * assert.deepEqual(await cast(x, "bool").array(), [1, 1, 0]);
 * ```
 *
 * @throws {TypeError} when the device does not support the dtype.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  if (!x.device.supports(dtype)) throw new TypeError(`cast: ${x.device.name} does not support ${dtype}`);
  return applyOne(castOp, [x], { dtype });
}
