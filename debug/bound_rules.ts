// For every primitive, how far its result may be off: given the operands' numbers and errors, the errors of the outputs.
// A primitive without a rule does not compile. `u` below is one unit in the last place.

import type { CpuArray } from "../backends/cpu/kernels/kernel.ts";
import { convert, isFloat } from "../tensor/dtype.ts";
import type { PoolGeometry } from "../tensor/ops/pool2d.ts";
import type { ReduceAttributes } from "../tensor/ops/reduction.ts";
import type { Primitives } from "../tensor/ops/registry.ts";
import { placeErrors, pooled, reduced } from "./bound_places.ts";
import type { Bounded, Run } from "./bounds.ts";
import { gridOf, isExact, oneRounding, roundings, sumErrors, TINY, ULP } from "./roundings.ts";

/** What a rule is given. */
interface Context {
  readonly inputs: readonly Bounded[];
  readonly outputs: readonly CpuArray[];
  readonly attributes: never;
  readonly run: Run;
}

type Rule = (context: Context) => readonly Float64Array[];

const largest = ({ data, errors }: Bounded) => errors.map((error, i) => Math.abs(data[i]!) + error);

// ---- element by element -------------------------------------------------------------------------------------

/** `f` gives the error of a result from its operand x, x's error and the result y. */
function unary(f: (x: number, error: number, y: number) => number): Rule {
  return ({ inputs: [x], outputs: [y] }) => {
    const real = isFloat(y!.dtype);
    return [x!.errors.map((error, i) => real || error > 0 ? f(x!.data[i]!, error, y!.data[i]!) : 0)];
  };
}

function binary(f: (a: number, b: number, ea: number, eb: number, y: number) => number): Rule {
  return ({ inputs: [a, b], outputs: [y] }) => [
    a!.errors.map((ea, i) => f(a!.data[i]!, b!.data[i]!, ea, b!.errors[i]!, y!.data[i]!)),
  ];
}

/** A function whose result is one of its operands, or one with its sign changed. */
const choice: Rule = unary((_, error) => error);
const choiceOfTwo: Rule = binary((_a, _b, ea, eb) => Math.max(ea, eb));

/** Of a function that only grows, in steps: as much as it grows from x - error to x + error. */
const stepped = (f: (x: number) => number) => (x: number, error: number) =>
  error === 0 ? 0 : error < Infinity ? f(x + error) - f(x - error) : Infinity;
const step = (f: (x: number) => number): Rule => unary(stepped(f));

const comparison: Rule = binary((a, b, ea, eb) => ea + eb > 0 && Math.abs(a - b) <= ea + eb ? 1 : 0);

/** Arithmetic: one rounding in floats, none in integers, which wrap. */
function arithmetic(
  spread: (a: number, b: number, ea: number, eb: number) => number,
  exact: (a: number, b: number, y: number) => boolean,
): Rule {
  return (context) => {
    const real = isFloat(context.outputs[0]!.dtype);
    return binary((a, b, ea, eb, y) => {
      const error = spread(a, b, ea, eb);
      return real ? error + oneRounding(y, error, exact(a, b, y)) : error;
    })(context);
  };
}

const sum = arithmetic((_a, _b, ea, eb) => ea + eb, (a, b, y) => y - a === b && y - b === a);
const difference = arithmetic((_a, _b, ea, eb) => ea + eb, (a, b, y) => a - y === b && y + b === a);
// The f64 product of two f32 is exact.
const product = arithmetic((a, b, ea, eb) => Math.abs(a) * eb + Math.abs(b) * ea + ea * eb, () => true);

/** 2.5 u by WGSL; not promised to be exact anywhere. */
const quotient = binary((_a, b, ea, eb, y) => {
  const below = Math.abs(b) - eb;
  if (!(below > 0)) return Infinity;
  const error = (ea + Math.abs(y) * eb) / below;
  return error + roundings(y, error, 2.5);
});

/** exp is off by 3 + 2|x| u. */
const exponential = unary((x, error, y) => {
  const spread = y * Math.expm1(error);
  return spread + roundings(y, spread, 3 + 2 * (Math.abs(x) + error));
});

/** log and log2 of x: 3 u, but 2^-21 absolute between 1/2 and 2. */
const logRounding = (x: number, error: number, y: number) =>
  x + error >= 0.5 && x - error <= 2 ? Math.max(2 ** -21, 3 * ULP * Math.abs(y)) : 3 * ULP * Math.abs(y);

const logarithm = unary((x, error, y) =>
  x - error > 0 ? error / (x - error) + logRounding(x, error, y) : Infinity
);

