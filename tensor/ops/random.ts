/**
 * Random numbers from counters: Threefry-2x32-20 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 * A key is a tensor of two u32, so a plan does not change with it, and every backend draws the same bits.
 *
 * @module
 */

import { hostTensorLike, leaf } from "../create.ts";
import {
  applyOne,
  type Composite,
  expectDType,
  expectShape,
  type NoAttributes,
  type Primitive,
  type Spec,
} from "../declare.ts";
import { type Device, getDefaultDevice } from "../device.ts";
import { type DType, FLOATS } from "../dtype.ts";
import { checkShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cast, less, mul, where } from "./elementwise/mod.ts";
import type { ShapeAttributes } from "./movement/mod.ts";

// ---- declarations -------------------------------------------------------------------------------------------

function expectKey(name: string, key: Spec, what = "a key"): void {
  expectDType(name, key, ["u32"], what);
  expectShape(name, key, [2], `${what} of shape`);
}

/** Random bits. */
export const randomBitsOp: Primitive<"randomBits", ShapeAttributes> = {
  name: "randomBits",
  doc:
    "element i is word i mod 2 of the Threefry block with counter (j mod 2^32, floor(j / 2^32)), j = floor(i / 2)",
  infer([key], { shape }) {
    expectKey("randomBits", key!);
    return [{ shape, dtype: "u32" }];
  },
  gradient: null,
};

/** One block of the cipher, for deriving keys. */
export const threefryOp: Primitive<"threefry"> = {
  name: "threefry",
  doc: "the Threefry-2x32-20 block of a key [2] and a counter [2]",
  infer([key, counter]) {
    expectKey("threefry", key!);
    expectKey("threefry", counter!, "a counter");
    return [{ shape: [2], dtype: "u32" }];
  },
  gradient: null,
};

function fromBits<Name extends string>(name: Name, doc: string): Primitive<Name, NoAttributes> {
  return {
    name,
    doc,
    infer([bits]) {
      expectDType(name, bits!, ["u32"], "random bits");
      return [{ shape: bits!.shape, dtype: "f32" }];
    },
    gradient: null,
  };
}

/** Uniform numbers. */
export const uniformFromBitsOp: Primitive<"uniformFromBits"> = fromBits(
  "uniformFromBits",
  "(bits >>> 8) * 2^-24",
);
/** Normal numbers. */
export const normalFromBitsOp: Primitive<"normalFromBits"> = fromBits(
  "normalFromBits",
  "the normal quantile of ((bits >>> 8) + 1/2) * 2^-24, by Wichura's AS 241 (1988)",
);

/** The probability of being dropped. */
export interface DropoutAttributes {
  readonly p: number;
}

/** Dropout. */
export const dropoutOp: Composite<"dropout", DropoutAttributes> = {
  name: "dropout",
  doc: "x / (1 - p) where uniform(key) >= p, else 0; the mask is drawn again, not stored, for the gradient",
  infer([x, key]) {
    expectDType("dropout", x!, FLOATS);
    expectKey("dropout", key!);
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  decompose: ([x, key], { p }) => [where(less(uniform(key!, x!.shape), p), 0, mul(x!, 1 / (1 - p)))],
  gradient: (
    { inputs: [, key], attributes, cotangent },
  ) => [applyOne(dropoutOp, [cotangent, key!], attributes), null],
};

// ---- functions ----------------------------------------------------------------------------------------------

/**
 * The key of a seed: the pair (floor(seed / 2^32), seed mod 2^32), a u32 tensor of shape [2]. A key is used once:
 * what is drawn from the same key is the same, so derive others with `splitKey` and `foldIn`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, randomKey, setDefaultDevice, uniform } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const key = randomKey(2 ** 32 + 5);
 * assert.deepEqual(await key.data(), Uint32Array.of(1, 5));
 * assert.deepEqual(await uniform(key, [3]).array(), await uniform(randomKey(2 ** 32 + 5), [3]).array());
 * ```
 *
 * @throws {RangeError} when the seed is not a whole number from 0 to 2^53 - 1.
 */
export function randomKey(seed: number, options: { readonly device?: Device } = {}): Tensor {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`randomKey: a seed is a whole number from 0 to 2^53, got ${seed}`);
  }
  const words = Uint32Array.of(Math.floor(seed / 2 ** 32), seed >>> 0);
  return leaf(words, { shape: [2], dtype: "u32" }, options.device ?? getDefaultDevice());
}

/**
 * Random u32 of any shape, the same on every backend: Threefry-2x32-20 (Salmon et al. 2011), with the element's
 * number as its counter.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, randomBits, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const bits = randomBits(randomKey(0), [2]);
 * assert.deepEqual(await bits.data(), Uint32Array.of(0x6b200159, 0x99ba4efe)); // Random123's known answer
 * ```
 *
 * @throws {TypeError} when the key is not u32 of shape [2].
 * @throws {RangeError} for an extent that is no whole number from 0.
 */
