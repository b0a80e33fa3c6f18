// Random numbers on every device: the published answers of Threefry, the same bits everywhere, distributions that pass
// the tests of `statistics.ts` (and generators that do not), keys and streams that do not repeat.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { normalQuantile } from "../backends/cpu/kernels/normal_quantile.ts";
import * as fermi from "../mod.ts";
import {
  type Device,
  device,
  foldIn,
  type HostArray,
  ones,
  randomKey,
  splitKey,
  type Tensor,
  tensor,
  uniform,
} from "../mod.ts";
import { applyOne } from "../tensor/declare.ts";
import { roundToF16 } from "../tensor/dtype.ts";
import { threefryOp } from "../tensor/ops/random.ts";
import { webgpuVariants } from "./devices.ts";
import { read } from "./relations.ts";
import { hold, runs } from "./seeds.ts";
import {
  correlation,
  count,
  errorsOff,
  even,
  KOLMOGOROV,
  kolmogorovSmirnov,
  STANDARD_ERRORS,
} from "./statistics.ts";

const cpu = await device("cpu");
const variants = await webgpuVariants();
const [main] = variants;
if (main === undefined) throw new Error("no WebGPU device");
const all = [{ name: "cpu", device: cpu }, ...variants];

/** Random123's known answers for 20 rounds, `kat_vectors`: counter, key, block. */
const KNOWN = [
  [[0, 0], [0, 0], [0x6b200159, 0x99ba4efe]],
  [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x1cb996fc, 0xbb002be7]],
  [[0x243f6a88, 0x85a308d3], [0x13198a2e, 0x03707344], [0xc4923a9c, 0x483df7a0]],
] as const;

const words = (values: readonly number[], on: Device) => tensor(Uint32Array.from(values), { device: on });
const bitsOf = (data: HostArray) =>
  data instanceof Float32Array ? new Uint32Array(Float32Array.from(data).buffer) : data;

for (const { name, device: on } of all) {
  test(`random, ${name}: the known answers of Random123`, async () => {
    const blocks = KNOWN.map(([counter, key]) =>
      applyOne(threefryOp, [words(key, on), words(counter, on)], {})
    );
    const found = await read(on, [...blocks, fermi.randomBits(words([0, 0], on), [2])]);
    assert.deepEqual(found.map((block) => [...block]), [...KNOWN, KNOWN[0]].map(([, , block]) => [...block]));
  });
}

/** Every way to draw, and what the numbers are made of. */
function draws(key: Tensor, shape: readonly number[], p: number): Tensor[] {
  const x = ones(shape, { device: key.device }).mul(3);
  return [
    fermi.randomBits(key, shape),
    uniform(key, shape),
    fermi.dropout(x, key, { p }),
    uniform(foldIn(key, 7), shape),
    fermi.normal(key, shape),
  ];
}

/** Checks the draws of a device against the bits of the CPU and what is defined by them. */
function checkDraws(what: string, found: readonly HostArray[], meant: readonly HostArray[], p: number): void {
  const [bits, numbers, dropped, folded, normals] = found as [
    HostArray,
    HostArray,
    HostArray,
    HostArray,
    HostArray,
  ];
  [bits, numbers, dropped, folded].forEach((data, i) => {
    assert.deepEqual(bitsOf(data), bitsOf(meant[i]!), `${what}, draw ${i}`);
  });
  const kept = Math.fround(3 * Math.fround(1 / (1 - p)));
  for (let i = 0; i < bits.length; i++) {
    const u = (bits[i]! >>> 8) * 2 ** -24;
    assert.equal(numbers[i], u, what);
    assert.equal(dropped[i], u < Math.fround(p) ? 0 : kept, `${what}: dropout at ${i}`);
    // debug/bound_rules.ts derives it: 48 units in the last place.
    const z = normalQuantile(u + 2 ** -25);
    assert(
      Math.abs(normals[i]! - z) <= 48 * 2 ** -23 * Math.abs(z),
      `${what}: normal at ${i}: ${normals[i]}`,
    );
  }
}

test("random: the same bits on every device, for any key and shape", async () => {
  const word = fc.oneof({ arbitrary: fc.nat({ max: 2 ** 32 - 1 }), weight: 4 }, {
    arbitrary: fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1),
    weight: 1,
  });
  const shape = fc.constantFrom([], [0], [1], [2], [7], [3, 0, 2], [3, 5, 7], [2, 511], [1025], [4097]);
  const sample = fc.record({ key: fc.tuple(word, word), shape, p: fc.constantFrom(0.1, 0.25, 0.5, 0.9) });
  const property = fc.asyncProperty(sample, async ({ key, shape, p }) => {
    const meant = await read(cpu, draws(words(key, cpu), shape, p));
    for (const { name, device: on } of all) {
      checkDraws(name, on === cpu ? meant : await read(on, draws(words(key, on), shape, p)), meant, p);
    }
  });
  const where = { file: "random_test.ts", test: ": the same bits on every device, for any key and shape" };
  await hold(property, { numRuns: runs(12) }, where);
});

