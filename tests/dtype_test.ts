// What dtypes do with each other, and half precision by hand: JavaScript has no halves everywhere, so their bits and
// their rounding are the house's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { f16FromBits, f16ToBits, promote, roundToF16 } from "../tensor/dtype.ts";
import { generator } from "./samples/sample.ts";

test("promotion: the wider of two dtypes, where one holds the other's numbers", () => {
  const order = ["bool", "u8", "i32", "f16", "f32"] as const;
  order.forEach((a, i) => order.forEach((b, j) => assert.equal(promote("op", a, b), order[Math.max(i, j)])));
  for (const wider of ["f16", "f32"] as const) assert.equal(promote("op", "u32", wider), wider);
  for (const narrower of ["bool", "u8"] as const) assert.equal(promote("op", narrower, "u32"), "u32");
  assert.throws(() => promote("op", "u32", "i32"), /^TypeError: op: u32 and i32 have no common dtype/);
  assert.throws(() => promote("op", "i32", "u32"), /^TypeError: op: i32 and u32 have no common dtype/);
});

test("f16: all 65,536 halves survive the way to a number and back", () => {
  for (let bits = 0; bits < 1 << 16; bits++) {
    const value = f16FromBits(bits);
    if (Number.isNaN(value)) assert.equal(f16ToBits(value) & 0x7fff, 0x7e00);
    else assert.equal(f16ToBits(value), bits, `${value}`);
  }
});

test("f16: a half is its own nearest half, and between two the nearer one is taken, at a tie the even one", () => {
  // All finite halves from 0 up: neighbours in bits are neighbours in size.
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [f16FromBits(bits), f16FromBits(bits + 1)];
    const middle = (low + high) / 2;
    const even = bits % 2 === 0 ? low : high;
    const near = (high - low) / 1024;
    const rounded = [low, middle - near, middle, middle + near, high].map(roundToF16);
    assert.deepEqual(rounded, [low, low, even, high, high]);
    assert.deepEqual([-(middle - near), -middle].map(roundToF16), [-low, -even]);
  }
});

test("f16: what is too large is infinite, from half a step beyond the largest half", () => {
  assert.deepEqual([65504, 65519.99, 65520, 1e30, Infinity].map(roundToF16), [
    65504,
    65504,
    Infinity,
    Infinity,
    Infinity,
  ]);
  assert.ok(Number.isNaN(roundToF16(NaN)));
  assert.ok(Object.is(roundToF16(-0), -0) && Object.is(roundToF16(-1e-9), -0));
});

test("f16: rounding is the nearest of the two neighbours for numbers of any size", () => {
  const random = generator(7);
  for (let i = 0; i < 20_000; i++) {
    const x = (random() - 0.5) * 2 ** (random() * 42 - 25);
    const half = roundToF16(x);
    const bits = f16ToBits(half);
    for (const other of [bits - 1, bits + 1]) {
      assert.ok(!(Math.abs(f16FromBits(other & 0xffff) - x) < Math.abs(half - x)), `${x} became ${half}`);
    }
  }
});
