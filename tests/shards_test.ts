// What a pass over images finds, scaling, and MATLAB's and tar's parts that need no files: checked against plain statements.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { spread } from "../data/mod.ts";
import { toPlanes } from "../data/prepare/decode/mod.ts";
import { fitSquare } from "../data/prepare/decode/resample.ts";
import { describe } from "../data/prepare/progress.ts";
import { encodeHeader, HEADER_BYTES, parseHeader, type ShardIndex } from "../data/shards/format.ts";
import { encodeIndex, parseIndex } from "../data/shards/index.ts";
import { eigen, Sums, Totals } from "../data/shards/statistics.ts";

const image = (size: number) => fc.uint8Array({ minLength: 3 * size, maxLength: 3 * size });

/** Statistics, from the images in parts. */
function statistics(images: readonly Uint8Array[], parts: number): ReturnType<Totals["statistics"]> {
  const totals = new Totals(images[0]!.length);
  const each = Math.ceil(images.length / parts);
  for (let start = 0; start < images.length; start += each) {
    const sums = new Sums(images[0]!.length);
    const part = images.slice(start, start + each);
    part.forEach((image) => sums.add(image));
    totals.add(part.length, sums.pixels, sums.products);
  }
  return totals.statistics();
}

test("statistics: the mean image, and of the covariance what its definition says", () => {
  fc.assert(fc.property(fc.array(image(12), { minLength: 1, maxLength: 9 }), (images) => {
    const { mean, eigenvalues, eigenvectors } = statistics(images, 1);
    mean.forEach((value, i) => {
      const exact = images.reduce((sum, image) => sum + image[i]!, 0) / images.length;
      assert.equal(value, Math.fround(exact));
    });
    const pixels = images.flatMap((image) =>
      Array.from({ length: 12 }, (_, i) => [0, 1, 2].map((c) => image[12 * c + i]! / 255))
    );
    const centre = [0, 1, 2].map((c) => pixels.reduce((sum, pixel) => sum + pixel[c]!, 0) / pixels.length);
    for (const [i, j] of [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]] as const) {
      const covariance = pixels.reduce((sum, pixel) =>
        sum + (pixel[i]! - centre[i]!) * (pixel[j]! - centre[j]!), 0) / pixels.length;
      const composed = eigenvalues.reduce((sum, value, k) => {
        return sum + value * eigenvectors[k]![i]! * eigenvectors[k]![j]!;
      }, 0);
      assert.ok(Math.abs(covariance - composed) < 1e-12, `${i} ${j}: ${composed}, wants ${covariance}`);
    }
  }));
});

test("statistics: the same bits, whatever the parts", () => {
  fc.assert(fc.property(fc.array(image(6), { minLength: 2, maxLength: 20 }), (images) => {
    assert.deepEqual(statistics(images, 1), statistics(images, 3));
  }));
});

test("statistics: 1.3 million large images overflow nothing", () => {
  const white = new Sums(3);
  white.add(Uint8Array.of(255, 255, 255));
  const totals = new Totals(3);
  const [images, plane] = [4096, 1];
  // As many pixels as 4,096 shards of 256 x 256 images have.
  for (let i = 0; i < 400; i++) {
    totals.add(
      images * plane,
      Int32Array.of(255, 255, 255).map((x) => x * images),
      white.products.map((x) => x * images * 65536),
    );
  }
  const { mean } = totals.statistics();
  assert.deepEqual([...mean], [255, 255, 255]);
});

test("eigen: unit vectors at right angles, the largest value first, the largest component positive", () => {
  const entry = fc.double({ min: -10, max: 10, noNaN: true });
  fc.assert(fc.property(fc.tuple(entry, entry, entry, entry, entry, entry), ([a, b, c, d, e, f]) => {
    const matrix = [[a, b, c], [b, d, e], [c, e, f]];
    const { eigenvalues, eigenvectors } = eigen(matrix);
    const dot = (x: readonly number[], y: readonly number[]) =>
      x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    eigenvectors.forEach((vector, i) => {
      eigenvectors.forEach((other, j) => assert.ok(Math.abs(dot(vector, other) - (i === j ? 1 : 0)) < 1e-12));
      matrix.forEach((row, k) => {
        assert.ok(Math.abs(dot(row, vector) - eigenvalues[i]! * vector[k]!) < 1e-12 * 30);
      });
      const largest = vector.reduce((best, x) => Math.abs(x) > Math.abs(best) ? x : best, 0);
      assert.ok(largest > 0);
    });
    assert.deepEqual(eigenvalues, [...eigenvalues].sort((x, y) => y - x));
  }));
});

