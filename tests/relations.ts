// What the tests of relations share: small whole numbers, whose sums of products every device adds up exactly, and ways
// to hold two expressions against each other, bit for bit.

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Device, device, type HostArray, type Shape, type Tensor } from "../mod.ts";
import { webgpuVariants } from "./devices.ts";
import { plainInput } from "./samples/arbitraries.ts";
import { fitsWindows, type Problem, problemOf, sideOf } from "./samples/conv2d.ts";
import { generator, type Input, materialise } from "./samples/sample.ts";
import { type ViewName, VIEWS } from "./samples/views.ts";

/** A device with a name. */
export interface Named {
  readonly name: string;
  readonly device: Device;
}

/** The CPU, WebGPU and its variants. */
export async function everyDevice(): Promise<readonly Named[]> {
  return [{ name: "cpu", device: await device("cpu") }, ...await webgpuVariants()];
}

/** The CPU, WebGPU and one of the variants, which take turns: a sample runs on three devices. */
export function threeOf([cpu, main, ...variants]: readonly Named[], turn: number): readonly Named[] {
  return [cpu!, main!, variants[turn % variants.length]!];
}

/** Two tensors that must have the same numbers. */
export type Pair = readonly [what: string, left: Tensor, right: Tensor];

/** An operand of whole numbers from -4 to 4, some of them not lying in memory as they are read. */
export function whole(shape: Shape): fc.Arbitrary<Input> {
  const view = fc.oneof(
    { arbitrary: fc.constant<ViewName>("plain"), weight: 2 },
    { arbitrary: fc.constantFrom(...Object.keys(VIEWS) as ViewName[]), weight: 1 },
  );
  return fc.tuple(plainInput(shape, "f32", "integers"), view).map(([input, view]) => ({ ...input, view }));
}

/** Such an operand, without fast-check. */
export function wholeOn(on: Device, shape: Shape, seed: number, view: ViewName = "plain"): Tensor {
  return materialise({ shape, dtype: "f32", fill: "integers", seed, view }, on).x;
}

/** Numbers from 0 to below - 1. */
export function numbersBelow(below: number, count: number, seed: number): Int32Array {
  const random = generator(seed);
  return Int32Array.from({ length: count }, () => Math.floor(random() * below));
}

/** Reads tensors by one evaluation. */
export async function read(on: Device, tensors: readonly Tensor[]): Promise<HostArray[]> {
  await on.evaluate(tensors, true);
  return await Promise.all(tensors.map((x) => x.data()));
}

/** Sums of products are exact in f32 below this. */
const EXACT = 2 ** 24;

/** Fails unless the numbers are whole, and so small that none of them was rounded on the way. */
export function assertWhole(what: string, data: HostArray): void {
  for (const value of data) {
    assert(
      Number.isInteger(value) && Math.abs(value) < EXACT,
      `${what}: ${value} is not a small whole number`,
    );
  }
}

/** Fails unless two arrays have the same numbers; a zero has no sign here. */
export function assertEqual(what: string, left: HostArray, right: HostArray): void {
  assert.equal(left.length, right.length, what);
  for (let i = 0; i < left.length; i++) {
    if (!Object.is(left[i]! + 0, right[i]! + 0)) assert.fail(`${what}: ${left[i]} and ${right[i]} at ${i}`);
  }
}

/** Evaluates pairs, all together, and fails where their numbers are not whole or not the same. */
export async function assertPairs(where: string, on: Device, pairs: readonly Pair[]): Promise<void> {
  const found = await read(on, pairs.flatMap(([, left, right]) => [left, right]));
  for (const [i, [what, left, right]] of pairs.entries()) {
    assert.deepEqual(left.shape, right.shape, `${where}, ${what}`);
    assertWhole(`${where}, ${what}`, found[2 * i]!);
    assertEqual(`${where}, ${what}`, found[2 * i]!, found[2 * i + 1]!);
  }
}

/** The inner product, in f64; whole numbers that small are summed exactly. */
export function dot(a: HostArray, b: HostArray): number {
  assert.equal(a.length, b.length);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** One side of an image: strides beyond the window, dilation, uneven padding, also more of it than the window is wide. */
const side = sideOf(fc.record({
  window: fc.constantFrom(1, 2, 3, 4),
  stride: fc.constantFrom(1, 1, 2, 3, 5),
  dilation: fc.constantFrom(1, 1, 2, 3),
  before: fc.constantFrom(0, 1, 2, 5),
  after: fc.constantFrom(0, 0, 1, 6),
  outputs: fc.constantFrom(1, 2, 3, 5, 8),
  rest: fc.nat({ max: 4 }),
}));

/** Convolutions of channels that mostly do not fill a vec4. */
export const convolutions: fc.Arbitrary<Problem> = fc.record({
  batch: fc.constantFrom(1, 2, 3),
  groups: fc.constantFrom(1, 1, 2, 3),
  depth: fc.constantFrom(1, 2, 3, 4, 5),
  rows: fc.constantFrom(1, 2, 3, 4, 7),
  vertical: side,
  horizontal: side,
}).map(({ batch, groups, depth, rows, vertical, horizontal }) =>
  problemOf({ batch, groups, inputs: depth, outputs: rows, y: vertical, x: horizontal })
).filter(fitsWindows);
