// IDX files good and bad, the embedded images, made-up images, and batches.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  batches,
  DataError,
  type Dataset,
  fashionMnist,
  normalise,
  parseIdx,
  shuffledOrder,
  synthetic,
  take,
} from "../data/mod.ts";
import { randomKey, tensor } from "../mod.ts";
import { gzip, idx, sha256 } from "./bytes.ts";
import { devices } from "./devices.ts";

const all = await devices();

test("idx: plain and gzipped", async () => {
  const file = idx([2, 3], [1, 2, 3, 4, 5, 255]);
  for (const bytes of [file, await gzip(file)]) {
    const { shape, data } = await parseIdx(bytes, 2, "a file");
    assert.deepEqual(shape, [2, 3]);
    assert.deepEqual([...data], [1, 2, 3, 4, 5, 255]);
  }
});

test("idx: what is wrong with a file is said in one line", async () => {
  const good = idx([2, 3], [1, 2, 3, 4, 5, 6]);
  const zipped = await gzip(good);
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /^f: has 0 bytes/],
    [idx([2, 3], [1, 2, 3, 4, 5, 6], 13), /^f: the magic number is 0x00000d02, .* 0x00000802$/],
    [idx([6], [1, 2, 3, 4, 5, 6]), /magic number is 0x00000801/],
    [good.subarray(0, 9), /the header is cut off/],
    [good.subarray(0, -1), /truncated: 2 x 3 wants 18 bytes, got 17/],
    [idx([2, 3], [1, 2, 3, 4, 5, 6, 7]), /longer than its header says/],
    [idx([0xffffffff, 0xffffffff], []), /truncated/],
    [zipped.subarray(0, -12), /gzip data are damaged or truncated/],
    [zipped.subarray(0, 5), /gzip data are damaged or truncated/],
    [zipped.map((byte, i) => i === 20 ? byte ^ 255 : byte), /gzip data are damaged or truncated/],
  ];
  for (const [bytes, message] of cases) {
    await assert.rejects(parseIdx(bytes, 2, "f"), (error: unknown) => {
      assert(error instanceof DataError, `${error}`);
      assert.match(error.message, message);
      assert(!error.message.includes("\n"));
      return true;
    });
  }
});

test("fashion-mnist: the embedded images are the published ones", async () => {
  const data = await fashionMnist();
  assert.deepEqual([data.train.count, data.test.count, data.classes], [6000, 1000, 10]);
  // The hashes in data/fashion_mnist/README.md are of the files with their headers.
  const expected = {
    train: [
      "6dded81672539b5d148c1a85358069d1808c316dc6f6c0abfd12ba3ced5dd394",
      "d7c464914ae4b919728c5c99c3cdde5a0259febf1e99ddc6927a15768731d7dc",
    ],
    test: [
      "7a6d8e07ea021ec5bc73135ebd0a5770799557ec6f8242d8749c4f32a3cf4643",
      "b40abac7ec8228f434940f579deb7cf7b6e3103b5274cb91d1545771f5ef1c8b",
    ],
  };
  for (const part of ["train", "test"] as const) {
    const split = data[part];
    const images = new Uint8Array(split.count * 784);
    for (let i = 0; i < split.count; i++) split.copyImage(i, images, i * 784);
    const labels = Uint8Array.from({ length: split.count }, (_, i) => split.label(i));
    assert.deepEqual(
      [await sha256(idx([split.count, 28, 28], images)), await sha256(idx([split.count], labels))],
      expected[part],
    );
  }
});

test("normalise: within rounding of x / 255 - 0.5", async () => {
  for (const device of all) {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const values = await normalise(tensor(bytes, { device })).data();
    values.forEach((value, i) => {
      const exact = i / 255 - 0.5;
      if (device.name === "cpu") assert.equal(value, Math.fround(Math.fround(i / 255) - 0.5));
      assert(Math.abs(value - exact) <= 2 ** -22, `${device.name}: ${i} is ${value}, wants ${exact}`);
    });
  }
});

test("synthetic: by key, any shape, something to learn", async () => {
  const read = ({ train, shape: [c, h, w] }: Dataset, index: number) => {
    const image = new Uint8Array(c * h * w);
    train.copyImage(index, image, 0);
    return image;
  };
  const make = (seed: number, shape: readonly [number, number, number], classes: number) =>
    synthetic({ key: randomKey(seed, { device: all[0]! }), shape, classes });
  const [a, b, c] = [
    await make(1, [3, 20, 9], 5),
    await make(1, [3, 20, 9], 5),
    await make(2, [3, 20, 9], 5),
  ];
  assert.deepEqual(read(a, 17), read(b, 17));
  assert.notDeepEqual(read(a, 17), read(c, 17));
  const distance = (x: Uint8Array, y: Uint8Array) =>
    x.reduce((sum, value, i) => sum + Math.abs(value - y[i]!), 0);
  assert.equal(a.train.label(6), a.train.label(11));
  assert(distance(read(a, 6), read(a, 11)) < distance(read(a, 6), read(a, 12)));
  assert.notDeepEqual(read(a, 6), read(a, 11));
  for (const device of all.slice(1)) {
    const same = await synthetic({ key: randomKey(1, { device }), shape: [3, 20, 9], classes: 5 });
    assert.deepEqual(read(same, 17), read(a, 17), device.name);
  }
});

test("loader: the order depends on key and epoch alone, and takes each image once", async () => {
  const orders = await Promise.all(all.map((device) => shuffledOrder(randomKey(3, { device }), 1, 1000)));
  for (const order of orders) {
    assert.deepEqual(order, orders[0]);
    assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  }
  const key = randomKey(3, { device: all[0]! });
  assert.notDeepEqual(await shuffledOrder(key, 2, 1000), orders[0]);
  assert.notDeepEqual(await shuffledOrder(randomKey(4, { device: all[0]! }), 1, 1000), orders[0]);
  // Known numbers: a change of the shuffle changes every published run.
  assert.deepEqual([...await shuffledOrder(key, 1, 10)], KNOWN_ORDER);
});

const KNOWN_ORDER = [0, 1, 5, 7, 3, 9, 6, 2, 4, 8];

test("loader: batches", () => {
  const split = {
    count: 5,
    copyImage: (index: number, target: Uint8Array, offset: number) =>
      void target.fill(index, offset, offset + 2),
    label: (index: number) => 10 * index,
  };
  const read = (last: "drop" | "keep", order?: Uint32Array) =>
    [...batches(split, [1, 1, 2], { batch: 2, last, ...(order && { order }) })].map(({ count }) => count);
  assert.deepEqual(read("drop"), [2, 2]);
  assert.deepEqual(read("keep"), [2, 2, 1]);
  const order = Uint32Array.of(4, 0, 3, 1, 2);
  const seen = [];
  for (const { images, labels } of batches(split, [1, 1, 2], { batch: 2, order, last: "drop" })) {
    seen.push([[...images], [...labels]]);
  }
  assert.deepEqual(seen, [[[4, 4, 0, 0], [40, 0]], [[3, 3, 1, 1], [30, 10]]]);
  assert.equal(take(split, 3).count, 3);
  assert.equal(take(split, 9).count, 5);
});