test("eigen: what PyTorch's torch.linalg.eigh finds, up to its signs", () => {
  // The colours' covariance of 598 images of scripts/make_image_sets.ts.
  const { eigenvalues, eigenvectors } = eigen(PYTORCH.matrix);
  eigenvalues.forEach((value, i) => assert.ok(Math.abs(value - PYTORCH.values[i]!) < 1e-14));
  eigenvectors.forEach((vector, i) => {
    const wanted = PYTORCH.vectors[i]!;
    const sign = Math.sign(vector.reduce((sum, x, k) => sum + x * wanted[k]!, 0));
    vector.forEach((x, k) => assert.ok(Math.abs(x - sign * wanted[k]!) < 1e-11, `${vector} ${wanted}`));
  });
});

const PYTORCH = {
  matrix: [[0.04623510034254305, 0.024144274649214755, 0.023582807467167552], [
    0.024144274649214755,
    0.044544132546280514,
    0.024119081137899363,
  ], [0.023582807467167552, 0.024119081137899363, 0.046421340242002736]],
  values: [0.09363568519831447, 0.02274773346142639, 0.020817154471085453],
  vectors: [[-0.5799354095913198, -0.5708013718784599, -0.5812578726897526], [
    -0.6930333056203548,
    -0.029378664258359444,
    0.7203066925881768,
  ], [0.4282286281918475, -0.8205624217255278, 0.37854663391564475]],
};

test("scaling: what is even stays even, the centre is cut out, and nothing is out of place", () => {
  const size = fc.integer({ min: 1, max: 40 });
  fc.assert(fc.property(size, size, size, fc.integer({ min: 0, max: 255 }), (width, height, to, value) => {
    const pixels = new Uint8Array(width * height).fill(value);
    const scaled = fitSquare({ pixels, width, height, channels: 1 }, to);
    assert.equal(scaled.length, to * to);
    assert.ok(scaled.every((each) => each === value));
  }));
  // A ramp stays one: the value at a pixel's centre, however it is scaled.
  for (const [width, height, to] of [[64, 32, 16], [8, 8, 32], [50, 30, 30]] as const) {
    const pixels = Uint8Array.from({ length: width * height }, (_, i) => 4 * (i % width));
    const scaled = fitSquare({ pixels, width, height, channels: 1 }, to);
    const scale = Math.min(width, height) / to;
    const left = (width - to * scale) / 2;
    for (let x = 1; x < to - 1; x++) {
      const centre = left + (x + 0.5) * scale - 0.5;
      if (centre < 1 || centre > width - 2) continue;
      assert.ok(Math.abs(scaled[(to >> 1) * to + x]! - 4 * centre) <= 1, `${width}x${height} to ${to}: ${x}`);
    }
  }
});

test("planes: grey becomes red, green and blue; a fourth channel is left out", () => {
  assert.deepEqual([...toPlanes(Uint8Array.of(1, 2), 1)], [1, 2, 1, 2, 1, 2]);
  assert.deepEqual([...toPlanes(Uint8Array.of(1, 9, 2, 9), 2)], [1, 2, 1, 2, 1, 2]);
  assert.deepEqual([...toPlanes(Uint8Array.of(1, 2, 3, 4, 5, 6), 3)], [1, 4, 2, 5, 3, 6]);
  assert.deepEqual([...toPlanes(Uint8Array.of(1, 2, 3, 0, 4, 5, 6, 0), 4)], [1, 4, 2, 5, 3, 6]);
});

test("shards: the header is a safetensors header whose data begin with a page", () => {
  const header = encodeHeader({
    images: [2, 3, 4, 4],
    labels: [2],
    crc32: [2],
    record: [16],
    sums: [3, 4, 4],
  });
  assert.equal(header.length, HEADER_BYTES);
  const { images, labels, crc32, record, sums } = parseHeader(header, "a shard");
  assert.deepEqual([images.begin, images.end, labels.begin, labels.end], [4096, 4192, 4192, 4200]);
  assert.deepEqual([crc32.end, record.end, sums.end], [4208, 4224, 4416]);
  assert.throws(
    () => parseHeader(new Uint8Array(HEADER_BYTES), "a shard"),
    /^DataError: a shard: is no shard/,
  );
});

