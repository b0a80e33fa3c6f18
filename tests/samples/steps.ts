// The words of random programs: for each op what it makes of its operands, and how large its numbers may become.

import * as fermi from "../../mod.ts";
import type { Shape, Tensor } from "../../mod.ts";
import { applyOne } from "../../tensor/declare.ts";
import { scatterAddOp } from "../../tensor/ops/indexing.ts";
import { broadcastShapes, sizeOf } from "../../tensor/shape.ts";

/** A tensor and the largest magnitude that it can have. */
export interface Bounded {
  readonly x: Tensor;
  readonly most: number;
}

/** Numbers above are clamped, and arrays of more elements cut, so that sums stay exact and small. */
const MOST = 512;
const ELEMENTS = 400;

type Meaning = (a: Bounded, b: Bounded, choice: number) => Bounded;

const same = (f: (x: Tensor) => Tensor): Meaning => ({ x, most }) => ({ x: f(x), most });
const within = (most: number, f: (x: Tensor) => Tensor): Meaning => ({ x }) => ({ x: f(x), most });

/** Two operands of shapes that broadcast; where they do not, the sum of the second. */
const two =
  (f: (a: Tensor, b: Tensor) => Tensor, most: (a: number, b: number) => number): Meaning => (a, b) => {
    const other = fits(a.x.shape, b.x.shape) ? b : bounded({ x: b.x.sum(), most: b.most * b.x.size });
    return { x: f(a.x, other.x), most: most(a.most, other.most) };
  };

function fits(a: Shape, b: Shape): boolean {
  try {
    broadcastShapes("program", a, b);
    return true;
  } catch {
    return false;
  }
}

/** A reduction along one axis; a scalar stays. */
const along =
  (f: (x: Tensor, options: { axis: number; keepDims: boolean }) => Tensor, grows: boolean): Meaning =>
  (
    { x, most },
    _,
    choice,
  ) => {
    const rank = x.shape.length;
    if (rank === 0) return { x, most };
    const axis = choice % rank;
    return { x: f(x, { axis, keepDims: choice % 2 === 0 }), most: grows ? most * x.shape[axis]! : most };
  };

const product: Meaning = (a, b) => {
  const rows = (x: Tensor) => x.shape.length === 0 ? x.reshape([1, 1]) : x.reshape([-1, x.shape.at(-1)!]);
  const [left, right] = [rows(a.x), rows(b.x)];
  const inner = left.shape[1]!;
  const other = right.shape[0] === inner
    ? { x: right, most: b.most }
    : right.shape[1] === inner
    ? { x: right.transpose(), most: b.most }
    : { x: left.transpose(), most: a.most };
  // So few rows and columns that the product is small too.
  const x = left.slice({ end: 24 }).matmul(other.x.slice({ axis: 1, end: 24 }));
  return { x, most: inner * a.most * other.most };
};

/** As many elements as `shape` has: the first ones, or filled up with zeros. */
export function reshaped(x: Tensor, shape: Shape): Tensor {
  const size = sizeOf(shape);
  const flat = x.reshape([-1]);
  const fitted = x.size >= size ? flat.slice({ end: size }) : flat.pad({ after: size - x.size });
  return fitted.reshape(shape);
}

const images = (x: Tensor) => reshaped(x, [2, 4, 3, 5]);

const convolution: Meaning = (a, b, choice) => {
  const groups = 1 + choice % 2;
  const weight = reshaped(b.x, [6 / groups, 4 / groups, 2, 3]);
  const options = { groups, stride: 1 + choice % 3, padding: [choice % 2, 1, 0, choice % 4] as const };
  const whole = groups === 1 ? weight : fermi.concat([weight, weight], { axis: 0 });
  return { x: fermi.conv2d(images(a.x), whole, options), most: 24 * a.most * b.most };
};

