// IDX files good and bad, the embedded images, made-up images, and batches.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  batches,
  type BatchOptions,
  DataError,
  type Dataset,
  fashionMnist,
  normalise,
  parseIdx,
  shareOf,
  shuffledOrder,
  type Split,
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
    await split.read(Uint32Array.from({ length: split.count }, (_, i) => i), images);
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
    void train.read(Uint32Array.of(index), image);
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

/** A split that knows the first index of each reading: of all, and of those under way. */
interface Counting extends Split {
  readonly asked: readonly number[];
  readonly readings: ReadonlySet<number>;
}

/** Images of two bytes, each its own index; those from a disk come later, and the last ones asked for first. */
function counting(count: number, where: "memory" | "disk"): Counting {
  const asked: number[] = [];
  const readings = new Set<number>();
  const fill = (indices: Uint32Array, images: Uint8Array) =>
    indices.forEach((index, i) => images.fill(index, 2 * i, 2 * i + 2));
  return {
    count,
    asked,
    readings,
    read(indices, images) {
      assert.equal(images.length, 2 * indices.length);
      if (where === "memory") return fill(indices, images);
      asked.push(indices[0]!);
      readings.add(indices[0]!);
      return new Promise((resolve) => setTimeout(resolve, readings.size % 2)).then(() => {
        fill(indices, images);
        readings.delete(indices[0]!);
      });
    },
    label: (index: number) => 10 * index,
  };
}

for (const where of ["memory", "disk"] as const) {
  test(`loader: batches from ${where}`, async () => {
    const split = counting(5, where);
    const read = async (options: Partial<BatchOptions>) => {
      const seen = [];
      for await (const batch of batches(split, [1, 1, 2], { batch: 2, last: "drop", ...options })) {
        const { images, labels, count } = batch;
        seen.push([[...images.subarray(0, 2 * count)], [...labels.subarray(0, count)]]);
      }
      return seen;
    };
    assert.deepEqual(await read({}), [[[0, 0, 1, 1], [0, 10]], [[2, 2, 3, 3], [20, 30]]]);
    assert.deepEqual((await read({ last: "keep" })).at(-1), [[4, 4], [40]]);
    const order = Uint32Array.of(4, 0, 3, 1, 2);
    const [first, second] = [[[4, 4, 0, 0], [40, 0]], [[3, 3, 1, 1], [30, 10]]];
    assert.deepEqual(await read({ order }), [first, second]);
    assert.deepEqual(await read({ order, from: 2 }), [second]);
    assert.deepEqual(await read({ order, from: 4 }), []);
    assert.deepEqual(await read({ order, from: 4, last: "keep" }), [[[2, 2], [20]]]);
    assert.deepEqual(await read({ order, from: 5, last: "keep" }), []);
    assert.equal(take(split, 3).count, 3);
    assert.equal(take(split, 9).count, 5);
  });
}

test("loader: what comes from a disk is read ahead, and nothing is under way once the reader has left", async () => {
  const split = counting(20, "disk");
  for await (const { images } of batches(split, [1, 1, 2], { batch: 2, last: "drop", ahead: 3 })) {
    assert.deepEqual([...images], [0, 0, 1, 1]);
    // It and the next three, however many of them have come.
    assert.deepEqual(split.asked, [0, 2, 4, 6]);
    break;
  }
  assert.equal(split.readings.size, 0);
});

test("loader: a batch that cannot be read fails in its turn", async () => {
  const split: Split = {
    ...counting(8, "disk"),
    read: (indices) => indices[0] === 4 ? Promise.reject(new DataError("shard 2 is bad")) : Promise.resolve(),
  };
  let seen = 0;
  const read = async () => {
    for await (const _ of batches(split, [1, 1, 2], { batch: 2, last: "drop" })) seen++;
  };
  await assert.rejects(read(), { name: "DataError", message: "shard 2 is bad" });
  assert.equal(seen, 2);
});

test("loader: several readers take each image once, and batch by batch what a single one takes", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 7 }),
    (count, readers, batch) => {
      const order = Uint32Array.from({ length: count }, (_, i) => i * 7919 % 211);
      const shares = Array.from({ length: readers }, (_, reader) => shareOf(order, reader, readers));
      const sorted = (parts: Uint32Array[]) => parts.flatMap((part) => [...part]).sort((a, b) => a - b);
      assert.deepEqual(sorted(shares), sorted([order]));
      const lengths = shares.map(({ length }) => length);
      assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1);
      for (let step = 0; step * batch * readers < count; step++) {
        const together = shares.map((share) => share.subarray(step * batch, (step + 1) * batch));
        const single = order.subarray(step * batch * readers, (step + 1) * batch * readers);
        assert.deepEqual(sorted(together), sorted([single]));
      }
    },
  ));
  for (const [reader, readers] of [[2, 2], [-1, 2], [0, 0], [0.5, 2]] as const) {
    assert.throws(() => shareOf(new Uint32Array(3), reader, readers), RangeError);
  }
});
