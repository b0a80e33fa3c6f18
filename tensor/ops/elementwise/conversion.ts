/**
 * Ops that keep the numbers: another dtype, or no gradient.
 *
 * @module
 */

import { applyOne, type Primitive, type Spec } from "../../declare.ts";
import { expectSupport } from "../../device.ts";
import { ALL_DTYPES, type DType, isFloat } from "../../dtype.ts";
import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./declare.ts";

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

/** The same numbers, with no gradient. */
export const detachOp: Primitive<"detach"> = elementwise(
  "detach",
  "x, through which no gradient flows",
  ALL_DTYPES,
  "same",
  null,
);

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
  expectSupport("cast", x.device, dtype);
  return applyOne(castOp, [x], { dtype });
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
