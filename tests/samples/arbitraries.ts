// The building blocks of the families' samples: extents that cluster where kernels break, shapes and operands.

import fc from "fast-check";
import type { DType, Shape } from "../../mod.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { DTYPES, type Fill, type Input } from "./sample.ts";
import { type ViewName, VIEWS } from "./views.ts";

/** Extents around the tiles (4, 8, 12, 16) and the vec4s of the kernels. */
export const extent: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17);
/** Few and small. */
export const few: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 4, 5);

/** Shrinks extents, from the outermost on, until at most `most` elements are left. */
export function clamped(shape: Shape, most: number): Shape {
  const result = [...shape];
  for (let axis = 0; axis < result.length && sizeOf(result) > most; axis++) {
    const rest = sizeOf(result) / result[axis]!;
    result[axis] = Math.max(1, Math.floor(most / rest));
  }
  return result;
}

/** Shapes of a rank in a range, some of them empty, some longer than a window of 4 KiB. */
export function shapes(
  { least = 0, most = 4, empty = true, size = 600 }: {
    least?: number;
    most?: number;
    empty?: boolean;
    size?: number;
  } = {},
): fc.Arbitrary<Shape> {
  const usual = fc.array(extent, { minLength: least, maxLength: most }).map((shape) => clamped(shape, size));
  const long: Shape[] = [[1027], [3, 409], [37, 35], [1, 1100, 1], [5, 8, 31]].filter((shape) =>
    shape.length >= least && shape.length <= most && sizeOf(shape) <= 2 * size
  );
  const none: Shape[] = [[0], [3, 0], [0, 4], [2, 0, 5], [1, 3, 0, 2]].filter((shape) =>
    empty && shape.length >= least && shape.length <= most
  );
  return fc.oneof(
    { arbitrary: usual, weight: 12 },
    ...(long.length > 0 ? [{ arbitrary: fc.constantFrom(...long), weight: 2 }] : []),
    ...(none.length > 0 ? [{ arbitrary: fc.constantFrom(...none), weight: 1 }] : []),
  );
}

const viewName: fc.Arbitrary<ViewName> = fc.oneof(
  { arbitrary: fc.constant("plain" as const), weight: 5 },
  { arbitrary: fc.constantFrom(...Object.keys(VIEWS) as ViewName[]), weight: 6 },
);

/** An operand of this shape. */
export function input(
  shape: Shape,
  dtype: DType,
  fill: fc.Arbitrary<Fill> | Fill = "floats",
  view: fc.Arbitrary<ViewName> = viewName,
): fc.Arbitrary<Input> {
  return fc.record({
    shape: fc.constant(shape),
    dtype: fc.constant(dtype),
    fill: typeof fill === "object" && "generate" in fill ? fill : fc.constant(fill),
    seed: fc.nat(),
    view,
  });
}

/** An operand that lies in memory as it is read. */
export function plainInput(shape: Shape, dtype: DType, fill: Fill): fc.Arbitrary<Input> {
  return input(shape, dtype, fill, fc.constant("plain"));
}

/** The exact fillings and the general one. */
export const real: fc.Arbitrary<Fill> = fc.constantFrom("integers", "halves", "floats", "floats");

/** What suits the dtype: reals, small whole numbers, or any bits. */
export function fillFor(dtype: DType): fc.Arbitrary<Fill> {
  if (dtype === "u32") return fc.constantFrom("integers", "bits");
  if (dtype === "u8") return fc.constantFrom<Fill>("integers", { below: 256 });
  return dtype === "f32" || dtype === "f16" ? real : fc.constant("integers");
}

/** One of a list of dtypes. */
export function oneOf(list: keyof typeof DTYPES): fc.Arbitrary<DType> {
  return fc.constantFrom(...DTYPES[list]);
}

/** An axis of a shape, or of the places between its axes. */
export function axisOf(shape: Shape): fc.Arbitrary<number> {
  return fc.nat({ max: Math.max(0, shape.length - 1) });
}

/** Some of the axes. */
export function axesOf(shape: Shape): fc.Arbitrary<number[]> {
  return fc.subarray([...shape.keys()]);
}

/** A whole number in a range, drawn for each axis. */
export function perAxis(shape: Shape, min: number, max: number): fc.Arbitrary<number[]> {
  return fc.tuple(...shape.map(() => fc.integer({ min, max })));
}
