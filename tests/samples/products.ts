// Samples of the matrix product and of the ops that pick by index.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape } from "../../mod.ts";
import { apply, applyOne } from "../../tensor/declare.ts";
import { gatherInRangeOp, scatterAddOp, type ScatterAttributes } from "../../tensor/ops/indexing.ts";
import { linearParameterGradientsOp, matmulOp } from "../../tensor/ops/matmul.ts";
import type { CompositesOf, PrimitivesOf } from "../../tensor/ops/registry.ts";
import { axisOf, extent, few, fillFor, input, oneOf, real, shapes } from "./arbitraries.ts";
import { type Fill, type OpSamples, outOfRange, type Sample, samplesOf, wrong } from "./sample.ts";

type Matmul = typeof import("../../tensor/ops/matmul.ts");
type MatmulFamily = PrimitivesOf<Matmul> & CompositesOf<Matmul>;
type IndexingFamily = PrimitivesOf<typeof import("../../tensor/ops/indexing.ts")>;

/** Inner extents up to those at which the sum is split, and none. */
const depth: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: extent, weight: 8 },
  { arbitrary: fc.constantFrom(0, 31, 32, 33, 63, 64, 65, 128, 130, 260), weight: 4 },
);

const matrices = fc.tuple(extent, depth, extent).chain(([m, k, n]) => {
  const batches = k > 60 ? fc.constant<[Shape, Shape]>([[], []]) : fc.oneof(
    { arbitrary: fc.constant<[Shape, Shape]>([[], []]), weight: 4 },
    {
      arbitrary: fc.constantFrom<[Shape, Shape]>([[3], [3]], [[2], []], [[2, 1], [3]], [[1], [3]], [[2, 2], [
        2,
        2,
      ]], [
        [0],
        [],
      ]),
      weight: 4,
    },
  );
  return batches.map(([a, b]): [Shape, Shape] => [[...a, m, k], [...b, k, n]]);
});

/** Vectors are rows on the left and columns on the right. */
const vectors = fc.tuple(extent, depth).chain(([n, k]) =>
  fc.constantFrom<[Shape, Shape]>([[k], [k]], [[k], [k, n]], [[n, k], [k]], [[2, n, k], [k]])
);

const products = fc.tuple(
  fc.oneof({ arbitrary: matrices, weight: 5 }, { arbitrary: vectors, weight: 1 }),
  oneOf("floats"),
).chain(([[a, b], dtype]) =>
  fc.tuple(input(a, dtype, real), input(b, dtype, real)).map((inputs): Sample<null> => ({
    inputs,
    options: null,
  }))
);

/** Rows, inputs, and outputs of a layer, whose arrays are made from them. */
const layers = (operands: (rows: number, inputs: number, outputs: number) => readonly Shape[]) =>
  fc.tuple(depth, extent, extent, oneOf("floats")).chain(([rows, inputs, outputs, dtype]) =>
    fc.tuple(...operands(rows, inputs, outputs).map((shape) => input(shape, dtype, real))).map(
      (inputs): Sample<null> => ({ inputs, options: null }),
    )
  );

/** The samples of the family. */
export const matmulSamples: { readonly [Name in keyof MatmulFamily]: OpSamples } = {
  matmul: samplesOf(products, ([a, b]) => fermi.matmul(a!, b!), [
    wrong(
      (make) => fermi.matmul(make([2, 3]), make([2, 3])),
      /^matmul: \[2, 3\] by \[2, 3\]: expects 3 rows in the second, got 2/,
    ),
    wrong(
      (make) => fermi.matmul(make([]), make([2, 2])),
      /^matmul: expects vectors or matrices, got a scalar/,
    ),
    wrong(
      (make) => fermi.matmul(make([2, 2], "i32"), make([2, 2], "i32")),
      /^matmul: expects a tensor of f32, f16/,
    ),
    wrong(
      (make) => applyOne(matmulOp, [make([2, 1, 2]), make([3, 2, 1])], {}),
      /^matmul: \[2, 1, 2\] by \[3, 2, 1\]: expects as many matrices in both/,
    ),
    wrong(
      (make) => fermi.matmul(make([2, 1, 2]), make([3, 2, 1])),
      /^matmul: shapes \[2\] and \[3\] do not broadcast/,
    ),
  ]),
  linear: samplesOf(
    layers((rows, inputs, outputs) => [[rows, inputs], [outputs, inputs], [outputs]]),
    ([x, weight, bias]) => fermi.linear(x!, weight!, bias!),
    [
      wrong(
        (make) => fermi.linear(make([2, 3]), make([4, 5]), make([4])),
        /^linear: weight \[4, 5\] expects 5 inputs, got 3/,
      ),
      wrong(
        (make) => fermi.linear(make([2, 3]), make([4, 3]), make([5])),
        /^linear: expects a bias \[4\], got \[5\]/,
      ),
      wrong(
        (make) => fermi.linear(make([2, 3]), make([4, 3, 1]), make([4])),
        /^linear: expects a weight \[out, in\], 2 axes, got/,
      ),
      wrong(
        (make) => fermi.linear(make([2, 3], "i32"), make([4, 3], "i32"), make([4], "i32")),
        /^linear: expects a tensor of f32, f16/,
      ),
    ],
  ),
  linearParameterGradients: samplesOf(
    layers((rows, inputs, outputs) => [[rows, inputs], [rows, outputs]]),
    ([x, dy]) => apply(linearParameterGradientsOp, [x!, dy!], {}),
    [
      wrong(
        (make) => apply(linearParameterGradientsOp, [make([2, 3]), make([4, 5])], {}),
        /^linearParameterGradients: expects 2 rows of output gradients, got 4/,
      ),
    ],
  ),
};

