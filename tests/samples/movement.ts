// Samples of the ops that move elements.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { PadOptions, Shape, Tensor } from "../../mod.ts";
import { applyOne } from "../../tensor/declare.ts";
import { type PadAttributes, padOp, type SliceAttributes, sliceOp } from "../../tensor/ops/movement/mod.ts";
import type { PrimitivesOf } from "../../tensor/ops/registry.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { axesOf, axisOf, few, fillFor, input, oneOf, perAxis, plainInput, shapes } from "./arbitraries.ts";
import { type OpSamples, outOfRange, type Sample, samplesOf, wrong } from "./sample.ts";

type Family = PrimitivesOf<typeof import("../../tensor/ops/movement/mod.ts")>;

/** One operand of any dtype, with options that depend on the shape. */
function moving<Options>(
  shape: fc.Arbitrary<Shape>,
  options: (shape: Shape) => fc.Arbitrary<Options>,
): fc.Arbitrary<Sample<Options>> {
  return fc.tuple(shape, oneOf("all")).chain(([shape, dtype]) =>
    fc.record({ inputs: fc.tuple(input(shape, dtype, fillFor(dtype))), options: options(shape) })
  );
}

/** Other shapes with as many elements. */
function reshapes(shape: Shape): fc.Arbitrary<Shape> {
  const size = sizeOf(shape);
  const divisors = [1, 2, 3, 4, 5, 7, 8].filter((d) => size % d === 0);
  return fc.oneof(
    fc.constant([size]),
    fc.constant([1, ...shape, 1]),
    fc.constant([...shape].reverse()),
    fc.tuple(fc.constantFrom(...divisors), fc.constantFrom(...divisors)).map(([a, b]) =>
      size % (a * b) === 0 ? [a, size / (a * b), b] : [a, size / a]
    ),
  );
}

const permutations = (shape: Shape) => fc.shuffledSubarray([...shape.keys()], { minLength: shape.length });

/** Longer than a window of 4 KiB, and few enough elements to be repeated or padded. */
const longShape = fc.constantFrom<Shape>([1027], [3, 409], [37, 35], [1, 1100, 1], [5, 8, 31]);
const mostlyShort = (range: Parameters<typeof shapes>[0]) =>
  fc.oneof({ arbitrary: shapes(range), weight: 7 }, { arbitrary: longShape, weight: 1 });

const broadcasts = mostlyShort({ empty: false, size: 200, most: 3 }).chain((shape) =>
  fc.tuple(
    oneOf("all"),
    axesOf(shape),
    fc.array(fc.constantFrom(1, 2, 3), { maxLength: sizeOf(shape) > 1024 ? 1 : 2 }),
    fc.boolean(),
  ).chain(([dtype, ones, lead, zero]) => {
    const from = shape.map((extent, axis) => ones.includes(axis) ? 1 : extent);
    const to = zero && ones.length > 0 ? shape.map((extent, axis) => axis === ones[0] ? 0 : extent) : shape;
    return input(from, dtype, fillFor(dtype)).map((x): Sample<Shape> => ({
      inputs: [x],
      options: [...lead, ...to],
    }));
  })
);

/** Boxes with steps, made for the op itself so that empty ones and odd remainders occur. */
function boxes(shape: Shape): fc.Arbitrary<SliceAttributes> {
  return fc.tuple(
    ...shape.map((extent) =>
      fc.tuple(
        fc.nat({ max: extent }),
        fc.constantFrom(1, 1, 2, 3, 5),
        fc.double({ min: 0, max: 1, noNaN: true }),
      ).map(
        ([start, step, part]) => {
          const most = Math.ceil((extent - start) / step);
          return { start, step, count: Math.min(most, Math.ceil(part * (most + 1))) };
        },
      )
    ),
  ).map((axes) => ({
    start: axes.map(({ start }) => start),
    step: axes.map(({ step }) => step),
    shape: axes.map(({ count }) => count),
  }));
}

const padOptions = (shape: Shape): fc.Arbitrary<PadOptions> => {
  const long = sizeOf(shape) > 1024;
  const [most, between] = long ? [1, shape.length === 1 ? 1 : 0] : [3, 2];
  return fc.record({
    before: perAxis(shape, 0, most),
    after: perAxis(shape, 0, most),
    interior: fc.oneof(fc.constant(shape.map(() => 0)), perAxis(shape, 0, between)),
    value: fc.constantFrom(0, 1, 3),
  });
};

/** Of a bool, whose only values are 0 and 1, every odd one is 1. */
const valueFor = (x: Tensor, { value = 0 }: PadOptions) => x.dtype === "bool" ? value % 2 : value;

