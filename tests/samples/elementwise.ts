// Samples of the ops that work element by element.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { DType, Shape, Tensor } from "../../mod.ts";
import { isFloat } from "../../tensor/dtype.ts";
import type { PrimitivesOf } from "../../tensor/ops/registry.ts";
import { fillFor, input, oneOf, real, shapes } from "./arbitraries.ts";
import {
  type DTYPES,
  type ErrorSample,
  type ErrorSamples,
  type Fill,
  type Input,
  type OpSamples,
  type Sample,
  samplesOf,
  wrong,
} from "./sample.ts";

type Family = PrimitivesOf<typeof import("../../tensor/ops/elementwise/mod.ts")>;
type Dtypes = keyof typeof DTYPES;

const notTaken = (f: (x: Tensor) => unknown, dtype: DType, error: RegExp) =>
  wrong((make) => f(make([2], dtype)), error);

function unary(
  f: (x: Tensor) => Tensor,
  dtypes: Dtypes,
  fill: (dtype: DType) => fc.Arbitrary<Fill>,
  errors: ErrorSamples,
  gradient: "differentiable" | "flat" = "differentiable",
): OpSamples {
  const arbitrary = fc.tuple(shapes(), oneOf(dtypes)).chain(([shape, dtype]) =>
    input(shape, dtype, fill(dtype)).map((x): Sample<null> => ({ inputs: [x], options: null }))
  );
  return samplesOf(arbitrary, ([x]) => f(x!), errors, gradient);
}

/** Two or three shapes that broadcast: axes of extent 1 and missing leading axes. */
function broadcasting(count: number): fc.Arbitrary<Shape[]> {
  return shapes().chain((shape) => {
    const reduced = fc.tuple(
      fc.subarray([...shape.keys()], { minLength: 0, maxLength: Math.ceil(shape.length / 2) }),
      fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, {
        arbitrary: fc.nat({ max: shape.length }),
        weight: 1,
      }),
    ).map(([ones, dropped]) => shape.map((extent, axis) => ones.includes(axis) ? 1 : extent).slice(dropped));
    return fc.tuple(
      fc.constant(shape),
      fc.oneof(fc.constant(shape), reduced),
      fc.oneof(fc.constant(shape), reduced),
    ).map(
      (all) => all.slice(0, count) as Shape[],
    );
  }).chain((all) => fc.shuffledSubarray(all, { minLength: count }));
}

function binary(
  f: (a: Tensor, b: Tensor) => Tensor,
  dtypes: Dtypes,
  fills: (dtype: DType) => readonly [fc.Arbitrary<Fill>, fc.Arbitrary<Fill>],
  errors: readonly ErrorSample[] = [],
  gradient: "differentiable" | "flat" = "differentiable",
): OpSamples {
  const arbitrary = fc.tuple(broadcasting(2), oneOf(dtypes)).chain(([[a, b], dtype]) => {
    const [fillA, fillB] = fills(dtype);
    return fc.tuple(input(a!, dtype, fillA), input(b!, dtype, fillB));
  }).map((inputs): Sample<null> => ({ inputs, options: null }));
  const unfit = wrong(
    (make) => f(make([2, 3]), make([2])),
    /: shapes \[2, 3\] and \[2\] do not broadcast \(3 against 2\)/,
  );
  return samplesOf(arbitrary, ([a, b]) => f(a!, b!), [unfit, ...errors], gradient);
}

/** In f16 not so small that slopes overflow. */
const positive = (dtype: DType) =>
  fc.constantFrom<Fill>("positive", dtype === "f16" ? "positive" : "positiveSpread");
/** As `fillFor`, and numbers of many magnitudes, where functions change from one formula to another. */
const anyFill = (dtype: DType) =>
  dtype === "f32" || dtype === "f16" ? fc.oneof(fillFor(dtype), fc.constant<Fill>("spread")) : fillFor(dtype);
/** Not so small that the quotient's second derivative overflows. */
const divisor = (dtype: DType) => fc.constantFrom<Fill>("floats", dtype === "f16" ? "floats" : "spread");
const alike = (dtype: DType) => [anyFill(dtype), anyFill(dtype)] as const;
const mixed = notTaken((x) => fermi.add(x, x.cast("i32")), "u32", /^add: u32 and i32 have no common dtype/);
const bool = (f: (a: Tensor, b: Tensor) => Tensor, error: RegExp) => notTaken((x) => f(x, x), "bool", error);

