// Samples of the convolutions: strides beyond the window, dilation, uneven padding, also more of it than the window is
// wide, groups, channels and images that fill no vec4.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape } from "../../mod.ts";
import { apply } from "../../tensor/declare.ts";
import { conv2dParameterGradientsOp, type ConvGradientAttributes } from "../../tensor/ops/conv2d.ts";
import type { CompositesOf, PrimitivesOf } from "../../tensor/ops/registry.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { extent, input, oneOf, real } from "./arbitraries.ts";
import { type OpSamples, outOfRange, type Sample, samplesOf, wrong } from "./sample.ts";
import { VIEWS } from "./views.ts";

type Module = typeof import("../../tensor/ops/conv2d.ts");
type Family = PrimitivesOf<Module> & CompositesOf<Module>;

/** Options as the op takes them, and the shapes of the three arrays. */
export interface Problem {
  readonly options: {
    readonly stride: readonly [number, number];
    readonly padding: readonly [number, number, number, number];
    readonly dilation: readonly [number, number];
    readonly groups: number;
  };
  readonly x: FourAxes;
  readonly weight: FourAxes;
  readonly y: FourAxes;
}

type FourAxes = readonly [number, number, number, number];

/** The windows along one axis, and the size of the image that has so many of them. */
interface Windows {
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  readonly outputs: number;
  /** What the last window leaves over. */
  readonly rest: number;
}

/** One side of a convolution, its size made for its windows. */
export interface Side extends Windows {
  readonly size: number;
}

const reachOf = ({ window, dilation }: Windows) => (window - 1) * dilation + 1;

/** Sides of images that have so many windows, or one more where padding alone is enough. */
export const sideOf = (windows: fc.Arbitrary<Windows>): fc.Arbitrary<Side> =>
  windows.map((side) => {
    const { stride, before, after } = side;
    const reach = reachOf(side);
    const rest = Math.min(side.rest, stride - 1);
    const size = Math.max(1, (side.outputs - 1) * stride + reach + rest - before - after);
    return { ...side, size, outputs: Math.floor((size + before + after - reach) / stride) + 1 };
  }).filter((side) => side.outputs > 0);

const side = sideOf(fc.record({
  window: fc.constantFrom(1, 1, 2, 3, 5),
  stride: fc.constantFrom(1, 1, 2, 3, 4),
  dilation: fc.constantFrom(1, 1, 1, 2, 3),
  before: fc.constantFrom(0, 0, 1, 2, 4),
  after: fc.constantFrom(0, 0, 1, 3),
  outputs: fc.constantFrom(1, 2, 3, 4, 5),
  rest: fc.nat({ max: 3 }),
}));

const tiny = sideOf(fc.record({
  window: fc.constantFrom(1, 1, 2, 3),
  stride: fc.constantFrom(1, 1, 2),
  dilation: fc.constant(1),
  before: fc.constantFrom(0, 1),
  after: fc.constantFrom(0, 1),
  outputs: fc.constantFrom(1, 1, 2, 3),
  rest: fc.constant(0),
}));

const usual = fc.record({
  batch: fc.constantFrom(1, 1, 2, 3, 4, 5, 8, 0),
  groups: fc.constantFrom(1, 1, 1, 2, 3),
  inputs: fc.oneof({ arbitrary: extent, weight: 20 }, { arbitrary: fc.constant(0), weight: 1 }),
  outputs: fc.oneof({ arbitrary: extent, weight: 20 }, { arbitrary: fc.constant(0), weight: 1 }),
  y: side,
  x: side,
}).map((problem) => {
  // So few channels a group that the arrays stay small.
  const most = problem.groups > 1 ? 5 : 17;
  return { ...problem, inputs: Math.min(problem.inputs, most), outputs: Math.min(problem.outputs, most) };
});

/** Groups of more than one tile of rows, as AlexNet's: tiny images, so that there is room for their channels. */
const grouped = fc.record({
  batch: fc.constantFrom(1, 2),
  groups: fc.constantFrom(2, 2, 3),
  inputs: fc.constantFrom(1, 3, 9, 16, 17),
  outputs: fc.constantFrom(9, 16, 17, 33),
  y: tiny,
  x: tiny,
});

/** Sums over so many channels that they are split. */
const deep = fc.record({
  batch: fc.constantFrom(1, 2),
  groups: fc.constant(1),
  inputs: fc.constantFrom(1, 5, 33, 65),
  outputs: fc.constantFrom(1, 13, 33, 65),
  y: side,
  x: side,
});

