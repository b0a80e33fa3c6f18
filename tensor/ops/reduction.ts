/**
 * Ops that take many elements to one. The primitives drop the reduced axes; `keepDims` is a reshape.
 *
 * @module
 */

import { applyOne, expectDType, type GradientContext, type Primitive } from "../declare.ts";
import { type DType, isFloat, NUMBERS } from "../dtype.ts";
import { normalizeAxes, type Shape, show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cast, mul } from "./elementwise/mod.ts";
import { oneHot } from "./indexing.ts";
import { broadcastTo, flip, pad, reshape, slice, transpose } from "./movement/mod.ts";

// ---- declarations -------------------------------------------------------------------------------------------

/** The axes to reduce, ascending. */
export interface ReduceAttributes {
  readonly axes: readonly number[];
}

type Reduction<Name extends string> = Primitive<Name, ReduceAttributes>;

function reduction<Name extends string>(
  name: Name,
  doc: string,
  options: { readonly result?: DType; readonly ofNothing?: boolean },
  gradient: ((context: GradientContext<ReduceAttributes>) => Tensor) | null,
): Reduction<Name> {
  return {
    name,
    doc,
    infer([x], { axes }) {
      expectDType(name, x!, NUMBERS);
      if (!options.ofNothing && axes.some((axis) => x!.shape[axis] === 0)) {
        throw new RangeError(
          `${name}: ${show(x!.shape)} has no elements along axis ${
            show(axes)
          }, and ${name} of nothing has no value`,
        );
      }
      return [{
        shape: x!.shape.filter((_, axis) => !axes.includes(axis)),
        dtype: options.result ?? x!.dtype,
      }];
    },
    gradient: gradient && ((context) => [gradient(context)]),
  };
}

/** Spreads a reduced tensor over the axes it was reduced along. */
function spread(reduced: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  return broadcastTo(reshape(reduced, shape.map((extent, axis) => axes.includes(axis) ? 1 : extent)), shape);
}