/** A base that suits the exponent: positive for any, of either sign for whole ones, near 1 where those are large. */
const powers: OpSamples = samplesOf(
  fc.tuple(broadcasting(2), oneOf("floats"), fc.constantFrom("any", "few", "whole")).chain(
    ([[a, b], dtype, exponents]) => {
      const [base, exponent] = {
        any: [positive(dtype), real],
        few: [fc.constantFrom<Fill>("floats", "spread"), { below: 5 }],
        whole: [fc.constant<Fill>("nearOne"), { whole: 20 }],
      }[exponents]!;
      return fc.tuple(input(a!, dtype, base), input(b!, dtype, exponent))
        .map((inputs): Sample<null> => ({ inputs, options: null }));
    },
  ),
  ([a, b]) => fermi.pow(a!, b!),
  [notTaken((x) => fermi.pow(x, x), "i32", /^pow: expects a tensor of f32, f16, got i32/)],
);

/** From and to every dtype; reals up to beyond what integers hold. */
const casts: OpSamples = samplesOf(
  fc.tuple(shapes(), oneOf("all"), oneOf("all")).chain(([shape, from, dtype]) => {
    const fill: fc.Arbitrary<Fill> = from === "f32"
      ? fc.constantFrom<Fill>("edges", "wide", "floats", "integers")
      : from === "f16"
      ? real
      : fillFor(from);
    return input(shape, from, fill).map((x): Sample<DType> => ({
      inputs: [x],
      options: dtype,
      wrt: isFloat(from) && isFloat(dtype) ? [0] : [],
    }));
  }),
  ([x], dtype) => fermi.cast(x!, dtype),
  "takes any tensor",
);

const wheres: OpSamples = samplesOf(
  fc.tuple(broadcasting(3), oneOf("all")).chain(([[condition, a, b], dtype]) =>
    fc.tuple(
      input(condition!, "bool"),
      input(a!, dtype, fillFor(dtype)),
      input(b!, dtype, fillFor(dtype)),
    ).map((inputs: readonly Input[]): Sample<null> => ({ inputs, options: null }))
  ),
  ([condition, a, b]) => fermi.where(condition!, a!, b!),
  [notTaken((x) => fermi.where(x, 1, 2), "f32", /^where: expects a condition of bool, got f32/)],
);

const signed = (f: (x: Tensor) => Tensor, name: string) =>
  notTaken(f, "u32", new RegExp(`^${name}: expects a tensor of f32, f16, i32, got u32`));
const floats = (f: (x: Tensor) => Tensor, name: string) =>
  notTaken(f, "i32", new RegExp(`^${name}: expects a tensor of f32, f16, got i32`));

/** The samples of the family. */
export const elementwiseSamples: { readonly [Name in keyof Family]: OpSamples } = {
  neg: unary(fermi.neg, "signed", anyFill, [signed(fermi.neg, "neg")]),
  abs: unary(fermi.abs, "signed", anyFill, [signed(fermi.abs, "abs")]),
  sign: unary(fermi.sign, "signed", anyFill, [signed(fermi.sign, "sign")], "flat"),
  square: unary(fermi.square, "numbers", anyFill, [
    notTaken(fermi.square, "bool", /^square: expects a tensor of f32, f16, i32, u32, got bool/),
  ]),
  relu: unary(fermi.relu, "signed", anyFill, [signed(fermi.relu, "relu")]),
  floor: unary(fermi.floor, "floats", anyFill, [floats(fermi.floor, "floor")], "flat"),
  exp: unary(fermi.exp, "floats", anyFill, [floats(fermi.exp, "exp")]),
  log: unary(fermi.log, "floats", positive, [floats(fermi.log, "log")]),
  sqrt: unary(fermi.sqrt, "floats", positive, [floats(fermi.sqrt, "sqrt")]),
  rsqrt: unary(fermi.rsqrt, "floats", positive, [floats(fermi.rsqrt, "rsqrt")]),
  tanh: unary(fermi.tanh, "floats", anyFill, [floats(fermi.tanh, "tanh")]),
  sigmoid: unary(fermi.sigmoid, "floats", anyFill, [floats(fermi.sigmoid, "sigmoid")]),
  detach: unary(fermi.detach, "all", anyFill, "takes any tensor", "flat"),
  add: binary(fermi.add, "numbers", alike, [bool(fermi.add, /^add: expects a tensor of/), mixed]),
  sub: binary(fermi.sub, "numbers", alike, [bool(fermi.sub, /^sub: expects a tensor of/)]),
  mul: binary(fermi.mul, "numbers", alike, [bool(fermi.mul, /^mul: expects a tensor of/)]),
  div: binary(fermi.div, "floats", (dtype) => [anyFill(dtype), divisor(dtype)]),
  pow: powers,
  maximum: binary(fermi.maximum, "numbers", alike, [bool(fermi.maximum, /^maximum: expects a tensor of/)]),
  minimum: binary(fermi.minimum, "numbers", alike, [bool(fermi.minimum, /^minimum: expects a tensor of/)]),
  equal: binary(fermi.equal, "all", alike, [], "flat"),
  less: binary(fermi.less, "all", alike, [], "flat"),
  greater: binary(fermi.greater, "all", alike, [], "flat"),
  where: wheres,
  cast: casts,
};