/** sqrt is 1 / inverseSqrt: 2 + 2.5 u, and half a one for the product of both. */
const root = unary((x, error, y) => {
  if (x === 0 && error === 0) return 0;
  const spread = x - error > 0 ? y - Math.sqrt(x - error) : Math.sqrt(x + error);
  return spread + roundings(y, spread, 5);
});

const inverseRoot = unary((x, error, y) => {
  if (!(x - error > 0)) return Infinity;
  const spread = 1 / Math.sqrt(x - error) - y;
  return spread + roundings(y, spread, 2);
});

/**
 * tanh_accurate: under 1/4 a polynomial with a truncation of 1/4 u and three roundings that matter; above, with
 * e = exp(-2|x|) of relative error d = 3 + 4|x| u, (1 - e) / (1 + e) is off by 2 e d / (1 - e^2), at most 7.7 u, two
 * roundings and a division of 2.5.
 */
const tanh = unary((x, error, y) => error + roundings(y, error, Math.abs(x) + error < 0.25 ? 3.5 : 13));

/** 1 / (1 + e), e = exp(-x): what exp's error makes of it, an addition and a division. */
const sigmoid = unary((x, error, y) =>
  error / 4 + roundings(y, error / 4, (3 + 2 * (Math.abs(x) + error)) * (1 - y + error / 4) + 3.5)
);

/**
 * pow_signed: exp2(t), t = b log2|a|, exact for b = 0 and b = 1, one rounding for b = 2. t's absolute error times ln 2
 * is relative in the result, and exp2 itself is off by 3 + 2|t| u.
 */
const power = binary((a, b, ea, eb, y) => {
  if (eb === 0 && ea === 0 && (b === 0 || b === 1)) return 0;
  if (eb === 0 && ea === 0 && b === 2) return oneRounding(y, 0, true);
  const base = Math.abs(a);
  if (base - ea <= 0) return Infinity;
  const t = b * Math.log2(base);
  const tError = (Math.abs(b) + eb) * (ea / (base - ea) / Math.LN2 + logRounding(base, ea, Math.log2(base))) +
    eb * Math.abs(Math.log2(base)) + (Math.abs(t) + eb) * ULP;
  const spread = Math.abs(y) * Math.expm1(Math.LN2 * tError);
  return spread + roundings(y, spread, 3 + 2 * (Math.abs(t) + tError));
});

const select: Rule = ({ inputs: [condition, a, b] }) => [
  condition!.errors.map((open, i) => {
    if (open === 0) return condition!.data[i] ? a!.errors[i]! : b!.errors[i]!;
    return Math.abs(a!.data[i]! - b!.data[i]!) + Math.max(a!.errors[i]!, b!.errors[i]!);
  }),
];

const cast: Rule = (context) => {
  const { inputs: [x], outputs: [y] } = context;
  if (y!.dtype === "bool") {
    return unary((value, error) => error > 0 && Math.abs(value) <= error ? 1 : 0)(context);
  }
  if (!isFloat(y!.dtype)) return unary(stepped((value) => convert(value, y!.dtype)))(context);
  // i32 and u32 do not all fit into an f32; f16 is rounded where it is stored.
  return [x!.errors.map((error, i) => error + oneRounding(x!.data[i]!, error, true))];
};

/**
 * AS 241 in f32. Centre: some 14 roundings in each of two polynomials of positive terms, whose common argument errs by
 * 3 u of 0.18 and moves the quotient by 2 u more, and a division. Tail: the same polynomials of r, r's error (log 3 u,
 * sqrt 4.5 u of a number up to 4.2, less a constant) times a slope of sqrt(2).
 */
const normal = unary((_, _error, y) => roundings(y, 0, 48));

// ---- sums of products ---------------------------------------------------------------------------------------

/** A sum of elements of the first operand; other operands are indices. */
const linear: Rule = ({ inputs, outputs: [y], run }) => {
  const [x, ...indices] = inputs;
  // An index in doubt may send anything anywhere.
  if (!indices.every(isExact)) return [open(y!)];
  const only = (data: Float64Array) => [data, ...indices.map(() => null)];
  const spread = run(only(x!.errors));
  if (!isFloat(y!.dtype)) return [spread];
  // How many terms a sum has: the op on ones. A sum of one is not rounded.
  const terms = run(only(new Float64Array(x!.data.length).fill(1))).map((count) => count > 1 ? count : 0);
  const own = sumErrors(run(only(largest(x!))), terms, isExact(x!) ? gridOf(x!.data) : null);
  return [spread.map((error, i) => error + own[i]!)];
};

/** A sum over a window's size; division or product with a rounded reciprocal, neither is promised to be exact. */
const mean: Rule = ({ inputs: [x], attributes, run }) => {
  const { window } = attributes as PoolGeometry;
  const size = window[0] * window[1];
  const magnitudes = run([largest(x!)]);
  const own = sumErrors(magnitudes, magnitudes.map(() => size + 2.5), null);
  return [run([x!.errors]).map((error, i) => error + own[i]!)];
};

