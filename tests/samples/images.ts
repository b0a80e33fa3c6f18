// Samples of pooling and of local response normalisation.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape, Tensor } from "../../mod.ts";
import { apply, applyOne } from "../../tensor/declare.ts";
import {
  type LocalResponseNormAttributes,
  localResponseNormGradientOp,
  localResponseNormOp,
} from "../../tensor/ops/normalize.ts";
import {
  avgPool2dGradientOp,
  maxPool2dGradientOp,
  maxPool2dOp,
  maxPool2dPickOp,
  type PoolGeometry,
} from "../../tensor/ops/pool2d.ts";
import type { CompositesOf, PrimitivesOf } from "../../tensor/ops/registry.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { few, input, oneOf, real } from "./arbitraries.ts";
import {
  apart,
  type Input,
  type Make,
  type OpSamples,
  outOfRange,
  type Sample,
  samplesOf,
  wrong,
} from "./sample.ts";

type PoolFamily = PrimitivesOf<typeof import("../../tensor/ops/pool2d.ts")>;
type NormalizeFamily = CompositesOf<typeof import("../../tensor/ops/normalize.ts")>;

/** The geometry, and the shapes before and after. */
interface Problem {
  readonly geometry: PoolGeometry;
  readonly x: Shape;
  readonly y: Shape;
}

const sideOf = (counts: readonly number[], strides: readonly number[]) =>
  fc.constantFrom(1, 2, 3, 4).chain((window) =>
    fc.record({
      window: fc.constant(window),
      stride: fc.constantFrom(...strides),
      before: fc.nat({ max: window - 1 }),
      after: fc.nat({ max: window - 1 }),
      outputs: fc.constantFrom(...counts),
      rest: fc.nat({ max: 2 }),
    })
  ).map(({ window, stride, before, after, outputs, rest }) => {
    const size = Math.max(1, (outputs - 1) * stride + window + Math.min(rest, stride - 1) - before - after);
    return {
      window,
      stride,
      before,
      after,
      size,
      outputs: Math.floor((size + before + after - window) / stride) + 1,
    };
  }).filter(({ window, before, after, size }) => size + before + after >= window);

const side = sideOf([1, 2, 3, 4, 7], [1, 2, 2, 3, 5]);
/** For maps that are longer than a window of 4 KiB also after pooling. */
const long = sideOf([9, 12, 13], [1, 1, 2]);
/** Blocks of as many pixels as a stride has are too large to be written out, and most pixels are in no window. */
const sparse = sideOf([1, 2], [64]);

/** Windows that are too large to be written out in a shader, and of which a byte cannot number all places. */
const large = (window: number, stride: number) =>
  fc.record({
    window: fc.constant(window),
    stride: fc.constant(stride),
    before: fc.constantFrom(0, 1, 5),
    after: fc.constantFrom(0, 2),
    outputs: fc.constantFrom(1, 2),
  }).map((side) => ({ ...side, size: side.outputs * stride + window - stride - side.before - side.after }));

const problems: fc.Arbitrary<Problem> = fc.oneof(
  {
    arbitrary: fc.record({
      batch: fc.constantFrom(1, 2, 3, 0),
      channels: fc.constantFrom(1, 2, 3, 5, 0),
      y: side,
      x: side,
    }),
    weight: 7,
  },
  {
    arbitrary: fc.record({
      batch: fc.constantFrom(2, 3),
      channels: fc.constantFrom(3, 4, 5),
      y: long,
      x: long,
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      batch: fc.constant(1),
      channels: fc.constantFrom(1, 2),
      y: fc.constantFrom(large(9, 4), large(17, 16)).chain((side) => side),
      x: large(16, 5),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      batch: fc.constant(1),
      channels: fc.constantFrom(1, 2),
      y: sparse,
      x: fc.oneof(sparse, side),
    }),
    weight: 1,
  },
).map(({ batch, channels, y, x }) => ({
  geometry: {
    window: [y.window, x.window] as const,
    stride: [y.stride, x.stride] as const,
    padding: [y.before, x.before, y.after, x.after] as const,
  },
  x: [batch, channels, y.size, x.size],
  y: [batch, channels, y.outputs, x.outputs],
})).filter(({ x, y }) => windowsOf(x) + 2 * windowsOf(y) <= 13);

/** How many windows of 4 KiB an array takes; there is room for 16. */
function windowsOf(shape: Shape): number {
  return Math.ceil(sizeOf(shape) / 1024);
}

/** The operands have the shapes before or after pooling. */
function pooling(...operands: readonly ("x" | "y")[]): fc.Arbitrary<Sample<Problem>> {
  return fc.tuple(problems, oneOf("floats")).chain(([problem, dtype]) =>
    fc.tuple(...operands.map((which) => input(problem[which], dtype, real))).map((inputs) => ({
      inputs,
      options: problem,
    }))
  );
}

/** Where the maxima of an operand are. */
const places = (x: Tensor, geometry: PoolGeometry) => apply(maxPool2dOp, [x.detach()], geometry)[1]!;

const tooPadded = (f: (x: Tensor, options: { window: number; padding: number }) => unknown) =>
  outOfRange(
    (make) => f(make([1, 1, 4, 4]), { window: 2, padding: 2 }),
    /padding \[2, 2, 2, 2\] must be smaller than/,
  );

/** Pooling a map of one element, from here and from elsewhere. */
const whole: PoolGeometry = { window: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0] };
const operands = (make: Make) => [make([1, 1, 1, 1]), make([1, 1, 1, 1], "i32", "elsewhere")];

