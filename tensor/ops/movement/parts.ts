/**
 * Ops that cut tensors and put them together. Those of `pad` and `slice` are each other's gradients.
 *
 * @module
 */

import { scalarLike } from "../../create.ts";
import { applyOne, type Primitive } from "../../declare.ts";
import { normalizeAxis, sameShape, type Shape, show } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { sum } from "../reduction.ts";

/** A box in every axis: `start`, `start + step`, ... */
export interface SliceAttributes {
  readonly start: readonly number[];
  readonly shape: Shape;
  readonly step: readonly number[];
}

/** A regular part. */
export const sliceOp: Primitive<"slice", SliceAttributes> = {
  name: "slice",
  doc: "y[i] = x[start + i * step]",
  infer: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  gradient: ({ inputs: [x], attributes: { start, shape, step }, cotangent }) => {
    const end = shape.map((extent, axis) =>
      start[axis]! + (extent === 0 ? 0 : (extent - 1) * step[axis]! + 1)
    );
    const after = x!.shape.map((extent, axis) => extent - end[axis]!);
    return [
      applyOne(padOp, [cotangent, scalarLike(0, cotangent, cotangent.dtype)], {
        before: start,
        after,
        interior: step.map((s) => s - 1),
      }),
    ];
  },
};

/** How many elements to add. */
export interface PadAttributes {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Between each two neighbours. */
  readonly interior: readonly number[];
}

/** Surrounding with a value. */
export const padOp: Primitive<"pad", PadAttributes> = {
  name: "pad",
  doc: "x with a value (a scalar, the second operand) before, after and between its elements",
  infer([x, value], { before, after, interior }) {
    if (value!.shape.length !== 0 || value!.dtype !== x!.dtype) {
      throw new TypeError(
        `pad: expects a scalar value of ${x!.dtype}, got ${value!.dtype} ${show(value!.shape)}`,
      );
    }
    const shape = x!.shape.map((extent, axis) =>
      before[axis]! + extent + Math.max(0, extent - 1) * interior[axis]! + after[axis]!
    );
    return [{ shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], attributes: { before, interior }, cotangent }) => {
    const inner = applyOne(sliceOp, [cotangent], {
      start: before,
      shape: x!.shape,
      step: interior.map((i) => i + 1),
    });
    return [inner, sum(cotangent).sub(sum(inner))];
  },
};

/** The axis along which tensors are joined. */
export interface ConcatAttributes {
  readonly axis: number;
}

/** Joining along an axis. */
export const concatOp: Primitive<"concat", ConcatAttributes> = {
  name: "concat",
  doc: "the tensors one after the other along an axis",
  infer(inputs, { axis }) {
    const first = inputs[0]!;
    for (const input of inputs) {
      const fits = input.shape.length === first.shape.length && input.dtype === first.dtype &&
        input.shape.every((extent, i) => i === axis || extent === first.shape[i]);
      if (!fits) {
        throw new TypeError(
          `concat: ${input.dtype} ${show(input.shape)} does not fit ${first.dtype} ${
            show(first.shape)
          } along axis ${axis}`,
        );
      }
    }
    const total = inputs.reduce((extent, input) => extent + input.shape[axis]!, 0);
    return [{ shape: first.shape.map((extent, i) => i === axis ? total : extent), dtype: first.dtype }];
  },
  gradient: ({ inputs, attributes: { axis }, cotangent }) => {
    let start = 0;
    return inputs.map((input) => {
      const begin = start;
      start += input.shape[axis]!;
      return slice(cotangent, { axis, start: begin, end: start });
    });
  },
};

/**
 * What `slice` takes: bounds along `axis` (left out: the leading axes, as many as there are bounds).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, setDefaultDevice, type SliceOptions } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const image = arange(12).reshape([3, 4]);
 * const crop: SliceOptions = { start: [0, 1], end: [2, 3] }; // bounds of axis 0 and of axis 1
 * assert.deepEqual(await image.slice(crop).array(), [[1, 2], [5, 6]]);
 * ```
 */
export interface SliceOptions {
  /** The first index; negative counts from the end. Default 0. */
  readonly start?: number | readonly number[];
  /** The index after the last; negative counts from the end. Default: the end. */
  readonly end?: number | readonly number[];
  /** The distance between the elements taken, from 1. */
  readonly step?: number | readonly number[];
  /** The axes that the bounds belong to. */
  readonly axis?: number | readonly number[];
}

/**
 * A regular part of x: `slice(x, { axis: 0, start: 2, end: 5 })` is rows 2, 3 and 4. Bounds beyond the ends are clamped.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { arange, device, setDefaultDevice, slice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = arange(6);
 * assert.deepEqual(await slice(x, { start: 2, end: 5 }).array(), [2, 3, 4]);
 * assert.deepEqual(await slice(x, { start: -2 }).array(), [4, 5]); // the last two
 * assert.deepEqual(await slice(x, { step: 2 }).array(), [0, 2, 4]);
 * assert.deepEqual(slice(x, { start: 9 }).shape, [0]);
 * ```
 *
 * @throws {RangeError} for a step below 1, a bound that is no whole number, an axis that x does not have or that is
 * named twice, or more bounds than axes.
 */
