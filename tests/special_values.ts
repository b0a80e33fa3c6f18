// The table behind docs/special_values.md: what ops make of NaN, infinities, zeros of either sign, subnormal numbers,
// ties and numbers that a dtype does not hold, in f32 and, at its own scale, in f16. A row is operands and the result that is meant, which the CPU gives
// exactly. WebGPU gives the same, but where a row is open: then also what it lists, for the reason that it names.

import { roundToF16 } from "../tensor/dtype.ts";

/** Why WGSL may give something else. */
export type Reason = "subnormal" | "nan" | "zero" | "range" | "domain";

/** What else WebGPU may give: numbers, or ranges [from, to]. */
export interface Open {
  readonly why: Reason;
  readonly also: readonly (number | readonly [number, number])[];
}

/** Operands, the result, and whether it is open. */
export type Row = readonly [operands: readonly number[], meant: number, open?: Open];

/** Rows by op, or by dtypes. */
type Table<Name extends string> = Readonly<Record<Name, readonly Row[]>>;

const INF = Infinity;

/** Where a dtype of floats ends. */
export interface Scale {
  /** The number of the dtype that is nearest. */
  readonly round: (value: number) => number;
  /** The smallest number above 0. */
  readonly smallest: number;
  /** A subnormal number, of which the dtype has few digits. */
  readonly tiny: number;
  /** Its root, about. */
  readonly rootOfTiny: number;
  /** Below the logarithm of the smallest number that is not subnormal. */
  readonly logOfNormal: number;
  /** Whose exponential is subnormal, and whose is beyond the largest number. */
  readonly subnormalExp: number;
  readonly infiniteExp: number;
  /** Twice it is too large, and it divided by `fraction` and its reciprocal too small. */
  readonly huge: number;
  readonly fraction: number;
  /** The mean of twice it and 0. */
  readonly meanOfHuge: number;
  /** Its square is too large, its reciprocal is `small`, and the square of that is too small. */
  readonly large: number;
  readonly small: number;
}

/** The scales of the dtypes of floats. */
export const SCALES: Readonly<Record<"f32" | "f16", Scale>> = {
  f32: {
    round: Math.fround,
    smallest: 2 ** -149,
    tiny: Math.fround(1e-40),
    rootOfTiny: 1e-20,
    logOfNormal: -87,
    subnormalExp: -100,
    infiniteExp: 89,
    huge: 3e38,
    meanOfHuge: INF,
    fraction: 0.1,
    large: 1e30,
    small: 1e-30,
  },
  f16: {
    round: roundToF16,
    smallest: 2 ** -24,
    tiny: 2 ** -20,
    rootOfTiny: 2 ** -10,
    logOfNormal: -9.7,
    subnormalExp: -14,
    infiniteExp: 12,
    huge: 6e4,
    // The sum of a mean of f16 is in f32.
    meanOfHuge: 4e4,
    fraction: 0.5,
    large: 2 ** 13,
    small: 2 ** -13,
  },
};

/** Rows that are the same everywhere: operands, then the result. */
const same = (...rows: readonly (readonly number[])[]): Row[] =>
  rows.map((row) => [row.slice(0, -1), row.at(-1)!]);

const open = (why: Reason, ...also: Open["also"]): Open => ({ why, also });
/** A subnormal operand or result may count as 0, of either sign. */
const flushed = open("subnormal", 0, -0);
/** Of two zeros either may be taken. */
const eitherZero = open("zero", 0, -0);
/** A NaN may be overlooked. */
const ignored = (...others: Open["also"]) => open("nan", ...others);

/** Ops of one number, by name. */
export const unary = (
  { round, tiny, rootOfTiny, logOfNormal, subnormalExp, infiniteExp, large, small }: Scale,
): Table<
  "neg" | "abs" | "sign" | "square" | "relu" | "floor" | "exp" | "log" | "sqrt" | "rsqrt" | "tanh" | "sigmoid"
