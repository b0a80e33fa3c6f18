// Random programs: 5 to 40 ops on small whole numbers, with shared subexpressions. A program is a list of words; what
// they mean depends only on shapes and on how large numbers may have become, so every device builds the same graph.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape, Tensor } from "../../mod.ts";
import { applyOne } from "../../tensor/declare.ts";
import { scatterAddOp } from "../../tensor/ops/indexing.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import type { Input } from "./sample.ts";

/** One op: its name, which earlier values it takes, and a number that chooses among its variants. */
interface Step {
  readonly op: string;
  readonly a: number;
  readonly b: number;
  readonly choice: number;
}

/** A program. */
export interface Program {
  readonly leaves: readonly Shape[];
  readonly seed: number;
  readonly steps: readonly Step[];
  /** Whether gradients of the sum of all results for the leaves are results too. */
  readonly gradients: boolean;
  /** In a program over states: which values they become, each in the shape of its state. */
  readonly updates: readonly number[];
}

/** A tensor and the largest magnitude that it can have. */
interface Bounded {
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
  const size = shape.reduce((a, b) => a * b, 1);
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

const STEPS: Readonly<Record<string, Meaning>> = {
  neg: same((x) => x.neg()),
  abs: same((x) => x.abs()),
  relu: same((x) => x.relu()),
  sign: within(1, (x) => x.sign()),
  floor: same((x) => x.mul(0.5).floor()),
  square: ({ x, most }) => ({ x: x.square(), most: most * most }),
  tanh: within(1, (x) => x.tanh()),
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

/** Clamps what could be too large, cuts what has too many elements, and fills what has none. */
function bounded({ x, most }: Bounded): Bounded {
  const small = most > MOST ? { x: x.minimum(4).maximum(-4), most: 4 } : { x, most };
  if (x.size === 0) return { x: small.x.sum().add(1), most: 1 };
  if (x.size <= ELEMENTS) return small;
  const flat = small.x.reshape([-1]);
  return { x: flat.slice({ end: 12 * 17 }).reshape([12, 17]), most: small.most };
}

/** Programs. */
export const programs: fc.Arbitrary<Program> = fc.record({
  leaves: fc.array(
    fc.constantFrom<Shape>([4, 5], [5], [3, 1], [4, 4], [2, 3, 4], [17], [1], [13, 3], []),
    { minLength: 2, maxLength: 4 },
  ),
  seed: fc.nat(),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom(...Object.keys(STEPS)),
      a: fc.nat({ max: 5 }),
      b: fc.nat({ max: 30 }),
      choice: fc.nat({ max: 30 }),
    }),
    { minLength: 5, maxLength: 40, size: "max" },
  ),
  gradients: fc.boolean(),
  updates: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 4 }),
});

/** The leaves of a program. */
export function leavesOf({ leaves, seed }: Program): Input[] {
  return leaves.map((shape, i) => ({ shape, dtype: "f32", fill: "integers", seed: seed + i, view: "plain" }));
}

/** What a program computes. */
export interface Built {
  /** What no later op took, a few that were taken, and gradients. */
  readonly results: readonly Tensor[];
  /** For each update of a state its value. */
  readonly updates: readonly Tensor[];
}

/** Builds a program's graph on its leaves; `made` is called with every value as soon as it is described. */
export function build(
  { steps, gradients, updates }: Program,
  leaves: readonly Tensor[],
  made: (x: Tensor, i: number) => void = () => {},
): Built {
  const values: Bounded[] = leaves.map((x) => ({ x, most: 4 }));
  const taken = new Set<Tensor>();
  steps.forEach(({ op, a, b, choice }, i) => {
    // The first operand is one of the latest values, so that programs are deep; the second is any.
    const first = values[Math.max(0, values.length - 1 - a)]!;
    const second = values[b % values.length]!;
    const value = bounded(STEPS[op]!(first, second, choice));
    for (const { x } of [first, second]) taken.add(x);
    values.push(value);
    made(value.x, i);
  });
  // An op may give back its operand; a state that was read after its update would not be what the program computed.
  const computed = values.map(({ x }) => x).filter((x) => !leaves.includes(x));
  const results = computed.filter((x, i) => !taken.has(x) || i % 5 === 0);
  if (gradients) {
    const total = results.map((x) => x.sum()).reduce((a, b) => a.add(b));
    results.push(...fermi.gradients(total, leaves));
  }
  return {
    results: [...new Set(results)],
    // Clamped, so that a program that is repeated stays within its numbers.
    updates: updates.slice(0, leaves.length).map((at, i) =>
      reshaped(values[at % values.length]!.x, leaves[i]!.shape).minimum(4).maximum(-4)
    ),
  };
}