export function slice(x: Tensor, options: SliceOptions): Tensor {
  const list = (value: number | readonly number[] | undefined) => typeof value === "number" ? [value] : value;
  const [starts, ends, steps] = [list(options.start), list(options.end), list(options.step)];
  const count = Math.max(starts?.length ?? 0, ends?.length ?? 0, steps?.length ?? 0);
  const axes = (list(options.axis) ?? [...Array(count).keys()]).map((axis) =>
    normalizeAxis("slice", axis, x.shape.length)
  );
  if (axes.length < count) throw new RangeError(`slice: ${count} bounds for ${axes.length} axes`);
  if (new Set(axes).size < axes.length) throw new RangeError(`slice: axis ${show(axes)} names an axis twice`);
  const start: number[] = x.shape.map(() => 0);
  const step: number[] = x.shape.map(() => 1);
  const shape: number[] = [...x.shape];
  axes.forEach((axis, i) => {
    const extent = x.shape[axis]!;
    const clamp = (bound: number) => Math.min(extent, Math.max(0, bound < 0 ? bound + extent : bound));
    start[axis] = clamp(starts?.[i] ?? 0);
    step[axis] = steps?.[i] ?? 1;
    const end = ends?.[i] ?? extent;
    if (
      !Number.isInteger(step[axis]) || step[axis]! < 1 || !Number.isInteger(start[axis]) ||
      !Number.isInteger(end)
    ) {
      throw new RangeError(
        `slice: bounds must be whole numbers and step one from 1, got ${starts?.[i] ?? 0}, ${end} and ${
          step[axis]
        }`,
      );
    }
    shape[axis] = Math.max(0, Math.ceil((clamp(end) - start[axis]!) / step[axis]!));
  });
  if (sameShape(shape, x.shape)) return x;
  return applyOne(sliceOp, [x], { start, shape, step });
}

/**
 * What `pad` takes; a number stands for every axis.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type PadOptions, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([1, 2, 3]);
 * const dilated: PadOptions = { interior: 1 };
 * assert.deepEqual(await x.pad(dilated).array(), [1, 0, 2, 0, 3]);
 * ```
 */
export interface PadOptions {
  /** Elements before the first. */
  readonly before?: number | readonly number[];
  /** Elements after the last. */
  readonly after?: number | readonly number[];
  /** Elements between each two neighbours. */
  readonly interior?: number | readonly number[];
  /** What to pad with, default 0. */
  readonly value?: number;
}

/**
 * Surrounds x with a value: extents become before + extent + (extent - 1) interior + after.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, pad, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([[1, 2]]);
 * const framed = pad(x, { before: 1, after: 1, value: 9 });
 * assert.deepEqual(await framed.array(), [[9, 9, 9, 9], [9, 1, 2, 9], [9, 9, 9, 9]]);
 * assert.deepEqual(pad(x, { after: [0, 3] }).shape, [1, 5]); // only along axis 1
 * ```
 *
 * @throws {RangeError} for a negative amount, a list that does not have one entry an axis, or a value that an
 * integer dtype does not hold.
 */
export function pad(x: Tensor, options: PadOptions): Tensor {
  const list = (value: number | readonly number[] = 0): readonly number[] => {
    const each = typeof value === "number" ? x.shape.map(() => value) : value;
    if (each.length !== x.shape.length || each.some((amount) => !Number.isInteger(amount) || amount < 0)) {
      throw new RangeError(`pad: wants ${x.shape.length} whole numbers from 0, got ${show(each)}`);
    }
    return each;
  };
  const attributes = {
    before: list(options.before),
    after: list(options.after),
    interior: list(options.interior),
  };
  return applyOne(padOp, [x, scalarLike(options.value ?? 0, x, x.dtype)], attributes);
}

const CONCAT_AT_ONCE = 4;

/**
 * Joins tensors of one dtype along `axis`, default 0, in which alone their shapes may differ.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { concat, device, ones, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [a, b] = [ones([2, 3]), zeros([2, 1])];
 * assert.deepEqual(await concat([a, b], { axis: 1 }).array(), [[1, 1, 1, 0], [1, 1, 1, 0]]);
 * assert.throws(() => concat([a, b]), TypeError); // along axis 0 the others must agree
 * ```
 *
 * @throws {TypeError} when another axis or the dtype differs, or the list is empty.
 * @throws {RangeError} for an axis that the tensors do not have.
 */
export function concat(tensors: readonly Tensor[], options: { readonly axis?: number } = {}): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new TypeError("concat: wants at least one tensor");
  if (tensors.length > CONCAT_AT_ONCE) {
    // In stages: a kernel cannot bind any number of buffers.
    const parts = Array.from(
      { length: Math.ceil(tensors.length / CONCAT_AT_ONCE) },
      (_, i) => concat(tensors.slice(i * CONCAT_AT_ONCE, (i + 1) * CONCAT_AT_ONCE), options),
    );
    return concat(parts, options);
  }
  return applyOne(concatOp, tensors, {
    axis: normalizeAxis("concat", options.axis ?? 0, first.shape.length),
  });
}
