/**
 * Ops that compare, and that choose.
 *
 * @module
 */

import { scalarLike } from "../../create.ts";
import { applyOne, expectDType, type Primitive } from "../../declare.ts";
import { ALL_DTYPES, NUMBERS } from "../../dtype.ts";
import { broadcastShapes, sameShape, show } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import type { Operand } from "../../value.ts";
import { broadcastTo } from "../movement/mod.ts";
import { elementwise } from "./declare.ts";
import { alike, binary } from "./operands.ts";

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
