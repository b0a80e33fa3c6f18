/**
 * Element-wise ops as WGSL expressions. Each works on one element or on four at once, as the fused kernel likes.
 *
 * Where WGSL promises too little (tanh, pow) the function is written here from what it promises well.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import type { CastAttributes } from "../../../tensor/ops/elementwise/mod.ts";
import { COMPUTED, vector } from "../access.ts";
import type { ElementwiseKernel, ExpressionContext, KernelsOf } from "./types.ts";

type Plain = ElementwiseKernel<NoAttributes>;
type Context = ExpressionContext<unknown>;

function unary(expression: (x: string, context: Context) => string): Plain {
  return { kind: "elementwise", expression: ([x], context) => expression(x!, context) };
}

function binary(expression: (a: string, b: string, context: Context) => string): Plain {
  return { kind: "elementwise", expression: ([a, b], context) => expression(a!, b!, context) };
}

/** Bools have an order too; WGSL compares numbers only. */
function comparison(operator: string): Plain {
  return binary((a, b, { inputs, width }) => {
    const type = vector("u32", width);
    return inputs[0] === "bool" ? `(${type}(${a}) ${operator} ${type}(${b}))` : `(${a} ${operator} ${b})`;
  });
}

/** A whole number as a literal of the output's type. */
function literalOf(value: number, { output, literal }: Context): string {
  const type = COMPUTED[output];
  return literal(type === "f32" ? `${value}.0` : type === "u32" ? `${value}u` : `${value}`, type);
}

const cast: ElementwiseKernel<CastAttributes> = {
  kind: "elementwise",
  expression([x], { inputs, output, width, literal }) {
    const from = inputs[0]!;
    const result = vector(COMPUTED[output], width);
    if (from === "bool") return output === "bool" ? x! : `${result}(${x})`;
    const source = COMPUTED[from];
    const zero = source === "f32" ? "0.0" : source === "u32" ? "0u" : "0";
    const top = (value: string) => literal(value, source);
    switch (output) {
      case "f32":
      case "f16":
        return source === "f32" ? x! : `${result}(${x})`;
      case "bool":
        // Not `!=`, which drivers take for false where x is NaN.
        return `!(${x} == ${literal(zero, source)})`;
      case "u8":
        if (source === "u32") return `min(${x}, ${top("255u")})`;
        return `${result}(clamp(${x}, ${top(zero)}, ${top(source === "f32" ? "255.0" : "255")}))`;
      case "u32":
        if (source === "u32") return x!;
        if (source === "i32") return `${result}(max(${x}, ${top("0")}))`;
        // 2^32 - 1 is no f32: what is above the largest f32 below it saturates by itself.
        return `select(${result}(clamp(${x}, ${top("0.0")}, ${top("4294967040.0")})), ` +
          `${literal("4294967295u", "u32")}, ${x} >= ${top("4294967296.0")})`;
      case "i32":
        if (source === "i32") return x!;
        if (source === "u32") return `${result}(min(${x}, ${top("2147483647u")}))`;
        return `select(${result}(clamp(${x}, ${top("-2147483648.0")}, ${top("2147483520.0")})), ` +
          `${literal("2147483647", "i32")}, ${x} >= ${top("2147483648.0")})`;
      default:
        return output satisfies never;
    }
  },
};

