/**
 * Operands of any two shapes and dtypes, brought together by explicit `cast` and `broadcastTo`.
 *
 * @module
 */

import { scalarLike } from "../../create.ts";
import { applyOne, type Primitive } from "../../declare.ts";
import { promote } from "../../dtype.ts";
import { broadcastShapes } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import type { Operand } from "../../value.ts";
import { broadcastTo } from "../movement/mod.ts";
import { cast } from "./conversion.ts";

/** Applies an op to two operands that are brought together. */
export function binary(op: Primitive<string>, a: Operand, b: Operand): Tensor {
  return applyOne(op, alike(op.name, [a, b]), {});
}

/** Brings operands to one device, dtype and shape. */
export function alike(name: string, operands: readonly Operand[]): Tensor[] {
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