/** The samples of pooling. */
export const pool2dSamples: { readonly [Name in keyof PoolFamily]: OpSamples } = {
  maxPool2d: samplesOf(pooling("x"), ([x], { geometry }) => apply(maxPool2dOp, [x!], geometry), [
    tooPadded(fermi.maxPool2d),
    outOfRange(
      (make) => fermi.maxPool2d(make([1, 1, 2, 2]), { window: 3 }),
      /^maxPool2d: a window of 3 does not fit into/,
    ),
    wrong((make) => fermi.maxPool2d(make([1, 2, 2]), { window: 1 }), /^maxPool2d: expects images .*, 4 axes/),
    wrong(
      (make) => fermi.maxPool2d(make([1, 1, 2, 2], "u8"), { window: 1 }),
      /^maxPool2d: expects images of f32/,
    ),
  ]),
  maxPool2dGradient: samplesOf(
    pooling("y", "x"),
    ([dy, x], { geometry, x: shape }) =>
      applyOne(maxPool2dGradientOp, [dy!, places(x!, geometry)], { ...geometry, shape }),
    [apart((make) => applyOne(maxPool2dGradientOp, operands(make), { ...whole, shape: [1, 1, 1, 1] }))],
  ),
  maxPool2dPick: samplesOf(
    pooling("x", "x"),
    ([x, other], { geometry }) => applyOne(maxPool2dPickOp, [x!, places(other!, geometry)], geometry),
    [apart((make) => applyOne(maxPool2dPickOp, operands(make), whole))],
  ),
  avgPool2d: samplesOf(
    pooling("x"),
    ([x], { geometry: { window, stride, padding } }) => fermi.avgPool2d(x!, { window, stride, padding }),
    [
      tooPadded(fermi.avgPool2d),
      outOfRange(
        (make) => fermi.avgPool2d(make([1, 1, 2, 2]), { window: 0 }),
        /^avgPool2d: window must be a whole number/,
      ),
    ],
  ),
  avgPool2dGradient: samplesOf(
    pooling("y"),
    ([dy], { geometry, x: shape }) => applyOne(avgPool2dGradientOp, [dy!], { ...geometry, shape }),
    "takes any tensor",
  ),
};

const extents = fc.oneof({ arbitrary: few, weight: 6 }, { arbitrary: fc.constantFrom(7, 9, 0), weight: 2 });

const normsOf = (counts: readonly number[], sizes: readonly number[]) =>
  fc.record({
    batch: fc.constantFrom(1, 2, 3),
    maps: fc.constantFrom(...counts),
    groups: fc.constantFrom(1, 1, 2, 3),
    height: extents,
    width: extents,
    size: fc.constantFrom(...sizes),
    beta: fc.constantFrom(0.75, 0.5, 1, 0.6),
    alpha: fc.constantFrom(1e-4, 0.02, 0.25, 1),
    k: fc.constantFrom(1, 2, 0.5),
    dtype: oneOf("floats"),
  });

/** Even and odd windows, also wider than there are maps. */
const norms = fc.oneof(
  // Maps around the run of 8 that an invocation takes.
  { arbitrary: normsOf([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 0], [1, 2, 3, 4, 5, 7]), weight: 4 },
  // Windows that are too large to be written out in a shader.
  { arbitrary: normsOf([1, 12, 40, 140], [17, 18, 33, 129]), weight: 1 },
).map(({ batch, maps, groups, height, width, size, beta, alpha, k, dtype }) => ({
  shape: [batch, maps * groups, height, width],
  attributes: { size, alpha, beta, k, groups },
  dtype,
})).filter(({ shape }) => windowsOf(shape) <= 3);

/**
 * Large windows are not differentiated: the gradient of the gradient comes of the definition, whose `size` slices compile
 * for minutes on software drivers.
 */
const normalised = (
  inputs: readonly Input[],
  options: LocalResponseNormAttributes,
): Sample<LocalResponseNormAttributes> => ({
  inputs,
  options,
  ...(options.size > 16 ? { wrt: [] } : {}),
});

const normalising = norms.chain(({ shape, attributes, dtype }) =>
  input(shape, dtype, real).map((x) => normalised([x], attributes))
);

const denormalising = norms.chain(({ shape, attributes, dtype }) =>
  fc.tuple(input(shape, dtype, real), input(shape, dtype, real)).map((inputs) =>
    normalised(inputs, attributes)
  )
);

/** The samples of local response normalisation. */
export const normalizeSamples: { readonly [Name in keyof NormalizeFamily]: OpSamples } = {
  localResponseNorm: samplesOf(
    normalising,
    ([x], attributes) => applyOne(localResponseNormOp, [x!], attributes),
    [
      wrong(
        (make) => fermi.localResponseNorm(make([1, 3, 1, 1]), { groups: 2 }),
        /^localResponseNorm: 3 channels do not divide into 2 groups/,
      ),
      wrong(
        (make) => fermi.localResponseNorm(make([3, 1, 1])),
        /^localResponseNorm: expects images .*, 4 axes/,
      ),
      outOfRange(
        (make) => fermi.localResponseNorm(make([1, 3, 1, 1]), { size: 0 }),
        /^localResponseNorm: size must be a whole number from 1, got 0/,
      ),
    ],
  ),
  localResponseNormGradient: samplesOf(
    denormalising,
    ([dy, x], attributes) => applyOne(localResponseNormGradientOp, [dy!, x!], attributes),
    [apart((make) => {
      const [x, y] = [make([1, 1, 1, 1]), make([1, 1, 1, 1], "f32", "elsewhere")];
      return applyOne(localResponseNormGradientOp, [x, y], {
        size: 1,
        alpha: 1,
        beta: 1,
        k: 1,
        groups: 1,
      });
    })],
  ),
};