export function randomBits(key: Tensor, shape: Shape): Tensor {
  return applyOne(randomBitsOp, [key], { shape: [...checkShape("randomBits", shape)] });
}

/**
 * Uniform f32 in [0, 1), multiples of 2^-24, the same bits on every backend. With another dtype they are cast
 * last: in f16 the largest round to 1.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, randomKey, setDefaultDevice, uniform } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const dice = uniform(randomKey(1), [600]).mul(6).floor().cast("i32").add(1);
 * assert.equal(await dice.min().item(), 1);
 * assert.equal(await dice.max().item(), 6);
 * ```
 *
 * @throws {TypeError} when the key is not u32 of shape [2].
 */
export function uniform(key: Tensor, shape: Shape, options: { readonly dtype?: DType } = {}): Tensor {
  return cast(applyOne(uniformFromBitsOp, [randomBits(key, shape)], {}), options.dtype ?? "f32");
}

/**
 * Normal f32 with mean 0 and variance 1, the same on every backend within rounding: the quantile function of
 * uniform numbers, by Wichura's AS 241 (1988). With another dtype they are cast last.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, normal, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const noise = normal(randomKey(1), [10000]);
 * assert.ok(Math.abs(await noise.mean().item()) < 0.03); // three standard errors
 * assert.ok(Math.abs(await noise.square().mean().item() - 1) < 0.05);
 * ```
 *
 * @throws {TypeError} when the key is not u32 of shape [2].
 */
export function normal(key: Tensor, shape: Shape, options: { readonly dtype?: DType } = {}): Tensor {
  return cast(applyOne(normalFromBitsOp, [randomBits(key, shape)], {}), options.dtype ?? "f32");
}

/**
 * n keys that are independent of each other and of the key's own numbers.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, randomKey, setDefaultDevice, splitKey, uniform } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const [weights, mask] = splitKey(randomKey(7), 2);
 * const [a, b] = [uniform(weights!, [4]), uniform(mask!, [4])];
 * assert.notDeepEqual(await a.array(), await b.array());
 * ```
 *
 * @throws {TypeError} when the key is not u32 of shape [2].
 * @throws {RangeError} when n is no whole number from 0.
 */
export function splitKey(key: Tensor, n: number): Tensor[] {
  checkShape("splitKey", [n]);
  // Counters from 2^63 on, which randomBits never reaches.
  return Array.from({ length: n }, (_, i) => block(key, 0x80000000, i));
}

/**
 * The key that belongs to (key, number): for layers, steps and the like.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, foldIn, randomKey, setDefaultDevice, uniform } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const key = randomKey(7);
 * const maskOf = (step: number) => uniform(foldIn(key, step), [4]).array();
 * assert.deepEqual(await maskOf(41), await maskOf(41)); // a step can be repeated
 * assert.notDeepEqual(await maskOf(41), await maskOf(42));
 * ```
 *
 * @throws {TypeError} when the key is not u32 of shape [2].
 * @throws {RangeError} when the number is not whole, from 0 to 2^53 - 1.
 */
export function foldIn(key: Tensor, number: number): Tensor {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new RangeError(`foldIn: expects a whole number from 0 to 2^53, got ${number}`);
  }
  // Counters from 3 * 2^62 on: neither randomBits nor splitKey reaches them.
  return block(key, 0xc0000000 + Math.floor(number / 2 ** 32), number >>> 0);
}

function block(key: Tensor, high: number, low: number): Tensor {
  return applyOne(threefryOp, [key, hostTensorLike(key, Uint32Array.of(low, high))], {});
}

/**
 * Dropout (Krizhevsky et al. 2012, section 4.2), inverted: in training each element is zeroed with probability p
 * (default 0.5) and the others are scaled by 1 / (1 - p), so that nothing is done at test time. The gradient
 * passes the same mask.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, dropout, ones, randomKey, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = ones([1000]);
 * const y = await dropout(x, randomKey(3), { p: 0.2 }).data();
 * assert.deepEqual(new Set(y), new Set([0, 1.25])); // 1 / (1 - 0.2)
 * const share = y.filter((value) => value === 0).length / 1000;
 * assert.ok(Math.abs(share - 0.2) < 0.04); // three standard deviations
 * ```
 *
 * @throws {TypeError} when x is not f32 or f16, or the key is not u32 of shape [2].
 * @throws {RangeError} unless 0 <= p < 1.
 */
export function dropout(x: Tensor, key: Tensor, options: { readonly p?: number } = {}): Tensor {
  const { p = 0.5 } = options;
  if (!(p >= 0 && p < 1)) throw new RangeError(`dropout: p must be in [0, 1), got ${p}`);
  const dropped = applyOne(dropoutOp, [x, key], { p });
  return p === 0 ? x : dropped;
}