/** A gradient by what the cotangent is multiplied with, which is found where the reduced axes are last and one. */
function alongLast(factor: (last: Tensor) => Tensor) {
  return ({ inputs: [x], attributes: { axes }, cotangent }: GradientContext<ReduceAttributes>): Tensor => {
    const { shape } = x!;
    const order = [...shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
    const moved = order.map((axis) => shape[axis]!);
    const last = reshape(transpose(x!, order), [
      ...cotangent.shape,
      sizeOf(axes.map((axis) => shape[axis]!)),
    ]);
    const flat = mul(factor(last), broadcastTo(reshape(cotangent, [...cotangent.shape, 1]), last.shape));
    return transpose(reshape(flat, moved), order.map((_, axis) => order.indexOf(axis)));
  };
}

/** Along the last axis the product of all elements before each, in log2(n) steps (Hillis and Steele 1986). */
function productsBefore(x: Tensor): Tensor {
  const count = x.shape.at(-1)!;
  const along = (value: number) => x.shape.map((_, axis) => axis === x.shape.length - 1 ? value : 0);
  const shifted = (y: Tensor, by: number) =>
    pad(slice(y, { axis: -1, end: count - by }), {
      before: along(Math.min(by, count)),
      value: 1,
    });
  let products = shifted(x, 1);
  for (let by = 1; by < count; by *= 2) products = mul(products, shifted(products, by));
  return products;
}

/** The gradient of an extreme: all of it to the first element that is the extreme. */
const toFirst = (pick: (x: Tensor) => Tensor) =>
  alongLast((last) => oneHot(pick(last), last.shape.at(-1)!, { dtype: last.dtype }));

/** Sum. */
export const sumOp: Reduction<"sum"> = reduction(
  "sum",
  "the sum; of nothing, 0",
  { ofNothing: true },
  ({ inputs: [x], attributes: { axes }, cotangent }) => spread(cotangent, x!.shape, axes),
);
/** Product. */
export const prodOp: Reduction<"prod"> = reduction(
  "prod",
  "the product; of nothing, 1",
  { ofNothing: true },
  // The product of all the others: of those before times of those behind. Exact where factors are 0, unlike y / x.
  alongLast((last) =>
    mul(productsBefore(last), flip(productsBefore(flip(last, { axis: -1 })), { axis: -1 }))
  ),
);
/** Maximum. */
export const maxOp: Reduction<"max"> = reduction(
  "max",
  "the largest; at a tie the gradient goes to the first",
  {},
  toFirst((x) => argmax(x, { axis: -1 })),
);
/** Minimum. */
export const minOp: Reduction<"min"> = reduction(
  "min",
  "the smallest; at a tie the gradient goes to the first",
  {},
  toFirst((x) => argmin(x, { axis: -1 })),
);
/** Index of the maximum. */
export const argmaxOp: Reduction<"argmax"> = reduction(
  "argmax",
  "the row-major index, among the reduced axes, of the largest; the first at a tie",
  { result: "i32" },
  null,
);
/** Index of the minimum. */
export const argminOp: Reduction<"argmin"> = reduction(
  "argmin",
  "the row-major index, among the reduced axes, of the smallest; the first at a tie",
  { result: "i32" },
  null,
);

// ---- functions ----------------------------------------------------------------------------------------------

/**
 * What a reduction takes.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones, type ReduceOptions, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const images = ones([8, 3, 32, 32]);
 * const perMap: ReduceOptions = { axis: [2, 3], keepDims: true };
 * assert.deepEqual(images.mean(perMap).shape, [8, 3, 1, 1]); // broadcasts against the images
 * assert.deepEqual(images.mean({ axis: -1 }).shape, [8, 3, 32]);
 * assert.deepEqual(images.mean().shape, []);
 * ```
 */
export interface ReduceOptions {
  /** An axis or a list of axes, negative from the end; left out, all of them. */
  readonly axis?: number | readonly number[];
  /** Whether reduced axes stay, with extent 1. */
  readonly keepDims?: boolean;
}

function reduce(op: Reduction<string>, x: Tensor, { axis, keepDims = false }: ReduceOptions): Tensor {
  const axes = normalizeAxes(op.name, axis, x.shape.length);
  const numeric = x.dtype === "u8" || x.dtype === "bool" ? x.cast("i32") : x;
  const reduced = axes.length === 0 && op !== argmaxOp && op !== argminOp
    ? numeric
    : applyOne(op, [numeric], { axes });
  return keepDims ? reshape(reduced, x.shape.map((extent, i) => axes.includes(i) ? 1 : extent)) : reduced;
}

/**
 * The sum along `axis`, in the dtype of x; u8 and bool are summed as i32. The sum of nothing is 0; integers wrap
 * modulo 2^32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, sum, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * assert.deepEqual(await sum(x, { axis: 0 }).array(), [5, 7, 9]);
 * assert.equal(await sum(x).item(), 21);
 * assert.equal(await sum(x.greater(2)).item(), 4); // counts
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice.
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(sumOp, x, options);
}

/**
 * The mean along `axis`, in the dtype of x; integers and bool give f32. The mean of nothing is NaN.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, mean, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 10], [3, 30]]);
 * const centred = x.sub(mean(x, { axis: 0, keepDims: true })); // [1, 2] broadcasts against [2, 2]
 * assert.deepEqual(await centred.array(), [[-1, -10], [1, 10]]);
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice.
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = normalizeAxes("mean", options.axis, x.shape.length);
  // In f32 also for f16, whose sums soon leave its range.
  const average = sum(cast(x, "f32"), options).div(sizeOf(axes.map((axis) => x.shape[axis]!)));
  return cast(average, isFloat(x.dtype) ? x.dtype : "f32");
}

/**
 * The largest element along `axis`, in the dtype of x (u8 and bool: i32); at a tie the gradient goes to the first.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, max, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 7, 7], [4, 5, 6]]);
 * const y = max(x, { axis: 1 });
 * assert.deepEqual(await y.array(), [7, 6]);
 * const [dx] = gradients(y, [x]);
 * assert.deepEqual(await dx!.array(), [[0, 1, 0], [0, 0, 1]]); // of the two 7s the first
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice, and along an axis without
 * elements.
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(maxOp, x, options);
}

/**
 * The smallest element along `axis`, in the dtype of x (u8 and bool: i32); at a tie the gradient goes to the
 * first.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, min, setDefaultDevice, tensor, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[3, 1], [2, 5]]);
 * assert.equal(await min(x).item(), 1);
 * assert.deepEqual(await min(x, { axis: 0, keepDims: true }).array(), [[2, 1]]);
 * assert.throws(() => min(zeros([0, 2]), { axis: 0 }), RangeError); // of nothing there is none
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice, and along an axis without
 * elements.
 */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(minOp, x, options);
}

/**
 * The product along `axis`, in the dtype of x (u8 and bool: i32). The product of nothing is 1; integers wrap
 * modulo 2^32.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, prod, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([0, 2, 3]);
 * assert.equal(await prod(x).item(), 0);
 * const [dx] = gradients(prod(x), [x]); // the product of the others, also beside a 0
 * assert.deepEqual(await dx!.array(), [6, 0, 0]);
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice.
 */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(prodOp, x, options);
}

/**
 * The index (i32) of the largest element along `axis`, the first at a tie; over several axes their row-major index.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { argmax, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const scores = tensor([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]]);
 * const classes = argmax(scores, { axis: 1 });
 * assert.deepEqual(await classes.data(), Int32Array.of(1, 0)); // at a tie the first
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice, and along an axis without
 * elements.
 */
export function argmax(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(argmaxOp, x, options);
}

/**
 * The index (i32) of the smallest element along `axis`, the first at a tie; over several axes their row-major index.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { argmin, device, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[5, 3], [1, 4]]);
 * assert.equal(await argmin(x).item(), 2); // row 1, column 0: 1 * 2 + 0
 * assert.deepEqual(await argmin(x, { axis: 0 }).array(), [1, 0]);
 * ```
 *
 * @throws {RangeError} for an axis that x does not have, or that is named twice, and along an axis without
 * elements.
 */
export function argmin(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(argminOp, x, options);
}
