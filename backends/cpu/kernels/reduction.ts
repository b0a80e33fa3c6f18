/**
 * Ops that take many elements to one: for each result, a loop over its share of the operand.
 *
 * @module
 */

import { type HostArray, isFloat } from "../../../tensor/dtype.ts";
import type { ReduceAttributes } from "../../../tensor/ops/reduction.ts";
import { stridesOf } from "../../../tensor/shape.ts";
import { type CpuArray, type CpuKernel, positionsOf } from "./kernel.ts";

/** y[i] is reduced from x[firsts[i] + shares[k]] for all k, in row-major order of the reduced axes. */
type Loop = (y: HostArray, x: HostArray, firsts: Int32Array, shares: Int32Array) => void;

function reduction(loopFor: (y: CpuArray) => Loop): CpuKernel<ReduceAttributes> {
  return ([x], { axes }, [y]) => {
    const strides = stridesOf(x!.shape);
    const kept = [...x!.shape.keys()].filter((axis) => !axes.includes(axis));
    const positions = (along: readonly number[]) =>
      positionsOf(along.map((axis) => x!.shape[axis]!), along.map((axis) => strides[axis]!));
    loopFor(y!)(y!.data, x!.data, positions(kept), positions(axes));
  };
}

/** The sum, in f64; integers wrap when it is stored. */
export const sum: CpuKernel<ReduceAttributes> = reduction(() => (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let total = 0;
    for (let k = 0; k < shares.length; k++) total += x[first + shares[k]!]!;
    y[i] = total;
  });
});

const prodOfReals: Loop = (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let product = 1;
    for (let k = 0; k < shares.length; k++) product *= x[first + shares[k]!]!;
    y[i] = product;
  });
};
const prodOfIntegers: Loop = (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let product = 1;
    for (let k = 0; k < shares.length; k++) product = Math.imul(product, x[first + shares[k]!]!);
    y[i] = product;
  });
};

/** The product; integers wrap at each step. */
export const prod: CpuKernel<ReduceAttributes> = reduction((y) =>
  isFloat(y.dtype) ? prodOfReals : prodOfIntegers
);

/** The largest; NaN if there is one. */
export const max: CpuKernel<ReduceAttributes> = reduction(() => (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let largest = -Infinity;
    for (let k = 0; k < shares.length; k++) largest = Math.max(largest, x[first + shares[k]!]!);
    y[i] = largest;
  });
});

/** The smallest; NaN if there is one. */
export const min: CpuKernel<ReduceAttributes> = reduction(() => (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let smallest = Infinity;
    for (let k = 0; k < shares.length; k++) smallest = Math.min(smallest, x[first + shares[k]!]!);
    y[i] = smallest;
  });
});

/** The index of the first largest. */
export const argmax: CpuKernel<ReduceAttributes> = reduction(() => (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let best = 0;
    for (let k = 1; k < shares.length; k++) {
      if (x[first + shares[k]!]! > x[first + shares[best]!]!) best = k;
    }
    y[i] = best;
  });
});

/** The index of the first smallest. */
export const argmin: CpuKernel<ReduceAttributes> = reduction(() => (y, x, firsts, shares) => {
  firsts.forEach((first, i) => {
    let best = 0;
    for (let k = 1; k < shares.length; k++) {
      if (x[first + shares[k]!]! < x[first + shares[best]!]!) best = k;
    }
    y[i] = best;
  });
});
