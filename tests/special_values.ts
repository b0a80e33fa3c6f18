// The table behind docs/special_values.md: what ops make of NaN, infinities, zeros of either sign, subnormal numbers,
// ties and numbers that a dtype does not hold. A row is operands and the result that is meant, which the CPU gives
// exactly. WebGPU gives the same, but where a row is open: then also what it lists, for the reason that it names.

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
/** A subnormal number, of which f32 has few digits. */
export const TINY: number = Math.fround(1e-40);

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

/** Ops of one f32, by name. */
export const UNARY: Table<
  "neg" | "abs" | "sign" | "square" | "relu" | "floor" | "exp" | "log" | "sqrt" | "rsqrt" | "tanh" | "sigmoid"
> = {
  neg: [...same([NaN, NaN], [INF, -INF], [0, -0], [-0, 0]), [[TINY], -TINY, flushed]],
  abs: [...same([NaN, NaN], [-INF, INF], [-0, 0]), [[-TINY], TINY, flushed]],
  sign: [
    [[NaN], NaN, ignored(0, -0, 1, -1)],
    ...same([INF, 1], [-INF, -1]),
    [[0], 0, eitherZero],
    [[-0], -0, eitherZero],
    [[TINY], 1, flushed],
  ],
  square: [...same([NaN, NaN], [-INF, INF], [-0, 0], [2e20, INF], [1e-30, 0]), [[1e-20], TINY, flushed]],
  relu: [...same([NaN, NaN], [INF, INF], [-INF, 0], [0, 0], [-0, 0], [-TINY, 0]), [[TINY], TINY, flushed]],
  floor: [...same([NaN, NaN], [INF, INF], [-INF, -INF], [-0, -0], [-0.5, -1]), [[-TINY], -1, flushed]],
  exp: [
    [[NaN], NaN, ignored([0, INF])],
    ...same([INF, INF], [-INF, 0], [89, INF], [-1000, 0], [-0, 1]),
    [[-100], Math.fround(Math.exp(-100)), flushed],
  ],
  log: [
    ...same([NaN, NaN], [INF, INF], [0, -INF], [-0, -INF], [-1, NaN], [-INF, NaN]),
    [[TINY], Math.fround(Math.log(TINY)), open("subnormal", [-INF, -87])],
  ],
  sqrt: [
    ...same([NaN, NaN], [INF, INF], [-INF, NaN], [-1, NaN], [0, 0], [-0, -0]),
    [[TINY], Math.fround(Math.sqrt(TINY)), flushed],
  ],
  rsqrt: [
    ...same([NaN, NaN], [INF, 0], [0, INF], [-0, -INF], [-1, NaN]),
    [[TINY], Math.fround(1 / Math.sqrt(TINY)), open("subnormal", INF)],
  ],
  tanh: [...same([NaN, NaN], [INF, 1], [-INF, -1], [1000, 1], [-0, -0]), [[TINY], TINY, flushed]],
  sigmoid: [
    [[NaN], NaN, ignored([0, 1])],
    ...same([INF, 1], [-INF, 0], [1000, 1], [-1000, 0]),
    [[-100], Math.fround(Math.exp(-100)), flushed],
  ],
};

/** Ops of two f32, by name. */
export const BINARY: Table<
  "add" | "sub" | "mul" | "div" | "pow" | "maximum" | "minimum" | "equal" | "less" | "greater"
> = {
  add: [
    ...same([NaN, 1, NaN], [INF, 1, INF], [INF, -INF, NaN], [3e38, 3e38, INF]),
    ...same([-0, -0, -0], [-0, 0, 0], [1, -1, 0]),
    [[TINY, 0], TINY, flushed],
  ],
  sub: [
    ...same([1, NaN, NaN], [INF, INF, NaN], [-3e38, 3e38, -INF], [0, 0, 0], [-0, 0, -0]),
    [[0, TINY], -TINY, flushed],
  ],
  mul: [
    ...same([NaN, 0, NaN], [INF, 0, NaN], [INF, -2, -INF], [1e30, 1e30, INF], [-1, 0, -0]),
    ...same([-0, -2, 0], [-1e-30, 1e-30, -0]),
    [[TINY, 1], TINY, flushed],
    [[TINY, INF], INF, open("subnormal", NaN)],
  ],
  div: [
    ...same([NaN, 1, NaN], [1, 0, INF], [-1, 0, -INF], [1, -0, -INF], [0, 0, NaN]),
    ...same([INF, INF, NaN], [1, -INF, -0], [0, -2, -0], [3e38, 0.1, INF]),
    [[1, 3e38], Math.fround(1 / Math.fround(3e38)), flushed],
    [[0, TINY], 0, open("subnormal", NaN)],
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
    [[TINY, 0], TINY, flushed],
  ],
  minimum: [
    [[NaN, 1], NaN, ignored(1)],
    [[1, NaN], NaN, ignored(1)],
    ...same([INF, 1, 1], [-INF, 1, -INF], [0, 0, 0]),
    [[0, -0], -0, eitherZero],
    [[-0, 0], -0, eitherZero],
    [[-TINY, 0], -TINY, flushed],
  ],
  equal: [
    ...same([NaN, NaN, 0], [NaN, 1, 0], [INF, INF, 1], [INF, -INF, 0], [0, -0, 1]),
    [[TINY, 0], 0, open("subnormal", 1)],
  ],
  less: [
    ...same([NaN, 1, 0], [1, NaN, 0], [-INF, INF, 1], [INF, INF, 0], [-0, 0, 0]),
    [[0, TINY], 1, open("subnormal", 0)],
  ],
  greater: [
    ...same([NaN, 1, 0], [1, NaN, 0], [INF, 3e38, 1], [0, -0, 0]),
    [[TINY, 0], 1, open("subnormal", 0)],
  ],
};

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
    [[TINY], 1, open("subnormal", 0)],
  ],
  "f32 f16": [
    ...same([NaN, NaN], [INF, INF], [-0, -0], [65504, 65504], [65519, 65504]),
    ...same([65520, INF], [-1e10, -INF], [2049, 2048], [2051, 2052], [2 ** -26, 0]),
    [[2 ** -24], 2 ** -24, flushed],
  ],
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

/** Reductions of f32: the operands are what is reduced. */
export const REDUCTIONS: Table<"sum" | "mean" | "prod" | "max" | "min" | "argmax" | "argmin"> = {
  sum: [
    ...same([NaN, 1, 2, NaN], [INF, 1, -2, INF], [INF, 1, -INF, NaN], [-0, -0, -0, 0]),
    [[3e38, 3e38, -3e38], Math.fround(3e38), open("range", INF)],
    [[TINY, 0, 0], TINY, flushed],
  ],
  mean: [
    ...same([NaN, 1, 2, NaN], [INF, 1, 2, INF], [INF, 0, -INF, NaN], [-0, -0, -0, 0]),
    ...same([3e38, 3e38, 0, INF]),
  ],
  prod: [
    ...same([NaN, 0, 1, NaN], [INF, 0, 1, NaN], [-INF, 2, 1, -INF], [-0, 1, 2, -0]),
    [[1e30, 1e30, 1e-30], Math.fround(1e30), open("range", INF)],
    [[1e-30, 1e-30, 1e30], Math.fround(1e-30), open("range", 0)],
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
};

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
