/**
 * Ops that take many elements to one. The primitives drop the reduced axes; `keepDims` is a reshape.
 *
 * @module
 */

import { hostTensorLike } from "../create.ts";
import { applyOne, expectDType, type GradientContext, type Primitive } from "../declare.ts";
import { type DType, isFloat, NUMBERS } from "../dtype.ts";
import { normalizeAxes, type Shape, show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cast, mul, where } from "./elementwise.ts";
import { oneHot } from "./indexing.ts";
import { broadcastTo, reshape, transpose } from "./movement.ts";

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

/** Puts the reduced axes last and makes them one; `undo` takes such a tensor back to x's shape. */
function reducedLast(x: Tensor, axes: readonly number[]): { last: Tensor; undo: (flat: Tensor) => Tensor } {
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  const moved = order.map((axis) => x.shape[axis]!);
  const count = sizeOf(axes.map((axis) => x.shape[axis]!));
  return {
    last: reshape(transpose(x, order), [...kept.map((axis) => x.shape[axis]!), count]),
    undo: (flat) => transpose(reshape(flat, moved), order.map((_, axis) => order.indexOf(axis))),
  };
}

/** The gradient of an extreme: all of it to the first element that is the extreme. */
function toFirst(pick: (x: Tensor) => Tensor): (context: GradientContext<ReduceAttributes>) => Tensor {
  return ({ inputs: [x], attributes: { axes }, cotangent }) => {
    const { last, undo } = reducedLast(x!, axes);
    const count = last.shape.at(-1)!;
    const mask = oneHot(pick(last), count, { dtype: x!.dtype });
    return undo(mul(mask, broadcastTo(reshape(cotangent, [...cotangent.shape, 1]), last.shape)));
  };
}

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
  ({ inputs: [x], attributes: { axes }, cotangent }) => {
    // The product of all the others, element by element: exact where factors are 0, unlike y / x.
    const { last, undo } = reducedLast(x!, axes);
    const count = last.shape.at(-1)!;
    const square = [...last.shape, count];
    const itself = broadcastTo(oneHot(arangeLike(last, count), count, { dtype: "bool" }), square);
    const rows = broadcastTo(reshape(last, [...last.shape.slice(0, -1), 1, count]), square);
    const others = prod(where(itself, 1, rows), { axis: -1 });
    return undo(mul(others, broadcastTo(reshape(cotangent, [...cotangent.shape, 1]), last.shape)));
  },
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

/** What a reduction takes. */
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

function arangeLike(x: Tensor, count: number): Tensor {
  return hostTensorLike(x, Int32Array.from({ length: count }, (_, i) => i));
}

/** The sum along `axis`; u8 and bool are summed as i32. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(sumOp, x, options);
}
/** The mean along `axis`; integers give f32. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = normalizeAxes("mean", options.axis, x.shape.length);
  // In f32 also for f16, whose sums soon leave its range.
  const average = sum(cast(x, "f32"), options).div(sizeOf(axes.map((axis) => x.shape[axis]!)));
  return cast(average, isFloat(x.dtype) ? x.dtype : "f32");
}
/** The largest element along `axis`. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(maxOp, x, options);
}
/** The smallest element along `axis`. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(minOp, x, options);
}
/** The product along `axis`. */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(prodOp, x, options);
}
/** The index (i32) of the largest element along `axis`, the first at a tie; over several axes their row-major index. */
export function argmax(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(argmaxOp, x, options);
}
/** The index (i32) of the smallest element along `axis`, the first at a tie; over several axes their row-major index. */
export function argmin(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(argminOp, x, options);
}