const problems: fc.Arbitrary<Problem> = fc.oneof(
  { arbitrary: usual, weight: 5 },
  { arbitrary: grouped, weight: 1 },
  { arbitrary: deep, weight: 1 },
).map(problemOf).filter((problem) =>
  Math.max(sizeOf(problem.x), sizeOf(problem.weight), sizeOf(problem.y)) <= 4000 && fitsWindows(problem)
);

/** A convolution from its sides, and from how many channels a group has. */
export function problemOf({ batch, groups, inputs, outputs, y, x }: {
  readonly batch: number;
  readonly groups: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly y: Side;
  readonly x: Side;
}): Problem {
  return {
    options: {
      stride: [y.stride, x.stride],
      padding: [y.before, x.before, y.after, x.after],
      dilation: [y.dilation, x.dilation],
      groups,
    },
    x: [batch, inputs * groups, y.size, x.size],
    weight: [outputs * groups, inputs, y.window, x.window],
    y: [batch, outputs * groups, y.outputs, x.outputs],
  };
}

/**
 * Whether the arrays of each kernel of the three passes, with images packed in fours, zeros around and between them, and
 * channels in tiles of 16, take at most 15 windows of 4 KiB, so that a device with such windows and 16 bindings has room.
 */
export function fitsWindows({ options, x, weight, y }: Problem): boolean {
  const { padding, stride, dilation, groups } = options;
  const images = 4 * Math.ceil(x[0]! / 4);
  const windows = (elements: number) => Math.ceil(elements / 1024);
  const padded = (shape: Shape, around: (side: 0 | 1) => number) =>
    images * shape[1]! * (shape[2]! + around(0)) * (shape[3]! + around(1));
  const reach = (side: 0 | 1) => (weight[side + 2]! - 1) * dilation[side] + 1;
  const around = windows(padded(x, (side) => padding[side] + padding[side + 2]!));
  const spread = [y[0]!, y[1]!, y[2]! * stride[0], y[3]! * stride[1]];
  // Images of few channels are packed by lines of the window, one for each column of the output.
  const lines = windows(
    images * x[1]! * (x[2]! + padding[0] + padding[2]!) * y[3]! * 4 * Math.ceil(weight[3]! / 4),
  );
  const byLine = weight[1]! * Math.ceil(weight[3]! / 4) < weight[3]! * Math.ceil(weight[1]! / 4);
  const slopes = windows(padded(spread, (side) => 2 * reach(side)));
  const tiles = (channels: number) => 16 * Math.ceil(channels / 16);
  const [rows, depth] = [weight[0]! / groups, weight[1]!];
  const taps = groups * weight[2]! * weight[3]!;
  const [forward, backward] = [windows(taps * tiles(rows) * depth), windows(taps * tiles(depth) * rows)];
  const [inX, inY, inWeight] = [x, y, weight].map((shape) => windows(sizeOf(shape)));
  // Packing reads what a view shows a part of.
  const stored = (shape: Shape) =>
    windows(Math.max(...Object.values(VIEWS).map((view) => sizeOf(view(shape).stored))));
  return Math.max(
    around + forward + inY!,
    slopes + backward + inX!,
    (byLine ? Math.max(around, lines) : around) + slopes + inWeight!,
    stored(x) + (byLine ? Math.max(around, lines) : around),
    stored(y) + slopes,
    stored(weight) + Math.max(forward, backward),
  ) <= 15;
}

function convolving(operands: (problem: Problem) => readonly Shape[]): fc.Arbitrary<Sample<Problem>> {
  return fc.tuple(problems, oneOf("floats")).chain(([problem, dtype]) =>
    fc.tuple(...operands(problem).map((shape) => input(shape, dtype, real))).map((inputs) => ({
      inputs,
      options: problem,
    }))
  );
}

function parameterGradients(x: fermi.Tensor, dy: fermi.Tensor, attributes: ConvGradientAttributes) {
  return apply(conv2dParameterGradientsOp, [x, dy], attributes);
}