test("random: the same bits beyond 2^16 elements", async () => {
  const shape = [2 ** 16 + 3];
  const meant = await read(cpu, draws(randomKey(5, { device: cpu }), shape, 0.5));
  for (const { name, device: on } of variants) {
    checkDraws(name, await read(on, draws(randomKey(5, { device: on }), shape, 0.5)), meant, 0.5);
  }
});

test("random: keys are the same on every device", async () => {
  const numbers = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
  const keys = (on: Device) => {
    const key = randomKey(2 ** 40 + 3, { device: on });
    return [
      ...splitKey(key, 9),
      ...numbers.map((number) => foldIn(key, number)),
      ...splitKey(foldIn(key, 1), 2),
    ];
  };
  const meant = await read(cpu, keys(cpu));
  for (const { name, device: on } of variants) assert.deepEqual(await read(on, keys(on)), meant, name);
});

test("random: f16 rounds the same numbers", async () => {
  const shape = [999];
  const key = (on: Device) => randomKey(11, { device: on });
  const [u, z] = await read(cpu, [uniform(key(cpu), shape), fermi.normal(key(cpu), shape)]);
  for (const { name, device: on } of all.filter(({ device }) => device.supports("f16"))) {
    const half = { dtype: "f16" } as const;
    const [u16, z16] = await read(on, [uniform(key(on), shape, half), fermi.normal(key(on), shape, half)]);
    assert.deepEqual(u16, u!.map(roundToF16), name);
    // A number at the border between two halves may become either: an error of 48 u of f32, and half a unit of f16.
    z16!.forEach((value, i) => {
      assert(
        Math.abs(value - z![i]!) <= (48 * 2 ** -23 + 2 ** -11) * Math.abs(z![i]!) + 2 ** -25,
        `${name}, ${i}`,
      );
    });
  }
});

const COUNT = 2 ** 18;
const CELLS = 256;
const GRID = 32;

/** The cell of a number in [0, 1), and of the pair that begins with it. */
const cellOf = (u: HostArray) => (i: number) => Math.floor(u[i]! * CELLS);
const pairOf = (u: HostArray) => (i: number) =>
  Math.floor(u[i]! * GRID) * GRID + Math.floor(u[i + 1]! * GRID);

for (const { name, device: on } of [{ name: "cpu", device: cpu }, main]) {
  test(`random, ${name}: uniform numbers are`, async () => {
    for (const key of [1, 2, 2 ** 33]) {
      const u = await uniform(randomKey(key, { device: on }), [COUNT]).data();
      assert(even(count(u, CELLS, cellOf(u))), "chi-square");
      assert(even(count(u, GRID ** 2, pairOf(u), 2)), "chi-square of pairs");
      // The lowest of the 24 bits are as even as the highest.
      assert(even(count(u, CELLS, (i) => u[i]! * 2 ** 24 % CELLS)), "chi-square of low bits");
      assert(kolmogorovSmirnov(u) < KOLMOGOROV);
      for (const k of [1, 2, 3, 4]) {
        const off = errorsOff(u, (x) => x ** k, 1 / (k + 1), 1 / (2 * k + 1) - 1 / (k + 1) ** 2);
        assert(off < STANDARD_ERRORS, `moment ${k}: ${off} standard errors`);
      }
    }
  });

  test(`random, ${name}: normal numbers are`, async () => {
    const edges = Array.from({ length: CELLS - 1 }, (_, i) => normalQuantile((i + 1) / CELLS));
    const moments = [[1, 0, 1], [2, 1, 2], [3, 0, 15], [4, 3, 96]] as const;
    for (const key of [3, 4]) {
      const z = await fermi.normal(randomKey(key, { device: on }), [COUNT]).data();
      const below = (value: number) => {
        let [low, high] = [0, edges.length];
        while (low < high) {
          const middle = (low + high) >> 1;
          if (edges[middle]! <= value) low = middle + 1;
          else high = middle;
        }
        return low;
      };
      assert(even(count(z, CELLS, (i) => below(z[i]!))), "chi-square");
      const row = (value: number) => below(value) >> 3;
      assert(even(count(z, GRID ** 2, (i) => row(z[i]!) * GRID + row(z[i + 1]!), 2)), "chi-square of pairs");
      for (const [k, mean, variance] of moments) {
        const off = errorsOff(z, (x) => x ** k, mean, variance);
        assert(off < STANDARD_ERRORS, `moment ${k}: ${off} standard errors`);
      }
    }
  });
}

