/**
 * Ops that move elements. Each is one strided copy: what differs is where the walk starts and how far it steps, in the
 * operand or in the result.
 *
 * @module
 */

import type { HostArray } from "../../../tensor/dtype.ts";
import type {
  ConcatAttributes,
  FlipAttributes,
  PadAttributes,
  ShapeAttributes,
  SliceAttributes,
  TransposeAttributes,
} from "../../../tensor/ops/movement/mod.ts";
import { type Shape, stridesOf } from "../../../tensor/shape.ts";
import { type CpuKernel, positionsOf } from "./kernel.ts";

/** The same elements under another shape. */
export const reshape: CpuKernel<ShapeAttributes> = ([x], _, [y]) => y!.data.set(x!.data);

/** Repetition: a step of 0 along each repeated axis. */
export const broadcastTo: CpuKernel<ShapeAttributes> = ([x], { shape }, [y]) => {
  const lead = shape.length - x!.shape.length;
  const steps = stridesOf(x!.shape);
  const strides = shape.map((_, axis) =>
    axis < lead || x!.shape[axis - lead] === 1 ? 0 : steps[axis - lead]!
  );
  copy(shape, { data: x!.data, strides }, { data: y!.data, strides: stridesOf(shape) });
};

/** Another order of axes: the steps in that order. */
export const transpose: CpuKernel<TransposeAttributes> = ([x], { permutation }, [y]) => {
  const steps = stridesOf(x!.shape);
  const strides = permutation.map((axis) => steps[axis]!);
  copy(y!.shape, { data: x!.data, strides }, { data: y!.data, strides: stridesOf(y!.shape) });
};

/** Reverse order: from the last element in negative steps. */
export const flip: CpuKernel<FlipAttributes> = ([x], { axes }, [y]) => {
  const steps = stridesOf(x!.shape);
  const strides = steps.map((step, axis) => axes.includes(axis) ? -step : step);
  const offset = axes.reduce((sum, axis) => sum + (x!.shape[axis]! - 1) * steps[axis]!, 0);
  copy(y!.shape, { data: x!.data, strides, offset }, { data: y!.data, strides: steps });
};

/** y[i] = x[start + i * step]. */
export const slice: CpuKernel<SliceAttributes> = ([x], { start, shape, step }, [y]) => {
  const steps = stridesOf(x!.shape);
  const strides = steps.map((each, axis) => each * step[axis]!);
  copy(shape, { data: x!.data, strides, offset: dot(start, steps) }, {
    data: y!.data,
    strides: stridesOf(shape),
  });
};

/** y[before + i * (interior + 1)] = x[i], and the value elsewhere. */
export const pad: CpuKernel<PadAttributes> = ([x, value], { before, interior }, [y]) => {
  const steps = stridesOf(y!.shape);
  const strides = steps.map((each, axis) => each * (interior[axis]! + 1));
  y!.data.fill(value!.data[0]!);
  copy(x!.shape, { data: x!.data, strides: stridesOf(x!.shape) }, {
    data: y!.data,
    strides,
    offset: dot(before, steps),
  });
};

/** One operand after the other along an axis. */
export const concat: CpuKernel<ConcatAttributes> = (operands, { axis }, [y]) => {
  const strides = stridesOf(y!.shape);
  let offset = 0;
  for (const { shape, data } of operands) {
    copy(shape, { data, strides: stridesOf(shape) }, { data: y!.data, strides, offset });
    offset += shape[axis]! * strides[axis]!;
  }
};

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** One side of a copy: where its element 0, ..., 0 is and how far it is to the next along each axis. */
interface Side {
  readonly data: HostArray;
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** Copies a box of elements. */
function copy(shape: Shape, from: Side, to: Side): void {
  const axes = mergeAxes(shape, from.strides, to.strides);
  const { extent, fromStep, toStep } = axes.pop()!;
  const outer = axes.map((axis) => axis.extent);
  const fromRows = positionsOf(outer, axes.map((axis) => axis.fromStep), from.offset);
  const toRows = positionsOf(outer, axes.map((axis) => axis.toStep), to.offset);
  if (fromStep === 0 && toStep === 1) fillRows(from.data, fromRows, to.data, toRows, extent);
  else copyRows(from.data, fromRows, fromStep, to.data, toRows, toStep, extent);
}

/** An axis of a copy. */
interface CopyAxis {
  readonly extent: number;
  readonly fromStep: number;
  readonly toStep: number;
}

/** Joins neighbouring axes that both sides walk through in even steps, so that the innermost one is as long as can be. */
function mergeAxes(shape: Shape, fromStrides: readonly number[], toStrides: readonly number[]): CopyAxis[] {
  const merged: CopyAxis[] = [];
  shape.forEach((extent, axis) => {
    const [fromStep, toStep] = [fromStrides[axis]!, toStrides[axis]!];
    const last = merged.at(-1);
    if (last?.fromStep === fromStep * extent && last.toStep === toStep * extent) {
      merged[merged.length - 1] = { extent: last.extent * extent, fromStep, toStep };
    } else if (extent !== 1) {
      merged.push({ extent, fromStep, toStep });
    }
  });
  return merged.length > 0 ? merged : [{ extent: 1, fromStep: 1, toStep: 1 }];
}

function fillRows(from: HostArray, fromRows: Int32Array, to: HostArray, toRows: Int32Array, extent: number) {
  for (let row = 0; row < toRows.length; row++) {
    const start = toRows[row]!;
    to.fill(from[fromRows[row]!]!, start, start + extent);
  }
}

function copyRows(
  from: HostArray,
  fromRows: Int32Array,
  fromStep: number,
  to: HostArray,
  toRows: Int32Array,
  toStep: number,
  extent: number,
) {
  for (let row = 0; row < toRows.length; row++) {
    let source = fromRows[row]!;
    let target = toRows[row]!;
    for (let i = 0; i < extent; i++) {
      to[target] = from[source]!;
      source += fromStep;
      target += toStep;
    }
  }
}