/** Through the function, and with the value as an operand of its own, which has a gradient. */
const padded = mostlyShort({ most: 3, size: 150 });
const pads = fc.oneof(
  moving(padded, padOptions),
  fc.tuple(padded, oneOf("floats")).chain(([shape, dtype]) =>
    fc.record({
      inputs: fc.tuple(input(shape, dtype, fillFor(dtype)), plainInput([], dtype, "halves")),
      options: padOptions(shape),
    })
  ),
);

/** What is joined: a shape, the axis, and what each part has along it. */
const joints = fc.oneof(
  {
    arbitrary: shapes({ least: 1, most: 3, size: 150 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: axisOf(shape),
        extents: fc.array(fc.oneof(few, fc.constant(0)), { minLength: 1, maxLength: 4 }),
      })
    ),
    weight: 7,
  },
  {
    arbitrary: fc.record({
      shape: fc.constantFrom<Shape>([409, 409], [700, 700]),
      axis: fc.constantFrom(0, 1),
      extents: fc.array(fc.constantFrom(0, 1, 2, 2), { minLength: 1, maxLength: 3 }),
    }),
    weight: 1,
  },
);

const joins = fc.tuple(joints, oneOf("all")).chain(([{ shape, axis, extents }, dtype]) =>
  fc.tuple(
    ...extents.map((extent) =>
      input(shape.map((other, i) => i === axis ? extent : other), dtype, fillFor(dtype))
    ),
  ).map((inputs): Sample<number> => ({ inputs, options: axis }))
);

/** The samples of the family. */
export const movementSamples: { readonly [Name in keyof Family]: OpSamples } = {
  reshape: samplesOf(moving(shapes(), reshapes), ([x], shape) => x!.reshape(shape), [
    wrong((make) => make([2, 3]).reshape([4]), /^reshape: \[2, 3\] has 6 elements, \[4\] wants 4/),
    wrong((make) => make([2, 3]).reshape([-1, 4]), /^reshape: \[2, 3\] cannot take the shape \[-1, 4\]/),
  ]),
  broadcastTo: samplesOf(broadcasts, ([x], shape) => x!.broadcastTo(shape), [
    wrong(
      (make) => make([2, 3]).broadcastTo([3, 3]),
      /^broadcastTo: \[2, 3\] does not broadcast to \[3, 3\]/,
    ),
  ]),
  transpose: samplesOf(moving(shapes(), permutations), ([x], order) => x!.transpose(order), [
    outOfRange(
      (make) => make([2, 3]).transpose([0, 0]),
      /^transpose: permutation \[0, 0\] must name each of 2 axes once/,
    ),
    outOfRange((make) => make([2, 3]).transpose([0, 2]), /^transpose: axis 2 is out of range for 2 axes/),
  ]),
  flip: samplesOf(moving(shapes(), axesOf), ([x], axis) => x!.flip({ axis }), [
    outOfRange((make) => make([2]).flip({ axis: 1 }), /^flip: axis 1 is out of range for 1 axes/),
    outOfRange((make) => make([2]).flip({ axis: [0, 0] }), /^flip: axis \[0, 0\] names an axis twice/),
  ]),
  slice: samplesOf(moving(shapes({ least: 1 }), boxes), ([x], box) => applyOne(sliceOp, [x!], box), [
    outOfRange(
      (make) => make([4]).slice({ step: 0 }),
      /^slice: bounds must be whole numbers and step one from 1/,
    ),
    outOfRange((make) => make([4]).slice({ start: [0, 0], axis: 0 }), /^slice: 2 bounds for 1 axes/),
    outOfRange(
      (make) => make([4]).slice({ start: [1, 2], axis: [0, -1] }),
      /^slice: axis \[0, 0\] names an axis twice/,
    ),
  ]),
  pad: samplesOf(
    pads,
    ([x, value], options) =>
      value
        ? applyOne(padOp, [x!, value], options as PadAttributes)
        : fermi.pad(x!, { ...options, value: valueFor(x!, options) }),
    [
      outOfRange((make) => make([2]).pad({ before: -1 }), /^pad: wants 1 whole numbers from 0, got \[-1\]/),
      outOfRange((make) => make([2], "bool").pad({ after: 1, value: 3 }), /^3 is no bool/),
      outOfRange(
        (make) => make([2]).pad({ after: [1, 1] }),
        /^pad: wants 1 whole numbers from 0, got \[1, 1\]/,
      ),
    ],
  ),
  concat: samplesOf(joins, (tensors, axis) => fermi.concat(tensors, { axis }), [
    wrong(() => fermi.concat([]), /^concat: wants at least one tensor/),
    wrong(
      (make) => fermi.concat([make([2, 3]), make([2, 2])]),
      /^concat: f32 \[2, 2\] does not fit f32 \[2, 3\] along axis 0/,
    ),
  ]),
};