> => ({
  neg: [...same([NaN, NaN], [INF, -INF], [0, -0], [-0, 0]), [[tiny], -tiny, flushed]],
  abs: [...same([NaN, NaN], [-INF, INF], [-0, 0]), [[-tiny], tiny, flushed]],
  sign: [
    [[NaN], NaN, ignored(0, -0, 1, -1)],
    ...same([INF, 1], [-INF, -1]),
    [[0], 0, eitherZero],
    [[-0], -0, eitherZero],
    [[tiny], 1, flushed],
  ],
  square: [...same([NaN, NaN], [-INF, INF], [-0, 0], [large, INF], [small, 0]), [
    [rootOfTiny],
    tiny,
    flushed,
  ]],
  relu: [...same([NaN, NaN], [INF, INF], [-INF, 0], [0, 0], [-0, 0], [-tiny, 0]), [[tiny], tiny, flushed]],
  floor: [...same([NaN, NaN], [INF, INF], [-INF, -INF], [-0, -0], [-0.5, -1]), [[-tiny], -1, flushed]],
  exp: [
    [[NaN], NaN, ignored([0, INF])],
    ...same([INF, INF], [-INF, 0], [infiniteExp, INF], [-1000, 0], [-0, 1]),
    [[subnormalExp], round(Math.exp(subnormalExp)), flushed],
  ],
  log: [
    ...same([NaN, NaN], [INF, INF], [0, -INF], [-0, -INF], [-1, NaN], [-INF, NaN]),
    [[tiny], round(Math.log(tiny)), open("subnormal", [-INF, logOfNormal])],
  ],
  sqrt: [
    ...same([NaN, NaN], [INF, INF], [-INF, NaN], [-1, NaN], [0, 0], [-0, -0]),
    [[tiny], round(Math.sqrt(tiny)), flushed],
  ],
  rsqrt: [
    ...same([NaN, NaN], [INF, 0], [0, INF], [-0, -INF], [-1, NaN]),
    [[tiny], round(1 / Math.sqrt(tiny)), open("subnormal", INF)],
  ],
  tanh: [...same([NaN, NaN], [INF, 1], [-INF, -1], [1000, 1], [-0, -0]), [[tiny], tiny, flushed]],
  sigmoid: [
    [[NaN], NaN, ignored([0, 1])],
    ...same([INF, 1], [-INF, 0], [1000, 1], [-1000, 0]),
    [[subnormalExp], round(Math.exp(subnormalExp)), flushed],
  ],
});

/** Ops of two numbers, by name. */
export const binary = ({ round, tiny, huge, fraction, large, small }: Scale): Table<
  "add" | "sub" | "mul" | "div" | "pow" | "maximum" | "minimum" | "equal" | "less" | "greater"
> => ({
  add: [
    ...same([NaN, 1, NaN], [INF, 1, INF], [INF, -INF, NaN], [huge, huge, INF]),
    ...same([-0, -0, -0], [-0, 0, 0], [1, -1, 0]),
    [[tiny, 0], tiny, flushed],
  ],
  sub: [
    ...same([1, NaN, NaN], [INF, INF, NaN], [-huge, huge, -INF], [0, 0, 0], [-0, 0, -0]),
    [[0, tiny], -tiny, flushed],
  ],
  mul: [
    ...same([NaN, 0, NaN], [INF, 0, NaN], [INF, -2, -INF], [large, large, INF], [-1, 0, -0]),
    ...same([-0, -2, 0], [-small, small, -0]),
    [[tiny, 1], tiny, flushed],
    [[tiny, INF], INF, open("subnormal", NaN)],
  ],
  div: [
    ...same([NaN, 1, NaN], [1, 0, INF], [-1, 0, -INF], [1, -0, -INF], [0, 0, NaN]),
    ...same([INF, INF, NaN], [1, -INF, -0], [0, -2, -0], [huge, fraction, INF]),
    [[1, huge], round(1 / round(huge)), flushed],
    [[0, tiny], 0, open("subnormal", NaN)],
  ],
  pow: [
    ...same([0, 0, 1], [NaN, 0, 1], [INF, 0, 1], [NaN, 1, NaN], [0, 2, 0], [-0, 3, -0]),
    ...same([0, -1, INF], [-0, -1, -INF], [0, 0.5, 0], [0, -0.5, INF], [-2, 3, -8]),
    ...same([-2, 0.5, NaN], [INF, 2, INF], [INF, -1, 0], [INF, 0.5, INF], [-INF, 3, -INF]),
    ...same([2, INF, INF], [2, -INF, 0], [0.5, INF, 0]),
    [[-INF, 0.5], INF, open("domain", NaN)],
    [[1, INF], NaN, open("domain", 1, INF)],
    [[NaN, 0.5], NaN, ignored([0, INF])],
    [[2, NaN], NaN, ignored([0, INF])],
  ],
  maximum: [
    [[NaN, 1], NaN, ignored(1)],
    [[1, NaN], NaN, ignored(1)],
    ...same([INF, 1, INF], [-INF, 1, 1], [-0, -0, -0]),
    [[0, -0], 0, eitherZero],
    [[-0, 0], 0, eitherZero],
    [[tiny, 0], tiny, flushed],
  ],
  minimum: [
    [[NaN, 1], NaN, ignored(1)],
    [[1, NaN], NaN, ignored(1)],
    ...same([INF, 1, 1], [-INF, 1, -INF], [0, 0, 0]),
    [[0, -0], -0, eitherZero],
    [[-0, 0], -0, eitherZero],
    [[-tiny, 0], -tiny, flushed],
  ],
  equal: [
    ...same([NaN, NaN, 0], [NaN, 1, 0], [INF, INF, 1], [INF, -INF, 0], [0, -0, 1]),
    [[tiny, 0], 0, open("subnormal", 1)],
  ],
  less: [
    ...same([NaN, 1, 0], [1, NaN, 0], [-INF, INF, 1], [INF, INF, 0], [-0, 0, 0]),
    [[0, tiny], 1, open("subnormal", 0)],
  ],
  greater: [
    ...same([NaN, 1, 0], [1, NaN, 0], [INF, huge, 1], [0, -0, 0]),
    [[tiny, 0], 1, open("subnormal", 0)],
  ],
});

