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

/** -x. */
export function neg(x: Tensor): Tensor {
  return applyOne(negOp, [x], {});
}
/** |x|; its slope at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return applyOne(absOp, [x], {});
}
/** -1, 0 or 1. */
export function sign(x: Tensor): Tensor {
  return applyOne(signOp, [x], {});
}
/** x * x. */
export function square(x: Tensor): Tensor {
  return applyOne(squareOp, [x], {});
}
/** max(x, 0), the rectified linear unit (Krizhevsky et al. 2012, section 3.1); its slope at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return applyOne(reluOp, [x], {});
}
/** The largest whole number that is not above x. */
export function floor(x: Tensor): Tensor {
  return applyOne(floorOp, [x], {});
}
/** e^x. */
export function exp(x: Tensor): Tensor {
  return applyOne(expOp, [x], {});
}
/** The natural logarithm. */
export function log(x: Tensor): Tensor {
  return applyOne(logOp, [x], {});
}
/** The square root. */
export function sqrt(x: Tensor): Tensor {
  return applyOne(sqrtOp, [x], {});
}
/** 1 / sqrt(x). */
export function rsqrt(x: Tensor): Tensor {
  return applyOne(rsqrtOp, [x], {});
}
/** The hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return applyOne(tanhOp, [x], {});
}
/** 1 / (1 + e^-x). */
export function sigmoid(x: Tensor): Tensor {
  return applyOne(sigmoidOp, [x], {});
}
/** The same numbers, through which no gradient flows. */
export function detach(x: Tensor): Tensor {
  return applyOne(detachOp, [x], {});
}
/** a + b, with broadcasting. */
export function add(a: Operand, b: Operand): Tensor {
  return binary(addOp, a, b);
}
/** a - b, with broadcasting. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary(subOp, a, b);
}
/** a * b, with broadcasting. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary(mulOp, a, b);
}
/** a / b, with broadcasting; integers are divided as f32. */
export function div(a: Operand, b: Operand): Tensor {
  const real = (x: Operand) => typeof x === "number" || isFloat(x.dtype) ? x : cast(x, "f32");
  return binary(divOp, real(a), real(b));
}
/** a^b, with broadcasting. A negative base wants a whole exponent, else the result is NaN. */
export function pow(a: Operand, b: Operand): Tensor {
  return binary(powOp, a, b);
}
/** The larger of a and b; at a tie the gradient goes to a. NaN is open. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary(maximumOp, a, b);
}
/** The smaller of a and b; at a tie the gradient goes to a. NaN is open. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary(minimumOp, a, b);
}
/** a == b, as bool. */
export function equal(a: Operand, b: Operand): Tensor {
  return binary(equalOp, a, b);
}
/** a < b, as bool. */
export function less(a: Operand, b: Operand): Tensor {
  return binary(lessOp, a, b);
}
/** a > b, as bool. */
export function greater(a: Operand, b: Operand): Tensor {
  return binary(greaterOp, a, b);
}
/**
 * `condition ? a : b`, element by element, with broadcasting.
 *
 * @throws {TypeError} when the condition is not bool.
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
/** x in another dtype: integers truncate and clamp, bool is x != 0. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  if (!x.device.supports(dtype)) throw new TypeError(`cast: ${x.device.name} does not support ${dtype}`);
  return applyOne(castOp, [x], { dtype });
}