/** The ops by name. */
export const STEPS: Readonly<Record<string, Meaning>> = {
  neg: same((x) => x.neg()),
  abs: same((x) => x.abs()),
  relu: same((x) => x.relu()),
  sign: within(1, (x) => x.sign()),
  floor: same((x) => x.mul(0.5).floor()),
  square: ({ x, most }) => ({ x: x.square(), most: most * most }),
  tanh: within(1, (x) => x.tanh()),
  sigmoid: within(1, (x) => x.sigmoid()),
  exp: within(3, (x) => x.minimum(1).exp()),
  log: same((x) => x.abs().add(1.5).log()),
  sqrt: ({ x, most }) => ({ x: x.abs().add(0.5).sqrt(), most: most + 1 }),
  rsqrt: within(2, (x) => x.abs().add(0.5).rsqrt()),
  div: two((a, b) => a.div(b.abs().add(1)), (a) => a),
  pow: two((a, b) => a.abs().minimum(2).add(0.5).pow(b.maximum(-2).minimum(2)), () => 7),
  prod: along((x, options) => x.maximum(-1).minimum(1).prod(options), false),
  add: two((a, b) => a.add(b), (a, b) => a + b),
  sub: two((a, b) => a.sub(b), (a, b) => a + b),
  mul: two((a, b) => a.mul(b), (a, b) => a * b),
  maximum: two((a, b) => a.maximum(b), Math.max),
  minimum: two((a, b) => a.minimum(b), Math.max),
  where: two((a, b) => a.greater(b).where(a, b.add(1)), (a, b) => Math.max(a, b + 1)),
  equal: two((a, b) => a.equal(b).cast("f32"), () => 1),
  less: two((a, b) => a.less(b).cast("u8").cast("f32"), () => 1),
  integer: same((x) => x.cast("i32").cast("f32")),
  sum: along((x, options) => x.sum(options), true),
  max: along((x, options) => x.max(options), false),
  min: along((x, options) => x.min(options), false),
  argmax: along((x, options) => x.argmax(options).cast("f32"), true),
  transpose: same((x) => x.transpose()),
  flip: same((x) => x.flip()),
  flatten: same((x) => x.reshape([-1])),
  column: same((x) => x.reshape([-1, 1])),
  slice: ({ x, most }, _, choice) => ({
    x: x.shape.length === 0
      ? x
      : x.slice({ axis: choice % x.shape.length, start: choice % 2, step: 1 + choice % 3 }),
    most,
  }),
  nothing: ({ x, most }, _, choice) => ({
    x: x.shape.length === 0 ? x : x.slice({ axis: choice % x.shape.length, end: 0 }),
    most,
  }),
  pad: ({ x, most }, _, choice) => ({
    x: x.pad({ before: choice % 2, after: choice % 3, interior: choice % 5 === 0 ? 1 : 0, value: 1 }),
    most: most + 1,
  }),
  repeat: ({ x, most }, _, choice) => ({ x: x.broadcastTo([1 + choice % 3, ...x.shape]), most }),
  concat: ({ x, most }, _, choice) => ({
    x: x.shape.length === 0 ? x : fermi.concat([x, x.neg(), x], { axis: choice % x.shape.length }),
    most,
  }),
  gather: ({ x, most }, _, choice) => {
    if (x.shape.length === 0) return { x, most };
    const axis = choice % x.shape.length;
    const indices = Int32Array.from([0, choice, choice + 1], (index) => index % Math.max(1, x.shape[axis]!));
    return { x: x.gather(fermi.tensor(indices, { device: x.device }), { axis }), most };
  },
  matmul: product,
  matmulAgain: product,
  conv2d: convolution,
  conv2dAgain: convolution,
  maxPool2d: same((x) => fermi.maxPool2d(images(x), { window: 2, stride: 1, padding: 1 })),
  avgPool2d: same((x) => fermi.avgPool2d(images(x), { window: [2, 4], stride: 2, padding: [1, 0] })),
  localResponseNorm: same((x) => fermi.localResponseNorm(images(x), { size: 3, groups: 2 })),
  logSoftmax: ({ x, most }) => ({ x: fermi.logSoftmax(reshaped(x, [4, 6])), most: 2 * most + 2 }),
  crossEntropy: ({ x, most }, _, choice) => {
    const labels = fermi.tensor(Int32Array.from([0, 5, choice % 6]), { device: x.device });
    return { x: fermi.crossEntropy(reshaped(x, [3, 6]), labels), most: 2 * most + 2 };
  },
  dropout: ({ x, most }, _, choice) => ({
    x: fermi.dropout(x, fermi.randomKey(choice, { device: x.device }), { p: 0.5 }),
    most: 2 * most,
  }),
  scatterAdd: ({ x, most }, _, choice) => {
    const indices = fermi.tensor(Int32Array.from([1, 0, choice % 4, 1]), { device: x.device });
    return {
      x: applyOne(scatterAddOp, [reshaped(x, [4, 5]), indices], { axis: 0, extent: 3 }),
      most: 4 * most,
    };
  },
};

/** The ops that are also given tensors without elements; others get a one in their place. */
export const TAKES_NOTHING: ReadonlySet<string> = new Set([
  ...["neg", "abs", "relu", "sign", "floor", "square", "tanh", "sigmoid", "exp", "add", "sub", "mul", "div"],
  ...["maximum", "minimum", "where", "equal", "less", "integer", "sum", "prod", "transpose", "flip", "pad"],
  ...["repeat", "concat", "dropout"],
]);

/** The ops whose results are rounded even of whole numbers. */
export const ROUNDS: ReadonlySet<string> = new Set([
  ...["tanh", "sigmoid", "exp", "log", "sqrt", "rsqrt", "div", "pow"],
  ...["avgPool2d", "localResponseNorm", "logSoftmax", "crossEntropy"],
]);
/** The ops that jump where numbers are equal or whole, themselves or their gradients. */
export const JUMPS: ReadonlySet<string> = new Set([
  ...["sign", "floor", "where", "equal", "less", "integer", "max", "min", "argmax", "maxPool2d"],
]);
/** Those whose results are whole. */
export const WHOLE: ReadonlySet<string> = new Set(["sign", "equal", "less", "integer", "argmax"]);

/** Clamps what could be too large, and cuts what has too many elements. */
export function bounded({ x, most }: Bounded): Bounded {
  const small = most > MOST ? { x: x.minimum(4).maximum(-4), most: 4 } : { x, most };
  if (x.size <= ELEMENTS) return small;
  const flat = small.x.reshape([-1]);
  return { x: flat.slice({ end: 12 * 17 }).reshape([12, 17]), most: small.most };
}