/** Conversions, by source and target. */
export const CASTS: Table<string> = {
  "f32 i32": [
    [[NaN], 0, ignored(-(2 ** 31), 2 ** 31 - 1)],
    ...same([INF, 2 ** 31 - 1], [-INF, -(2 ** 31)], [2 ** 31, 2 ** 31 - 1]),
    ...same([2147483520, 2147483520], [-1e10, -(2 ** 31)], [-0, 0], [-1.99, -1], [0.99, 0]),
  ],
  "f32 u32": [
    [[NaN], 0, ignored(2 ** 31, 2 ** 32 - 1)],
    ...same([INF, 2 ** 32 - 1], [-INF, 0], [2 ** 32, 2 ** 32 - 1], [4294967040, 4294967040]),
    ...same([-1, 0], [-0.5, 0], [2.99, 2]),
  ],
  "f32 u8": [
    [[NaN], 0, ignored(255)],
    ...same([INF, 255], [-INF, 0], [255.9, 255], [256, 255], [-1, 0], [-0, 0]),
  ],
  "f32 bool": [
    ...same([NaN, 1], [INF, 1], [0, 0], [-0, 0], [0.1, 1]),
    [[SCALES.f32.tiny], 1, open("subnormal", 0)],
  ],
  "f32 f16": [
    ...same([NaN, NaN], [INF, INF], [-0, -0], [65504, 65504], [65519, 65504]),
    ...same([65520, INF], [-1e10, -INF], [2049, 2048], [2051, 2052], [2 ** -26, 0]),
    [[2 ** -24], 2 ** -24, flushed],
  ],
  "f16 f32": [...same([NaN, NaN], [INF, INF], [-0, -0], [65504, 65504]), [[2 ** -24], 2 ** -24, flushed]],
  "f16 i32": [
    [[NaN], 0, ignored(-(2 ** 31), 2 ** 31 - 1)],
    ...same([INF, 2 ** 31 - 1], [-INF, -(2 ** 31)], [65504, 65504], [-0, 0], [-1.99, -1], [0.99, 0]),
  ],
  "f16 u8": [[[NaN], 0, ignored(255)], ...same([INF, 255], [-INF, 0], [255.875, 255], [256, 255], [-1, 0])],
  "f16 bool": [
    ...same([NaN, 1], [INF, 1], [0, 0], [-0, 0], [0.1, 1]),
    [[SCALES.f16.tiny], 1, open("subnormal", 0)],
  ],
  "i32 f16": same([2049, 2048], [2051, 2052], [65519, 65504], [65520, INF], [-(2 ** 31), -INF]),
  "i32 u8": same([300, 255], [-1, 0]),
  "i32 u32": same([-1, 0], [2 ** 31 - 1, 2 ** 31 - 1]),
  "u32 i32": same([2 ** 32 - 1, 2 ** 31 - 1], [2 ** 31, 2 ** 31 - 1]),
  "i32 bool": same([-7, 1], [0, 0]),
  "bool i32": same([1, 1], [0, 0]),
  "u8 f32": same([255, 255]),
};