const INDEX = {
  format: "fermi-shards",
  version: 2,
  shape: [3, 8, 8],
  classes: ["a", "b"],
  train: {
    images: 3,
    broken: 1,
    shards: [
      { file: "train-00000.safetensors", images: 2, crc32: "0123abcd" },
      { file: "train-00001.safetensors", images: 1, crc32: "0123abcd" },
    ],
  },
  test: { images: 1, broken: 0, shards: [{ file: "test-00000.safetensors", images: 1, crc32: "00000000" }] },
  statistics: { file: "statistics.safetensors", crc32: "ffffffff" },
  plan: { source: "a set", decoder: "", size: 8, filesPerShard: 2, train: "", test: "" },
} as const;

test("shards: what is wrong with an index is said in one line, also when its checksum is right", () => {
  // Pages have no zlib; any checksum will do.
  const crc32 = (bytes: Uint8Array) => bytes.reduce((sum, byte) => (31 * sum + byte) >>> 0, 0);
  const { train, test, statistics } = INDEX;
  const [shard, next] = train.shards;
  const cases: [unknown, RegExp][] = [
    [null, /is no index of shards/],
    [{ format: "other" }, /its "format" wants to be "fermi-shards"/],
    [{ format: "fermi-shards", version: 9 }, /is of version 9, this program reads version 2/],
    [{ format: "fermi-shards", version: 2 }, /its shape is undefined, wants \[3, height, width\]/],
    [{ ...INDEX, shape: [1, 8, 8] }, /its shape is \[1,8,8\], wants/],
    [{ ...INDEX, shape: [3, 8, 0.5] }, /its shape is/],
    [{ ...INDEX, classes: [] }, /its classes want to be a list of names/],
    [{ ...INDEX, classes: ["a", 1] }, /its classes want to be a list of names/],
    [{ ...INDEX, statistics: undefined }, /its statistics want to be the file statistics\.safetensors/],
    [{ ...INDEX, statistics: { ...statistics, file: "../x" } }, /its statistics want to be the file/],
    [{ ...INDEX, plan: undefined }, /its plan has no source/],
    [{ ...INDEX, test: undefined }, /it has no list of test shards/],
    [{ ...INDEX, test: { ...test, images: 0, shards: [] } }, /it has no test images/],
    [{ ...INDEX, train: { ...train, images: 4 } }, /its train shards have 3 images together, not 4/],
    [{ ...INDEX, train: { ...train, broken: -1 } }, /its number of broken train files is -1/],
    [
      { ...INDEX, train: { ...train, shards: [next, shard] } },
      /shard 0 wants to be the file train-00000\.safe/,
    ],
    [
      { ...INDEX, train: { ...train, shards: [shard, { ...next, file: "../train-00001.safetensors" }] } },
      /its train shard 1 wants to be the file train-00001\.safetensors, a number of images and a checksum/,
    ],
    [
      { ...INDEX, train: { ...train, shards: [shard, { ...next, images: "1" }] } },
      /its train shard 1 wants to/,
    ],
    [{ ...INDEX, train: { ...train, shards: [shard, null] } }, /its train shard 1 wants to be the file/],
  ];
  for (const [index, message] of cases) {
    const text = encodeIndex(index as ShardIndex, crc32);
    assert.throws(() => parseIndex(index === null ? "null" : text, "index.json", crc32), {
      name: "DataError",
      message,
    });
  }
  assert.throws(() => parseIndex("{", "index.json", crc32), /is no JSON/);
  const text = encodeIndex(INDEX, crc32);
  const { crc32: _, ...read } = JSON.parse(text);
  assert.deepEqual([parseIndex(text, "index.json", crc32), read], [INDEX, INDEX]);
  for (const change of [text.replace('"a"', '"c"'), text.replace('"broken": 1', '"broken": 2')]) {
    assert.throws(() => parseIndex(change, "index.json", crc32), {
      name: "DataError",
      message:
        /^index\.json: is damaged: its checksum is \w{8}, wants \w{8}; delete it and prepare the shards/,
    });
  }
});

test("spread: some of each class, in order", () => {
  const split = { count: 100, read: () => {}, label: (index: number) => Math.floor(index / 10) };
  const some = spread(split, 20);
  assert.deepEqual(
    Array.from({ length: 20 }, (_, i) => some.label(i)),
    Array.from({ length: 20 }, (_, i) => i >> 1),
  );
  assert.equal(spread(split, 1000), split);
});

test("progress: how fast, and how long it will take, by what this run has done", () => {
  const progress = { part: "train", files: 500, broken: 3, began: 0.5, done: 0.6 } as const;
  assert.equal(describe(progress, 10), "train: 60.0 %, 50 images/s, 00:00:40 left, 3 broken");
  assert.equal(describe({ ...progress, broken: 0, done: 0.5 }, 10), "train: 50.0 %, 50 images/s, ? left");
});
