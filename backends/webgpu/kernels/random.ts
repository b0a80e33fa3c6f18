/**
 * Threefry-2x32-20 and what is made of its bits, as expressions: a dropout mask is never stored.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import type { ShapeAttributes } from "../../../tensor/ops/movement.ts";
import type { ElementwiseKernel, IndexedKernel, KernelsOf } from "./types.ts";

type Plain = ElementwiseKernel<NoAttributes>;

const block = (key: string, low: string) =>
  `threefry(vec2<u32>(${key}(0u), ${key}(1u)), vec2<u32>(${low}, 0u))`;

/** The table of the family. */
export const randomKernels: KernelsOf<typeof import("../../../tensor/ops/random.ts")> = {
  randomBits: {
    kind: "indexed",
    element: ([key]) => `return ${block(key!, "e / 2u")}[e & 1u];`,
    four: ([key]) => `return vec4<u32>(${block(key!, "e / 2u")}, ${block(key!, "e / 2u + 1u")});`,
  } as IndexedKernel<ShapeAttributes>,
  threefry: {
    kind: "indexed",
    element: ([key, counter]) =>
      `return threefry(vec2<u32>(${key}(0u), ${key}(1u)), vec2<u32>(${counter}(0u), ${counter}(1u)))[e & 1u];`,
  } as IndexedKernel<NoAttributes>,
  uniformFromBits: {
    kind: "elementwise",
    expression: ([bits], { width, literal }) =>
      `(${width === 4 ? "vec4<f32>" : "f32"}(${bits} >> ${literal("8u", "u32")}) * ${
        literal("5.9604644775390625e-8", "f32")
      })`,
  } as Plain,
  normalFromBits: {
    kind: "elementwise",
    expression: ([bits], { width, literal }) =>
      `normal_quantile(${width === 4 ? "vec4<f32>" : "f32"}(${bits} >> ${literal("8u", "u32")}))`,
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
  let central = q * ${polynomial("c", AS241.a)}
    / ${polynomial("c", AS241.b)};
  let tail = (min(k, 16777215.0 - k) + 0.5) * 5.9604644775390625e-8;
  let r = sqrt(-log(tail)) - 1.6;
  let outer = ${polynomial("r", AS241.c)}
    / ${polynomial("r", AS241.d)};
  return select(sign(q) * outer, central, abs(q) <= ${T}(0.425));
}`,
};

/** The coefficients; the third pair of the published algorithm serves p < 1e-11, which 24 bits never reach. */
const AS241 = {
  a: [
    3.387132872796366608,
    133.14166789178437745,
    1971.5909503065514427,
    13731.693765509461125,
    45921.953931549871457,
    67265.770927008700853,
    33430.575583588128105,
    2509.0809287301226727,
  ],
  b: [
    1,
    42.313330701600911252,
    687.1870074920579083,
    5394.1960214247511077,
    21213.794301586595867,
    39307.89580009271061,
    28729.085735721942674,
    5226.495278852854561,
  ],
  c: [
    1.42343711074968357734,
    4.6303378461565452959,
    5.7694972214606914055,
    3.64784832476320460504,
    1.27045825245236838258,
    0.24178072517745061177,
    0.0227238449892691845833,
    0.000774545014278341407640,
  ],
  d: [
    1,
    2.05319162663775882187,
    1.6763848301838038494,
    0.68976733498510000455,
    0.14810397642748007459,
    0.0151986665636164571966,
    0.000547593808499534494600,
    1.05075007164441684324e-9,
  ],
};
