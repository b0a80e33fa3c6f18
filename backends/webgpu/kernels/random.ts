/**
 * Threefry-2x32-20 and what is made of its bits, as expressions: a dropout mask is never stored.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { AS241 } from "../../../tensor/ops/as241.ts";
import type { ShapeAttributes } from "../../../tensor/ops/movement/mod.ts";
import { vector } from "../access.ts";
import type { ElementwiseKernel, ExpressionContext, IndexedKernel, KernelsOf } from "./types.ts";

type Plain = ElementwiseKernel<NoAttributes>;

const block = (key: string, counter: string) =>
  `threefry(vec2<u32>(${key}(0u), ${key}(1u)), vec2<u32>(${counter}))`;

/** The number of an element's upper 24 bits. */
const upper = ([bits]: readonly string[], { width, literal }: ExpressionContext<NoAttributes>) =>
  `${vector("f32", width)}(${bits} >> ${literal("8u", "u32")})`;

/** The table of the family. */
export const randomKernels: KernelsOf<typeof import("../../../tensor/ops/random.ts")> = {
  randomBits: {
    kind: "indexed",
    element: ([key]) => `return ${block(key!, "e / 2u, 0u")}[e & 1u];`,
    four: ([key]) => `return vec4<u32>(${block(key!, "e / 2u, 0u")}, ${block(key!, "e / 2u + 1u, 0u")});`,
  } as IndexedKernel<ShapeAttributes>,
  threefry: {
    kind: "indexed",
    element: ([key, counter]) => `return ${block(key!, `${counter}(0u), ${counter}(1u)`)}[e & 1u];`,
  } as IndexedKernel<NoAttributes>,
  uniformFromBits: {
    kind: "elementwise",
    expression: (args, context) =>
      `(${upper(args, context)} * ${context.literal("5.9604644775390625e-8", "f32")})`,
  } as Plain,
  normalFromBits: {
    kind: "elementwise",
    expression: (args, context) => `normal_quantile(${upper(args, context)})`,
  } as Plain,
};

/** A polynomial in Horner's form, constant term first. */
function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.map(Number).reduceRight(
    (inner, c) => inner === "" ? `${c}` : `(${c} + ${x} * ${inner})`,
    "",
  );
}

/** Functions that expressions call, by name; `T` is f32 or vec4<f32>. */
export const randomLibrary: Readonly<Record<string, (T: string) => string>> = {
  threefry: () => `
fn threefry_round(x: vec2<u32>, distance: u32) -> vec2<u32> {
  let a = x.x + x.y;
  return vec2<u32>(a, ((x.y << distance) | (x.y >> (32u - distance))) ^ a);
}
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
  let third = 0x1bd11bdau ^ key.x ^ key.y;
  var x = counter + key;
${
    [["key.y", "third"], ["third", "key.x"], ["key.x", "key.y"], ["key.y", "third"], ["third", "key.x"]].map((
      [a, b],
      group,
    ) =>
      (group % 2 === 0 ? [13, 15, 26, 6] : [17, 29, 16, 24]).map((d) => `  x = threefry_round(x, ${d}u);`)
        .join("\n") +
      `\n  x += vec2<u32>(${a}, ${b} + ${group + 1}u);`
    ).join("\n")
  }
  return x;
}`,
  // Wichura's AS 241 on the number k = bits >>> 8, so that p = (k + 1/2) 2^-24 and its distance to 1/2, 0 and 1 are exact.
  normal_quantile: (T) => `
fn normal_quantile(k: ${T}) -> ${T} {
  let q = (k - 8388607.5) * 5.9604644775390625e-8;
  let c = 0.180625 - q * q;
  let central = q * ${polynomial("c", AS241.centre)}
    / ${polynomial("c", AS241.centreUnder)};
  let tail = (min(k, 16777215.0 - k) + 0.5) * 5.9604644775390625e-8;
  let r = sqrt(-log(tail)) - 1.6;
  let outer = ${polynomial("r", AS241.tail)}
    / ${polynomial("r", AS241.tailUnder)};
  return select(sign(q) * outer, central, abs(q) <= ${T}(0.425));
}`,
};