/** The samples of the family. */
export const conv2dSamples: { readonly [Name in keyof Family]: OpSamples } = {
  conv2d: samplesOf(
    convolving(({ x, weight }) => [x, weight]),
    ([x, weight], { options }) => fermi.conv2d(x!, weight!, options),
    [
      wrong(
        (make) => fermi.conv2d(make([1, 96, 4, 4]), make([8, 64, 1, 1]), { groups: 2 }),
        /^conv2d: weight expects 48 input channels per group \(96 \/ 2\), got 64/,
      ),
      wrong(
        (make) => fermi.conv2d(make([1, 3, 4, 4]), make([2, 1, 1, 1]), { groups: 2 }),
        /^conv2d: 3 input channels do not divide into 2 groups/,
      ),
      wrong(
        (make) => fermi.conv2d(make([1, 4, 4, 4]), make([3, 2, 1, 1]), { groups: 2 }),
        /^conv2d: 3 output channels do not divide into 2 groups/,
      ),
      outOfRange(
        (make) => fermi.conv2d(make([1, 1, 4, 4]), make([1, 1, 5, 1])),
        /^conv2d: a window of 5 does not fit into 4 \+ 0 of padding/,
      ),
      wrong(
        (make) => fermi.conv2d(make([1, 4, 4]), make([1, 1, 1, 1])),
        /^conv2d: expects images .*, 4 axes, got/,
      ),
      wrong(
        (make) => fermi.conv2d(make([1, 1, 1, 1], "i32"), make([1, 1, 1, 1])),
        /^conv2d: expects images of f32/,
      ),
      outOfRange(
        (make) => fermi.conv2d(make([1, 1, 1, 1]), make([1, 1, 1, 1]), { stride: 0 }),
        /^conv2d: stride must be a whole number from 1, got 0/,
      ),
      outOfRange(
        (make) => fermi.conv2d(make([1, 1, 1, 1]), make([1, 1, 1, 1]), { padding: -1 }),
        /^conv2d: padding must be a whole number from 0, got -1/,
      ),
    ],
  ),
  conv2dInputGradient: samplesOf(
    convolving(({ y, weight }) => [y, weight]),
    ([dy, weight], { options, x }) => fermi.conv2dInputGradient(dy!, weight!, { ...options, shape: x }),
    [
      wrong(
        (make) => fermi.conv2dInputGradient(make([1, 1, 3, 3]), make([1, 1, 1, 1]), { shape: [1, 1, 4, 4] }),
        /^conv2dInputGradient: expects output gradients \[1, 1, 4, 4\], got \[1, 1, 3, 3\]/,
      ),
    ],
  ),
  conv2dWeightGradient: samplesOf(
    convolving(({ x, y }) => [x, y]),
    ([x, dy], { options, weight }) => fermi.conv2dWeightGradient(x!, dy!, { ...options, shape: weight }),
    [
      wrong(
        (make) => fermi.conv2dWeightGradient(make([1, 1, 4, 4]), make([1, 1, 3, 3]), { shape: [1, 1, 1, 1] }),
        /^conv2dWeightGradient: expects output gradients \[1, 1, 4, 4\], got \[1, 1, 3, 3\]/,
      ),
    ],
  ),
  conv2dWithBias: samplesOf(
    convolving(({ x, weight }) => [x, weight, [weight[0]]]),
    ([x, weight, bias], { options }) => fermi.conv2d(x!, weight!, { ...options, bias: bias! }),
    [
      wrong(
        (make) => fermi.conv2d(make([1, 1, 4, 4]), make([3, 1, 1, 1]), { bias: make([2]) }),
        /^conv2d: expects a bias \[3\], got \[2\]/,
      ),
      wrong(
        (make) => fermi.conv2d(make([1, 1, 4, 4]), make([3, 1, 1, 1]), { bias: make([3], "i32") }),
        /^conv2d: expects a bias of f32, got i32/,
      ),
    ],
  ),
  conv2dParameterGradients: samplesOf(
    convolving(({ x, y }) => [x, y]),
    ([x, dy], { options, weight }) => parameterGradients(x!, dy!, { ...options, shape: weight }),
    [
      wrong(
        (make) =>
          parameterGradients(make([1, 1, 4, 4]), make([1, 1, 3, 3]), {
            stride: [1, 1],
            padding: [0, 0, 0, 0],
            dilation: [1, 1],
            groups: 1,
            shape: [1, 1, 1, 1],
          }),
        /^conv2dWeightGradient: expects output gradients \[1, 1, 4, 4\], got \[1, 1, 3, 3\]/,
      ),
    ],
  ),
};
