// Samples of the reductions.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { DType, ReduceOptions, Shape, Tensor } from "../../mod.ts";
import type { PrimitivesOf } from "../../tensor/ops/registry.ts";
import { axesOf, axisOf, fillFor, input, oneOf, shapes } from "./arbitraries.ts";
import { type Fill, type OpSamples, outOfRange, type Sample, samplesOf } from "./sample.ts";

type Family = PrimitivesOf<typeof import("../../tensor/ops/reduction.ts")>;
type Reduce = (x: Tensor, options?: ReduceOptions) => Tensor;

/** Also lengths at which a reduction is split into partial results: 32 elements and more for each. */
const lengths: fc.Arbitrary<Shape> = fc.constantFrom<Shape>(
  [31],
  [32],
  [63],
  [64],
  [65],
  [96],
  [1000],
  [2, 257],
  [257, 2],
  [3, 64, 4],
  [2, 33, 15],
);

function reducing(
  f: Reduce,
  fill: (dtype: DType) => fc.Arbitrary<Fill>,
  { ofNothing, gradient = "differentiable" }: { ofNothing: boolean; gradient?: "differentiable" | "flat" },
): OpSamples {
  const shape = fc.oneof(
    { arbitrary: shapes(), weight: 3 },
    { arbitrary: lengths, weight: 1 },
  );
  const arbitrary = fc.tuple(shape, oneOf("all")).chain(([shape, dtype]) =>
    fc.record({
      inputs: fc.tuple(input(shape, dtype, fill(dtype))),
      options: fc.record({
        axis: fc.oneof(
          fc.constant([...shape.keys()]),
          axesOf(shape),
          axisOf(shape).map((axis) => shape.length ? [axis] : []),
        ).map((axes) => ofNothing ? axes : axes.filter((axis) => shape[axis]! > 0)),
        keepDims: fc.boolean(),
      }),
    })
  ) satisfies fc.Arbitrary<Sample<ReduceOptions>>;
  const empty = outOfRange(
    (make) => f(make([0, 2])),
    /^\w+: \[0, 2\] has no elements along axis \[0, 1\], and \w+ of nothing/,
  );
  return samplesOf(arbitrary, ([x], options) => f(x!, options), [
    outOfRange((make) => f(make([2]), { axis: 1 }), /: axis 1 is out of range for 1 axes/),
    outOfRange((make) => f(make([2, 2]), { axis: [1, -1] }), /: axis \[1, 1\] names an axis twice/),
    ...(ofNothing ? [] : [empty]),
  ], gradient);
}

const nearOne = (dtype: DType) =>
  dtype === "f32" || dtype === "f16" ? fc.constant<Fill>("nearOne") : fillFor(dtype);

/** The samples of the family. */
export const reductionSamples: { readonly [Name in keyof Family]: OpSamples } = {
  sum: reducing(fermi.sum, fillFor, { ofNothing: true }),
  prod: reducing(fermi.prod, nearOne, { ofNothing: true }),
  max: reducing(fermi.max, fillFor, { ofNothing: false }),
  min: reducing(fermi.min, fillFor, { ofNothing: false }),
  argmax: reducing(fermi.argmax, fillFor, { ofNothing: false, gradient: "flat" }),
  argmin: reducing(fermi.argmin, fillFor, { ofNothing: false, gradient: "flat" }),
};
