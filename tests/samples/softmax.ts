// Samples of softmax and cross-entropy; labels that are no class make the loss NaN.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import { applyOne } from "../../tensor/declare.ts";
import type { CompositesOf } from "../../tensor/ops/registry.ts";
import { crossEntropyGradientOp } from "../../tensor/ops/softmax.ts";
import { extent, input, oneOf, plainInput, real, shapes } from "./arbitraries.ts";
import { apart, type Fill, type OpSamples, outOfRange, type Sample, samplesOf, wrong } from "./sample.ts";

type Family = CompositesOf<typeof import("../../tensor/ops/softmax.ts")>;

/** Also of no rows, but not of no classes. */
const logs = fc.tuple(
  shapes({ least: 1 }).filter((shape) => shape.some((extent) => extent > 0)),
  oneOf("floats"),
).chain(([shape, dtype]) =>
  fc.record({
    inputs: fc.tuple(input(shape, dtype, real)),
    options: fc.constantFrom(...[...shape.keys()].filter((axis) => shape[axis]! > 0)),
  })
) satisfies fc.Arbitrary<Sample<number>>;

const classes = fc.oneof({ arbitrary: extent, weight: 5 }, {
  arbitrary: fc.constantFrom(31, 33, 65, 100),
  weight: 2,
});

const losses = (cotangent: boolean): fc.Arbitrary<Sample<null>> =>
  fc.tuple(
    fc.oneof(
      { arbitrary: fc.tuple(extent, classes), weight: 7 },
      {
        arbitrary: fc.constantFrom<[number, number]>([17, 65], [11, 100], [9, 130], [2, 600], [1100, 2], [
          1,
          1027,
        ]),
        weight: 1,
      },
    ),
    oneOf("floats"),
  ).chain(([[batch, count], dtype]) =>
    fc.tuple(
      input([batch, count], dtype, real),
      input(
        [batch],
        "i32",
        fc.oneof(
          { arbitrary: fc.constant<Fill>({ below: count }), weight: 4 },
          { arbitrary: fc.constant<Fill>({ around: count }), weight: 1 },
        ),
      ),
      ...(cotangent ? [plainInput([], dtype, "floats")] : []),
    ).map((inputs) => ({ inputs, options: null }))
  );

/** The samples of the family. */
export const softmaxSamples: { readonly [Name in keyof Family]: OpSamples } = {
  logSoftmax: samplesOf(logs, ([x], axis) => fermi.logSoftmax(x!, { axis }), [
    outOfRange(
      (make) => fermi.logSoftmax(make([2]), { axis: 1 }),
      /^logSoftmax: axis 1 is out of range for 1 axes/,
    ),
    wrong((make) => fermi.logSoftmax(make([2], "i32")), /^logSoftmax: expects a tensor of f32, f16, got i32/),
  ]),
  crossEntropy: samplesOf(losses(false), ([logits, labels]) => fermi.crossEntropy(logits!, labels!), [
    wrong(
      (make) => fermi.crossEntropy(make([2, 3]), make([3], "i32")),
      /^crossEntropy: logits \[2, 3\] want labels \[2\], got \[3\]/,
    ),
    wrong(
      (make) => fermi.crossEntropy(make([2, 3]), make([2])),
      /^crossEntropy: expects labels of i32, got f32/,
    ),
    wrong(
      (make) => fermi.crossEntropy(make([2]), make([2], "i32")),
      /^crossEntropy: expects logits .*, 2 axes/,
    ),
    outOfRange(
      (make) => fermi.crossEntropy(make([0, 3]), make([0], "i32")),
      /^crossEntropy: logits \[0, 3\] are empty/,
    ),
    outOfRange(
      (make) => fermi.crossEntropy(make([2, 0]), make([2], "i32")),
      /^crossEntropy: logits \[2, 0\] are empty/,
    ),
  ]),
  crossEntropyGradient: samplesOf(
    losses(true),
    (inputs) => applyOne(crossEntropyGradientOp, inputs, {}),
    [
      apart((make) =>
        applyOne(crossEntropyGradientOp, [make([1, 2]), make([1], "i32", "elsewhere"), make([])], {})
      ),
    ],
  ),
};