const open = ({ data }: CpuArray) => new Float64Array(data.length).fill(Infinity);

/** A sum of products of elements of a and b. */
const bilinear: Rule = ({ inputs: [a, b], run }) => {
  const [bigA, bigB] = [largest(a!), largest(b!)];
  const ones = (x: Bounded) => new Float64Array(x.data.length).fill(1);
  const exact = isExact(a!) && isExact(b!);
  const [gridA, gridB] = [gridOf(a!.data), gridOf(b!.data)];
  const terms = run([ones(a!), ones(b!)]);
  const own = sumErrors(
    run([bigA, bigB]),
    terms,
    exact && gridA !== null && gridB !== null ? gridA + gridB : null,
  );
  if (exact) return [own];
  const absolute = b!.data.map(Math.abs);
  const [fromA, fromB] = [run([a!.errors, Float64Array.from(absolute)]), run([bigA, b!.errors])];
  return [own.map((error, i) => error + fromA[i]! + fromB[i]!)];
};

const products: Rule = ({ inputs: [x], outputs: [y], attributes, run }) => {
  if (!isFloat(y!.dtype)) return [new Float64Array(y!.data.length)];
  const { axes } = attributes as ReduceAttributes;
  const count = axes.reduce((n, axis) => n * x!.shape[axis]!, 1);
  const [big, small] = [run([largest(x!)]), run([x!.data.map(Math.abs) as Float64Array])];
  // Whole numbers whose product is small have only small partial products.
  const exact = isExact(x!) && gridOf(x!.data) === 0 && x!.data.every((value) => value !== 0);
  return [
    big.map((value, i) => exact && value <= 2 ** 24 ? 0 : value - small[i]! + count * (value * ULP + TINY)),
  ];
};

// ---- movement -----------------------------------------------------------------------------------------------

/** Errors move as the elements do; an index in doubt opens everything. `moved` operands are floats that are moved. */
const movement = (moved?: number, name?: string): Rule => ({ inputs, outputs: [y], run }) => {
  if (inputs.some((input, i) => moved !== undefined && i >= moved && !isExact(input))) return [open(y!)];
  return [run(inputs.map(({ errors }, i) => moved === undefined || i < moved ? errors : null), name)];
};

/** The errors of a maximum are at most the largest of its operands'; a place in doubt is open. */
const extreme: Rule = ({ inputs: [x], run }) => [run([x!.errors], "max")];
const place: Rule = ({ inputs: [x], outputs: [y], attributes }) => [
  placeErrors(x!, y!, reduced(x!.shape, (attributes as ReduceAttributes).axes)),
];
const maximum: Rule = ({ inputs: [x], outputs: [, index], attributes, run }) => [
  run([x!.errors]),
  placeErrors(x!, index!, pooled(x!.shape, index!.shape, attributes)),
];

/** Integers only: the same bits on every backend. */
const bits: Rule = ({ outputs: [y] }) => [new Float64Array(y!.data.length)];

/** The rules. */
export const rules: { readonly [Name in keyof Primitives]: Rule } = {
  neg: choice,
  abs: choice,
  sign: step(Math.sign),
  square: ({ inputs: [x], ...rest }) => product({ inputs: [x!, x!], ...rest }),
  relu: choice,
  floor: step(Math.floor),
  exp: exponential,
  log: logarithm,
  sqrt: root,
  rsqrt: inverseRoot,
  tanh,
  sigmoid,
  detach: choice,
  add: sum,
  sub: difference,
  mul: product,
  div: quotient,
  pow: power,
  maximum: choiceOfTwo,
  minimum: choiceOfTwo,
  equal: comparison,
  less: comparison,
  greater: comparison,
  where: select,
  cast,
  reshape: movement(),
  broadcastTo: movement(),
  transpose: movement(),
  flip: movement(),
  slice: movement(),
  pad: movement(),
  concat: movement(),
  gather: movement(1, "gatherInRange"),
  gatherInRange: movement(1),
  scatterAdd: linear,
  crop: movement(1),
  sum: linear,
  prod: products,
  max: extreme,
  min: extreme,
  argmax: place,
  argmin: place,
  matmul: bilinear,
  conv2d: bilinear,
  conv2dInputGradient: bilinear,
  conv2dWeightGradient: bilinear,
  maxPool2d: maximum,
  maxPool2dGradient: linear,
  maxPool2dPick: movement(1),
  avgPool2d: mean,
  avgPool2dGradient: mean,
  randomBits: bits,
  threefry: bits,
  uniformFromBits: bits,
  normalFromBits: normal,
};
