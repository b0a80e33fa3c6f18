/**
 * Matrix multiplication, and the fully connected layer that is made of it.
 *
 * @module
 */

import {
  type AnyOp,
  apply,
  applyOne,
  type Composite,
  expectDType,
  expectRank,
  expectShape,
  type Primitive,
} from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { broadcastShapes, sameShape, show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./elementwise/mod.ts";
import { broadcastTo, reshape, transpose, transposeOp } from "./movement/mod.ts";
import { sum } from "./reduction.ts";

/** Products of matrices. */
export const matmulOp: Primitive<"matmul"> = {
  name: "matmul",
  doc: "y[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]",
  infer([a, b]) {
    expectDType("matmul", a!, FLOATS);
    expectDType("matmul", b!, [a!.dtype]);
    const [m, k] = a!.shape.slice(-2) as [number, number];
    const [inner, n] = b!.shape.slice(-2) as [number, number];
    const shapes = `${show(a!.shape)} by ${show(b!.shape)}`;
    if (k !== inner) {
      throw new TypeError(`matmul: ${shapes}: expects ${k} rows in the second, got ${inner}`);
    }
    if (!sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2))) {
      throw new TypeError(`matmul: ${shapes}: expects as many matrices in both`);
    }
    return [{ shape: [...a!.shape.slice(0, -2), m, n], dtype: a!.dtype }];
  },
  gradient: ({ inputs: [a, b], cotangent: g }) => [
    inLayoutOf(a!, g, swapLast(b!)),
    inLayoutOf(b!, swapLast(a!), g),
  ],
};

/** The fully connected layer, so that one pass over the gradient of its result gives those of weight and bias. */
export const linearOp: Composite<"linear"> = {
  name: "linear",
  doc: "y[n, o] = sum over i of x[n, i] * weight[o, i], plus bias[o]",
  infer([x, weight, bias]) {
    expectDType("linear", x!, FLOATS);
    expectDType("linear", weight!, [x!.dtype], "a weight");
    expectDType("linear", bias!, [x!.dtype], "a bias");
    expectRank("linear", weight!, 2, "a weight [out, in]");
    const [outputs, inputs] = weight!.shape as [number, number];
    if (x!.shape[1] !== inputs) {
      throw new TypeError(
        `linear: weight ${show(weight!.shape)} expects ${inputs} inputs, got ${x!.shape[1]}`,
      );
    }
    expectShape("linear", bias!, [outputs], "a bias");
    return [{ shape: [x!.shape[0]!, outputs], dtype: x!.dtype }];
  },
  decompose: ([x, weight, bias]) => [add(matmul(x!, transpose(weight!)), bias!)],
  gradient: ({ inputs: [x, weight], cotangent }) => [
    matmul(cotangent, weight!),
    ...apply(linearParameterGradientsOp, [x!, cotangent], {}),
  ],
};

/** The gradients of `linear` for its weight and its bias. */
export const linearParameterGradientsOp: Composite<"linearParameterGradients"> = {
  name: "linearParameterGradients",
  doc: "dw[o, i] = sum over n of dy[n, o] * x[n, i] and db[o] = sum over n of dy[n, o]",
  infer([x, dy]) {
    expectDType("linearParameterGradients", dy!, [x!.dtype], "output gradients");
    if (x!.shape[0] !== dy!.shape[0]) {
      throw new TypeError(
        `linearParameterGradients: expects ${x!.shape[0]} rows of output gradients, got ${dy!.shape[0]}`,
      );
    }
    const outputs = dy!.shape[1]!;
    return [[outputs, x!.shape[1]!], [outputs]].map((shape) => ({ shape, dtype: x!.dtype }));
  },
  decompose: ([x, dy]) => [matmul(transpose(dy!), x!), sum(dy!, { axis: 0 })],
};

/**
 * The product a b, made as `operand` lies: where that is a transposed view of a weight, as in a linear layer, the product
 * is computed transposed and seen transposed, so that the weight's gradient lies as the weight does.
 */
function inLayoutOf(operand: Tensor, a: Tensor, b: Tensor): Tensor {
  const transposed = operand.node?.op === (transposeOp as AnyOp) &&
    operand.shape.length === 2 && operand.value === null;
  return transposed ? swapLast(matmul(swapLast(b), swapLast(a))) : matmul(a, b);
}

/** Exchanges the last two axes. */
function swapLast(x: Tensor): Tensor {
  const axes = [...x.shape.keys()];
  return transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
}

/**
 * The matrix product, as NumPy's: [..., m, k] by [..., k, n] is [..., m, n]. Leading axes are batches and
 * broadcast; a vector on the left is a row, on the right a column, and its axis disappears from the result.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, matmul, ones, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const a = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await matmul(a, a).array(), [[7, 10], [15, 22]]);
 * assert.deepEqual(await matmul(a, tensor([1, 1])).array(), [3, 7]); // a vector: its axis is gone
 * assert.deepEqual(matmul(ones([8, 5, 3]), ones([3, 4])).shape, [8, 5, 4]); // a batch of 8
 * assert.throws(() => matmul(ones([2, 3]), ones([2, 3])), /expects 3 rows in the second, got 2/);
 * ```
 *
 * @throws {TypeError} when the inner extents differ, the batches do not broadcast, an operand is a scalar, or they
 * are not both f32 or both f16.
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
    const rows = reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]);
    return reshape(matmul(rows, b), [...a.shape.slice(0, -1), b.shape[1]!]);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const spread = (x: Tensor) => broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
  return applyOne(matmulOp, [spread(a), spread(b)], {});
}

/**
 * The fully connected layer: x weight^T + bias, from [..., in] to [..., out].
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, linear, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const y = linear(tensor([[1, 2], [3, 4]]), tensor([[10, 1]]), tensor([0.5])); // two inputs, one output
 * assert.deepEqual(await y.array(), [[12.5], [34.5]]);
 * ```
 *
 * @param weight [out, in]
 * @param bias [out]
 * @throws {TypeError} when the extents do not fit, or the dtypes are not all f32 or all f16.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const lead = x.shape.slice(0, -1);
  const rows = reshape(x, [sizeOf(lead), x.shape.at(-1) ?? 1]);
  return reshape(applyOne(linearOp, [rows, weight, bias], {}), [...lead, weight.shape[0] ?? 1]);
}