/** The table of the family. */
export const elementwiseKernels: KernelsOf<typeof import("../../../tensor/ops/elementwise/mod.ts")> = {
  neg: unary((x) => `(-${x})`),
  abs: unary((x) => `abs(${x})`),
  sign: unary((x) => `sign(${x})`),
  square: unary((x) => `(${x} * ${x})`),
  // Not max, which may drop a NaN.
  relu: unary((x, context) => `select(${x}, ${literalOf(0, context)}, ${x} <= ${literalOf(0, context)})`),
  floor: unary((x) => `floor(${x})`),
  exp: unary((x) => `exp(${x})`),
  log: unary((x) => `log_anywhere(${x})`),
  sqrt: unary((x) => `sqrt(${x})`),
  rsqrt: unary((x) => `inverseSqrt(${x})`),
  tanh: unary((x) => `tanh_accurate(${x})`),
  sigmoid: unary((x, context) => `(${literalOf(1, context)} / (${literalOf(1, context)} + exp(-${x})))`),
  detach: unary((x) => x),
  add: binary((a, b) => `(${a} + ${b})`),
  sub: binary((a, b) => `(${a} - ${b})`),
  mul: binary((a, b) => `(${a} * ${b})`),
  div: binary((a, b) => `(${a} / ${b})`),
  pow: binary((a, b) => `pow_signed(${a}, ${b})`),
  maximum: binary((a, b) => `max(${a}, ${b})`),
  minimum: binary((a, b) => `min(${a}, ${b})`),
  equal: comparison("=="),
  less: comparison("<"),
  greater: comparison(">"),
  where: {
    kind: "elementwise",
    expression: ([condition, a, b]) => `select(${b}, ${a}, ${condition})`,
  } as Plain,
  cast,
};

/** Functions that expressions call, by name; `T` is f32 or vec4<f32>, `B` the bool beside it, `L` makes a constant. */
export const elementwiseLibrary: Readonly<Record<string, (T: string, B: string) => string>> = {
  // Near 0 the quotient cancels: there the odd Taylor polynomial, whose next term is under 2^-25 at 1/4.
  tanh_accurate: (T) => `
fn tanh_accurate(x: ${T}) -> ${T} {
  let e = exp(-2.0 * abs(x));
  let far = sign(x) * (1.0 - e) / (1.0 + e);
  let s = x * x;
  let near = x * (1.0 + s * (-0.33333333 + s * (0.13333333 + s * (-0.053968254 + s * (0.021869488 + s * -0.008863236)))));
  return select(far, near, abs(x) < ${T}(0.25));
}`,
  // WGSL's log need not be infinite at 0, nor NaN below: there -1 / 0 and 0 / 0, which no compiler can fold.
  log_anywhere: (T) => `
fn log_anywhere(x: ${T}) -> ${T} {
  let zero = x - x;
  return select(select(zero, ${T}(-1.0), x == ${T}(0.0)) / zero, log(x), x > ${T}(0.0));
}`,
  // WGSL's pow is exp2(b * log2(a)): undefined for a < 0, where the sign is put back for whole exponents, and inexact
  // where people expect 10^3 = 1000: whole exponents up to 15 are multiplied out, bit by bit. The logarithm of 0 need not
  // be infinite either.
  pow_signed: (T, B) => `
fn pow_signed(a: ${T}, b: ${T}) -> ${T} {
  let whole = b == floor(b);
  let half = b * 0.5;
  let odd = select(${B}(false), half != floor(half), whole);
  let size = abs(b);
  let a2 = a * a;
  let a4 = a2 * a2;
  let a8 = a4 * a4;
  let one = ${T}(1.0);
  var product = select(one, a, odd);
  product *= select(one, a2, floor(size * 0.5) * 0.5 != floor(size * 0.25));
  product *= select(one, a4, floor(size * 0.25) * 0.5 != floor(size * 0.125));
  product *= select(one, a8, floor(size * 0.125) * 0.5 != floor(size * 0.0625));
  let exact = select(product, one / product, b < ${T}(0.0));
  let magnitude = select(exp2(b * log2(abs(a))), select(abs(a), one / abs(a), b < ${T}(0.0)), a == ${T}(0.0));
  let signed_result = select(magnitude, -magnitude, (a < ${T}(0.0)) & odd);
  let result = select(signed_result, exact, whole & (size < ${T}(16.0)));
  let outside = (a < ${T}(0.0)) & !whole;
  // A quiet NaN that no compiler can fold: WGSL has no literal for it.
  return select(result, (a - a) / (b - b), outside);
}`,
};