/** Whole numbers, by dtype and op: they wrap modulo 2^32. */
export const INTEGERS: Table<string> = {
  "i32 add": same([2 ** 31 - 1, 1, -(2 ** 31)]),
  "i32 sub": same([-(2 ** 31), 1, 2 ** 31 - 1]),
  "i32 mul": same([2 ** 31 - 1, 2 ** 31 - 1, 1], [65536, 65536, 0]),
  "i32 neg": same([-(2 ** 31), -(2 ** 31)], [0, 0]),
  "i32 abs": same([-(2 ** 31), -(2 ** 31)]),
  "i32 sign": same([-(2 ** 31), -1], [0, 0]),
  "i32 square": same([65537, 131073]),
  "u32 add": same([2 ** 32 - 1, 2, 1]),
  "u32 sub": same([0, 1, 2 ** 32 - 1]),
  "u32 mul": same([2 ** 32 - 1, 2 ** 32 - 1, 1]),
  "u32 less": same([2 ** 31, 1, 0]),
};

/** Reductions: the operands are what is reduced. */
export const reductions = (
  { round, tiny, huge, meanOfHuge, large, small }: Scale,
): Table<"sum" | "mean" | "prod" | "max" | "min" | "argmax" | "argmin"> => ({
  sum: [
    ...same([NaN, 1, 2, NaN], [INF, 1, -2, INF], [INF, 1, -INF, NaN], [-0, -0, -0, 0]),
    [[huge, huge, -huge], round(huge), open("range", INF)],
    [[tiny, 0, 0], tiny, flushed],
  ],
  mean: [
    ...same([NaN, 1, 2, NaN], [INF, 1, 2, INF], [INF, 0, -INF, NaN], [-0, -0, -0, 0]),
    ...same([huge, huge, 0, meanOfHuge]),
  ],
  prod: [
    ...same([NaN, 0, 1, NaN], [INF, 0, 1, NaN], [-INF, 2, 1, -INF], [-0, 1, 2, -0]),
    [[large, large, small], round(large), open("range", INF)],
    [[small, small, large], round(small), open("range", 0)],
  ],
  max: [
    ...same([-INF, -INF, -INF, -INF], [1, INF, 2, INF], [3, 3, 1, 3]),
    [[-0, 0, -0], 0, eitherZero],
    [[NaN, 1, 2], NaN, ignored(2)],
    [[1, NaN, 2], NaN, ignored(2)],
    [[1, 2, NaN], NaN, ignored(2)],
  ],
  min: [
    ...same([INF, INF, INF, INF], [1, -INF, 2, -INF], [3, 1, 1, 1]),
    [[0, -0, 0], -0, eitherZero],
    [[NaN, 1, 2], NaN, ignored(1)],
    [[1, NaN, 2], NaN, ignored(1)],
  ],
  argmax: [
    ...same([1, 3, 3, 1], [-INF, -INF, -INF, 0], [-0, 0, -0, 0], [1, INF, INF, 1]),
    [[1, NaN, 2], 2, ignored(0, 1)],
    [[NaN, 1, 2], 0, ignored(1, 2)],
  ],
  argmin: [
    ...same([3, 1, 1, 1], [INF, INF, INF, 0], [0, -0, 0, 0]),
    [[1, NaN, 0], 2, ignored(0, 1)],
    [[NaN, 1, 2], 0, ignored(1, 2)],
  ],
});

/** The reduction of a window of three pixels. */
export const POOLS: Table<"maxPool2d" | "avgPool2d"> = {
  maxPool2d: [
    ...same([-INF, -INF, -INF, -INF], [1, INF, 2, INF]),
    [[0, -0, 0], 0, eitherZero],
    [[1, NaN, 2], NaN, ignored(2)],
    [[NaN, 1, 2], NaN, ignored(2)],
  ],
  avgPool2d: same([NaN, 1, 2, NaN], [INF, 1, 2, INF], [INF, 1, -INF, NaN], [-0, -0, -0, 0]),
};
