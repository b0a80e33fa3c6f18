/**
 * Matrix multiplication.
 *
 * @module
 */

import { type AnyOp, applyOne, expectDType, type Primitive } from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { broadcastShapes, sameShape, type Shape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { broadcastTo, reshape, type TransposeAttributes, transposeOp } from "./movement.ts";

/** Which operands are stored with their last two axes exchanged. */
export interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * Products of matrices. The flags are there so that gradients come out in the layout of the operands: the gradient of a
 * transposed weight is made as the weight lies, not as a transposed view of something else.
 */
export const matmulOp: Primitive<"matmul", MatmulAttributes> = {
  name: "matmul",
  doc:
    "y[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]; a flag exchanges the last two axes of its operand",
  infer([a, b], { transposeA, transposeB }) {
    expectDType("matmul", a!, FLOATS);
    expectDType("matmul", b!, [a!.dtype]);
    const [m, k] = lastTwo(a!.shape, transposeA);
    const [inner, n] = lastTwo(b!.shape, transposeB);
    if (k !== inner || !sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2))) {
      throw new TypeError(
        `matmul: ${show([...a!.shape.slice(0, -2), m, k])} by ${
          show([...b!.shape.slice(0, -2), inner, n])
        }: ` +
          `expects ${k} rows in the second, got ${inner}`,
      );
    }
    return [{ shape: [...a!.shape.slice(0, -2), m, n], dtype: a!.dtype }];
  },
  gradient: ({ inputs: [a, b], attributes: { transposeA, transposeB }, cotangent: g }) => [
    transposeA ? product(b!, g, transposeB, true) : product(g, b!, false, !transposeB),
    transposeB ? product(g, a!, true, transposeA) : product(a!, g, !transposeA, false),
  ],
};

function product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  return applyOne(matmulOp, [a, b], { transposeA, transposeB });
}

function lastTwo(shape: Shape, swap: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return swap ? [columns, rows] : [rows, columns];
}

/** Sees through an exchange of the last two axes. */
function peel(x: Tensor): { stored: Tensor; swapped: boolean } {
  const { node } = x;
  const rank = x.shape.length;
  if (node?.op !== (transposeOp as AnyOp) || x.value !== null) return { stored: x, swapped: false };
  const { permutation } = node.attributes as TransposeAttributes;
  const swapped = permutation.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i));
  return swapped ? { stored: node.inputs[0]!, swapped } : { stored: x, swapped };
}

/**
 * The matrix product, as NumPy's: leading axes are batches and broadcast; a vector on the left is a row, on the right a
 * column, and its axis disappears from the result.
 *
 * @throws {TypeError} when the inner extents differ or an operand is a scalar.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new TypeError("matmul: expects vectors or matrices, got a scalar");
  }
  if (a.shape.length === 1) {
    const y = matmul(reshape(a, [1, a.size]), b);
    return reshape(
      y,
      [...y.shape.slice(0, -2), ...y.shape.slice(-1)].slice(0, Math.max(0, b.shape.length - 1)),
    );
  }
  if (b.shape.length === 1) {
    const y = matmul(a, reshape(b, [b.size, 1]));
    return reshape(y, y.shape.slice(0, -1));
  }
  if (b.shape.length === 2 && a.shape.length > 2) {
    // One large product instead of many small ones with a repeated right side.
    const rows = reshape(a, [-1, a.shape.at(-1)!]);
    return reshape(matmul(rows, b), [...a.shape.slice(0, -1), b.shape[1]!]);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [left, right] = [peel(a), peel(b)];
  const spread = (x: Tensor) => broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
  return product(spread(left.stored), spread(right.stored), left.swapped, right.swapped);
}
