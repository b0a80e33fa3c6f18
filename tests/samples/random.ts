// Samples of random numbers, and of what is made of them.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape, Tensor } from "../../mod.ts";
import { applyOne } from "../../tensor/declare.ts";
import { normalFromBitsOp, threefryOp, uniformFromBitsOp } from "../../tensor/ops/random.ts";
import type { CompositesOf, PrimitivesOf } from "../../tensor/ops/registry.ts";
import { input, oneOf, plainInput, real, shapes } from "./arbitraries.ts";
import { type ErrorSample, type OpSamples, outOfRange, type Sample, samplesOf, wrong } from "./sample.ts";

type Family = typeof import("../../tensor/ops/random.ts");

const key = plainInput([2], "u32", "bits");
const noKey = (f: (key: Tensor) => unknown): [ErrorSample, ErrorSample] => [
  wrong((make) => f(make([3], "u32")), /: expects a key of shape \[2\], got \[3\]/),
  wrong((make) => f(make([2], "i32")), /: expects a key of u32, got i32/),
];

/** Any bits, from any layout. */
const words = shapes().chain((shape) =>
  input(shape, "u32", "bits").map((x): Sample<null> => ({ inputs: [x], options: null }))
);
const noBits = (f: (bits: Tensor) => unknown) =>
  wrong((make) => f(make([2], "i32")), /: expects random bits of u32, got i32/);

const draws = fc.tuple(key, shapes()).map(([key, shape]): Sample<Shape> => ({
  inputs: [key],
  options: shape,
}));

const drops = fc.tuple(shapes(), oneOf("floats"), fc.constantFrom(0.1, 0.25, 0.5, 0.9)).chain((
  [shape, dtype, p],
) => fc.tuple(input(shape, dtype, real), key).map((inputs): Sample<number> => ({ inputs, options: p })));

/** The samples of the family. */
export const randomSamples: {
  readonly [Name in keyof PrimitivesOf<Family> | keyof CompositesOf<Family>]: OpSamples;
} = {
  randomBits: samplesOf(draws, ([key], shape) => fermi.randomBits(key!, shape), [
    ...noKey((key) => fermi.randomBits(key, [2])),
    outOfRange(
      (make) => fermi.randomBits(make([2], "u32"), [-1]),
      /^randomBits: shape \[-1\] has the extent -1/,
    ),
  ], "flat"),
  threefry: samplesOf(
    fc.tuple(input([2], "u32", "bits"), input([2], "u32", "bits")).map((inputs): Sample<null> => ({
      inputs,
      options: null,
    })),
    ([key, counter]) => applyOne(threefryOp, [key!, counter!], {}),
    [
      ...noKey((key) => applyOne(threefryOp, [key, key], {})),
      wrong(
        (make) => applyOne(threefryOp, [make([2], "u32"), make([3], "u32")], {}),
        /^threefry: expects a counter of shape \[2\], got \[3\]/,
      ),
    ],
    "flat",
  ),
  uniformFromBits: samplesOf(words, ([bits]) => applyOne(uniformFromBitsOp, [bits!], {}), [
    noBits((bits) => applyOne(uniformFromBitsOp, [bits], {})),
  ], "flat"),
  normalFromBits: samplesOf(words, ([bits]) => applyOne(normalFromBitsOp, [bits!], {}), [
    noBits((bits) => applyOne(normalFromBitsOp, [bits], {})),
  ], "flat"),
  dropout: samplesOf(drops, ([x, key], p) => fermi.dropout(x!, key!, { p }), [
    outOfRange(
      (make) => fermi.dropout(make([2]), make([2], "u32"), { p: 1 }),
      /^dropout: p must be in \[0, 1\), got 1/,
    ),
    wrong(
      (make) => fermi.dropout(make([2], "i32"), make([2], "u32")),
      /^dropout: expects a tensor of f32, f16/,
    ),
  ]),
};
