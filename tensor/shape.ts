/**
 * Arithmetic on shapes: sizes, broadcasting, axes. Every error names the op that asked.
 *
 * @module
 */

/**
 * The extents of a tensor's axes, outermost first; `[]` is a scalar.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, type Shape, tensor, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const batch: Shape = [32, 3, 224, 224];
 * assert.equal(zeros(batch).size, 32 * 3 * 224 * 224);
 * assert.deepEqual(tensor(5).shape, []);
 * ```
 */
export type Shape = readonly number[];

/**
 * A number for both axes of an image, or `[y, x]`: height first.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, maxPool2d, type Pair, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const window: Pair = [1, 2]; // one row, two columns
 * const y = maxPool2d(tensor([[[[1, 2], [4, 3]]]]), { window });
 * assert.deepEqual(await y.array(), [[[[2], [4]]]]);
 * ```
 */
export type Pair = number | readonly [number, number];

/**
 * Padding of an image: all sides, `[y, x]` or `[top, left, bottom, right]`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { conv2d, device, type Padding, setDefaultDevice, zeros } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [image, weight] = [zeros([1, 1, 8, 8]), zeros([1, 1, 2, 2])];
 * const shapeWith = (padding: Padding) => conv2d(image, weight, { padding }).shape.slice(2);
 * assert.deepEqual(shapeWith(1), [9, 9]);
 * assert.deepEqual(shapeWith([0, 1]), [7, 9]); // left and right only
 * assert.deepEqual(shapeWith([0, 0, 1, 1]), [8, 8]); // bottom and right: the size stays
 * ```
 */
export type Padding = number | readonly [number, number] | readonly [number, number, number, number];

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** How a shape is written in messages: `[2, 3]`. */
export function show(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** The distance in elements between neighbours along each axis of a row-major array. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Checks that every extent is a whole number from 0. */
export function checkShape(op: string, shape: Shape): Shape {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 0) {
      throw new RangeError(
        `${op}: shape ${show(shape)} has the extent ${extent}, wants whole numbers from 0`,
      );
    }
  }
  return shape;
}

/** The shape that two shapes broadcast to, by NumPy's rule. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new TypeError(`${op}: shapes ${show(a)} and ${show(b)} do not broadcast (${x} against ${y})`);
    }
    shape.push(x === 1 ? y : x);
  }
  return shape;
}

/** Resolves `axis` (a number, a list, or nothing for all) to sorted axes from 0. */
export function normalizeAxes(
  op: string,
  axis: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  const axes = (typeof axis === "number" ? [axis] : axis).map((value) => normalizeAxis(op, value, rank));
  if (new Set(axes).size !== axes.length) {
    throw new RangeError(`${op}: axis ${show(axes)} names an axis twice`);
  }
  return axes.sort((a, b) => a - b);
}

/** Resolves one axis, which may count from the end. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new RangeError(`${op}: axis ${axis} is out of range for ${rank} axes`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Resolves a number or `[y, x]` of whole numbers from `least`. */
export function pair(op: string, name: string, value: Pair, least: number): [number, number] {
  const [y, x] = typeof value === "number" ? [value, value] : value;
  for (const each of [y, x]) {
    if (!Number.isInteger(each) || each < least) {
      throw new RangeError(`${op}: ${name} must be a whole number from ${least}, got ${each}`);
    }
  }
  return [y, x];
}

/** `[top, left, bottom, right]`. */
export type Sides = readonly [number, number, number, number];

/** Resolves padding to `[top, left, bottom, right]`. */
export function sides(op: string, padding: Padding): Sides {
  const list = typeof padding === "number" ? [padding, padding] : padding;
  if (list.length !== 2 && list.length !== 4) {
    throw new RangeError(
      `${op}: padding is a number, [y, x] or [top, left, bottom, right], got ${show(list)}`,
    );
  }
  const [top, left, bottom = top, right = left] = list as Sides;
  return [...pair(op, "padding", [top, left], 0), ...pair(op, "padding", [bottom, right], 0)];
}

/** How many windows fit along an axis of an image: floor((size + pads - reach) / stride) + 1. */
export function windows(
  op: string,
  size: number,
  pads: number,
  window: number,
  stride: number,
  dilation: number,
): number {
  const reach = (window - 1) * dilation + 1;
  if (size + pads < reach) {
    throw new RangeError(`${op}: a window of ${reach} does not fit into ${size} + ${pads} of padding`);
  }
  return Math.floor((size + pads - reach) / stride) + 1;
}