test("random: the tests of randomness refuse what is not random", async () => {
  const u = await uniform(randomKey(1, { device: cpu }), [COUNT]).data();
  const bent = u.map((x) => x ** 1.05);
  assert(!even(count(bent, CELLS, cellOf(bent))));
  assert(kolmogorovSmirnov(bent) > KOLMOGOROV);
  assert(errorsOff(bent, (x) => x, 1 / 2, 1 / 12) > STANDARD_ERRORS);
  const grid = u.map((_, i) => (i + 0.5) / COUNT);
  assert(!even(count(grid, CELLS, cellOf(grid))), "too even");
  // Each number alone is even, and tells half of what the next one will be.
  const chained = u.map((x, i) => i % 2 === 0 ? x : (u[i - 1]! + x / 2) % 1);
  assert(even(count(chained, CELLS, cellOf(chained))));
  assert(!even(count(chained, GRID ** 2, pairOf(chained), 2)));
  assert(correlation(u, chained, 1 / 2, 1 / 12) > STANDARD_ERRORS);
});

test("random: keys do not repeat, whether split or folded", async () => {
  const key = randomKey(2012, { device: cpu });
  const children = splitKey(key, 2000);
  const folded = Array.from({ length: 2000 }, (_, i) => foldIn(key, i));
  const grandchildren = [
    ...splitKey(children[0]!, 500),
    ...splitKey(children[1]!, 500),
    ...splitKey(folded[0]!, 500),
  ];
  const keys = await read(cpu, [key, ...children, ...folded, ...grandchildren]);
  // The key's own numbers, as if they were keys.
  const own = await fermi.randomBits(key, [2000, 2]).data();
  const names = new Set(keys.map(([a, b]) => `${a} ${b}`));
  for (let i = 0; i < own.length; i += 2) names.add(`${own[i]} ${own[i + 1]}`);
  assert.equal(names.size, 1 + 2000 + 2000 + 1500 + 2000);
});

test("random: streams of different keys share no block and do not correlate", async () => {
  const key = randomKey(2012, { device: cpu });
  const related = [
    key,
    ...splitKey(key, 5),
    ...[0, 1, 2, 2 ** 32].map((i) => foldIn(key, i)),
    randomKey(2013, { device: cpu }),
  ];
  const length = 2 ** 13;
  const streams = await read(cpu, related.map((key) => fermi.randomBits(key, [length])));
  const blocks = new Set<string>();
  for (const bits of streams) {
    for (let i = 0; i < length; i += 2) blocks.add(`${bits[i]} ${bits[i + 1]}`);
  }
  assert.equal(blocks.size, streams.length * length / 2);
  const uniforms = streams.map((bits) => Float64Array.from(bits, (word) => word / 2 ** 32));
  const flipped = (a: HostArray, b: HostArray) => {
    let ones = 0;
    for (let i = 0; i < length; i++) for (let x = a[i]! ^ b[i]!; x !== 0; x &= x - 1) ones++;
    return Math.abs(ones - 16 * length) / Math.sqrt(8 * length);
  };
  for (let a = 0; a < streams.length; a++) {
    for (let b = 0; b < a; b++) {
      assert(correlation(uniforms[a]!, uniforms[b]!, 1 / 2, 1 / 12) < STANDARD_ERRORS, `streams ${a}, ${b}`);
      // Of 32 bits 16 differ, with a variance of 8.
      assert(flipped(streams[a]!, streams[b]!) < STANDARD_ERRORS, `bits of streams ${a}, ${b}`);
    }
  }
});

test("random: a key is the two halves of its seed", async () => {
  for (
    const [seed, words] of [[0, [0, 0]], [1, [0, 1]], [2 ** 32 - 1, [0, 2 ** 32 - 1]], [2 ** 33 + 5, [
      2,
      5,
    ]]] as const
  ) {
    assert.deepEqual(Array.from(await randomKey(seed, { device: cpu }).data()), words);
  }
});

test("random: foldIn takes whole numbers up to 2^53 - 1", () => {
  const key = randomKey(1, { device: cpu });
  for (const number of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => foldIn(key, number), {
      name: "RangeError",
      message: /^foldIn: expects a whole number/,
    });
  }
  assert.deepEqual(foldIn(key, Number.MAX_SAFE_INTEGER).shape, [2]);
});

after(() => {
  for (const { device } of variants) device.destroy();
});