/** An array, an axis of it and the shape of the indices. */
interface Picked {
  readonly shape: Shape;
  readonly indices: Shape;
  readonly axis: number;
}

/** Some arrays and lists of indices are longer than a window of 4 KiB. */
const picked: fc.Arbitrary<Picked> = fc.oneof(
  {
    arbitrary: fc.tuple(
      shapes({ least: 1, most: 3, size: 150 }),
      fc.oneof(fc.array(few, { maxLength: 2 }), fc.constant([40]), fc.constant([0])),
    ).chain(([shape, indices]) => axisOf(shape).map((axis) => ({ shape, indices, axis }))),
    weight: 7,
  },
  {
    arbitrary: fc.constantFrom<Picked>(
      { shape: [1027], indices: [1100], axis: 0 },
      { shape: [3, 409], indices: [4], axis: 0 },
      { shape: [3, 409], indices: [5], axis: 1 },
      { shape: [37, 35], indices: [2, 3], axis: 0 },
      { shape: [5, 8, 31], indices: [3], axis: 1 },
      { shape: [1, 1100, 1], indices: [2], axis: 1 },
      { shape: [2, 5], indices: [1100], axis: 1 },
    ),
    weight: 1,
  },
);

/** Some indices are out of range, below and above. */
const gathers = fc.tuple(picked, oneOf("all")).chain(([{ shape, indices, axis }, dtype]) =>
  fc.tuple(
    input(shape, dtype, fillFor(dtype)),
    input(indices, "i32", fc.constantFrom<Fill>({ around: shape[axis]! }, { below: shape[axis]! })),
  ).map((inputs): Sample<number> => ({ inputs, options: axis }))
);

const scatters = fc.tuple(picked, oneOf("numbers"), fc.constantFrom(0, 1, 3, 5, 8, 17)).chain((
  [{ shape, indices, axis }, dtype, extent],
) =>
  fc.tuple(
    input([...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)], dtype, fillFor(dtype)),
    input(indices, "i32", { around: extent }),
  ).map((inputs): Sample<ScatterAttributes> => ({ inputs, options: { axis, extent } }))
);

/** Images, how many parts of each, and their size; places lie inside and outside, and some parts are mirrored. */
const crops = fc.tuple(
  fc.tuple(fc.integer({ min: 0, max: 3 }), few, few, fc.constantFrom(1, 4, 5, 17)),
  fc.constantFrom<Shape>([], [1], [3], [2, 2], [0]),
  fc.constantFrom<readonly [number, number]>([1, 1], [2, 4], [3, 5], [4, 8], [5, 16], [7, 3], [0, 4]),
  oneOf("all"),
).chain(([shape, times, size, dtype]) =>
  fc.tuple(
    input(shape, dtype, fillFor(dtype)),
    input(
      [...times, shape[0], 3],
      "i32",
      fc.constantFrom<Fill>({ around: 4 }, { below: 2 }, "integers", "edges"),
    ),
  ).map((inputs): Sample<readonly [number, number]> => ({ inputs, options: size }))
);

/** The samples of the family. */
export const indexingSamples: { readonly [Name in keyof IndexingFamily]: OpSamples } = {
  gather: samplesOf(gathers, ([x, indices], axis) => fermi.gather(x!, indices!, { axis }), [
    wrong((make) => fermi.gather(make([2]), make([2])), /^gather: expects indices of i32, got f32/),
    outOfRange(
      (make) => fermi.gather(make([2]), make([2], "i32"), { axis: 1 }),
      /^gather: axis 1 is out of range/,
    ),
  ]),
  gatherInRange: samplesOf(
    gathers,
    ([x, indices], axis) => applyOne(gatherInRangeOp, [x!, indices!], { axis }),
    [
      wrong(
        (make) => applyOne(gatherInRangeOp, [make([2]), make([2], "u32")], { axis: 0 }),
        /expects indices of i32/,
      ),
    ],
  ),
  scatterAdd: samplesOf(
    scatters,
    ([x, indices], options) => applyOne(scatterAddOp, [x!, indices!], options),
    [
      wrong(
        (make) => applyOne(scatterAddOp, [make([2]), make([3], "i32")], { axis: 0, extent: 2 }),
        /^scatterAdd: \[2\] has no axes \[3\] at axis 0/,
      ),
      wrong(
        (make) => applyOne(scatterAddOp, [make([2], "u8"), make([2], "i32")], { axis: 0, extent: 2 }),
        /^scatterAdd: expects a tensor of f32, f16, i32, u32, got u8/,
      ),
    ],
  ),
  crop: samplesOf(crops, ([x, places], size) => fermi.crop(x!, places!, { size }), [
    wrong(
      (make) => fermi.crop(make([2, 1, 4, 4]), make([2, 3]), { size: 2 }),
      /^crop: expects places of i32, got f32/,
    ),
    wrong(
      (make) => fermi.crop(make([2, 4, 4]), make([2, 3], "i32"), { size: 2 }),
      /^crop: expects images \[N, C, H, W\], got \[2, 4, 4\]/,
    ),
    wrong(
      (make) => fermi.crop(make([2, 1, 4, 4]), make([3, 3], "i32"), { size: 2 }),
      /^crop: expects places \[..., 2, 3\] for 2 images, got \[3/,
    ),
    outOfRange(
      (make) => fermi.crop(make([2, 1, 4, 4]), make([2, 3], "i32"), { size: [2, -1] }),
      /^crop: size/,
    ),
  ]),
};
