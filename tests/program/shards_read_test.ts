// Shards on a disk: whatever is damaged is named, images are read anywhere in any order, and training on them works.

import assert from "node:assert/strict";
import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { test } from "node:test";
import crc from "crc-32";
import fc from "fast-check";
import { batches, readShards, shareOf, shuffledOrder } from "../../data/mod.ts";
import { prepare } from "../../data/prepare/mod.ts";
import { loadCrc32 } from "../../data/shards/crc.ts";
import { encodeSafetensors } from "../../data/safetensors.ts";
import { HEADER_BYTES, hex } from "../../data/shards/format.ts";
import { encodeIndex } from "../../data/shards/index.ts";
import { randomKey } from "../../mod.ts";
import { device } from "../../mod.ts";
import { idxFiles, write } from "./image_sets.ts";
import { inFolder } from "./in_folder.ts";
import { start } from "./start.ts";

const SIZE = 16;
const BYTES = 3 * SIZE * SIZE;
const TRAIN = 25;

/** Shards of grey images, each of one value: 10 times its number. */
async function shards(root: string): Promise<string> {
  await write(`${root}/idx`, idxFiles(TRAIN, 4));
  await prepare({ from: `${root}/idx`, to: `${root}/to`, size: SIZE, filesPerShard: 7 });
  return `${root}/to`;
}

test("shards: any images in any order, by property", () =>
  inFolder(async (root) => {
    const dataset = await readShards(await shards(root));
    try {
      assert.deepEqual([dataset.train.count, dataset.test.count, dataset.shape], [TRAIN, 4, [3, SIZE, SIZE]]);
      const indices = fc.array(fc.integer({ min: 0, max: TRAIN - 1 }), { maxLength: 40 });
      await fc.assert(fc.asyncProperty(indices, async (list) => {
        const images = new Uint8Array(list.length * BYTES).fill(77);
        await dataset.train.read(Uint32Array.from(list), images);
        list.forEach((index, i) => {
          const image = images.subarray(i * BYTES, (i + 1) * BYTES);
          assert.ok(image.every((byte) => byte === 10 * index % 256));
          assert.equal(dataset.train.label(index), index % 3);
        });
      }));
    } finally {
      dataset.close();
    }
  }));

test("shards: several readers, begun anywhere, see each image of an epoch once", () =>
  inFolder(async (root) => {
    const dataset = await readShards(await shards(root));
    const key = randomKey(5, { device: await device("cpu") });
    try {
      const numbers = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), fc.nat(TRAIN));
      await fc.assert(
        fc.asyncProperty(numbers, async ([readers, batch, epoch]) => {
          const order = await shuffledOrder(key, epoch, TRAIN);
          const seen: number[] = [];
          for (let reader = 0; reader < readers; reader++) {
            const share = shareOf(order, reader, readers);
            // In two runs: the second goes on where the first was left.
            const pause = Math.floor(share.length / 2 / batch) * batch;
            const options = { batch, last: "keep" } as const;
            for (const part of [{ order: share.subarray(0, pause) }, { order: share, from: pause }]) {
              for await (
                const { images, count } of batches(dataset.train, dataset.shape, { ...options, ...part })
              ) {
                for (let i = 0; i < count; i++) seen.push(images[i * BYTES]!);
              }
            }
          }
          const all = Array.from({ length: TRAIN }, (_, i) => 10 * i % 256);
          const sorted = (list: number[]) => [...list].sort((a, b) => a - b);
          assert.deepEqual(sorted(seen), sorted(all));
        }),
        { numRuns: 30 },
      );
    } finally {
      dataset.close();
    }
  }));

test("shards: checksums are those of zlib, in pieces too", async () => {
  const crc32 = await loadCrc32();
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
    assert.equal(crc32(b, crc32(a)), crc32(Uint8Array.of(...a, ...b)));
    // What runtimes without zlib's get.
    assert.equal(crc.buf(a) >>> 0, crc32(a));
    assert.equal(crc.buf(b, crc.buf(a)) >>> 0, crc32(b, crc32(a)));
  }));
});

test("shards: what is damaged is named", () =>
  inFolder(async (root) => {
    const folder = await shards(root);
    const shard = `${folder}/train-00001.safetensors`;
    const good = await readFile(shard);
    const refused = async (message: RegExp) => {
      await assert.rejects(readShards(folder), (error: Error) => {
        assert.equal(error.name, "DataError");
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
    };
    const flipped = async (path: string, at: number) => {
      const bytes = await readFile(path);
      bytes[at]! ^= 1;
      await writeFile(path, bytes);
    };
    const labels = HEADER_BYTES + 7 * BYTES;
    for (const at of [labels, labels + 7 * 4, labels + 14 * 4 + 3]) {
      await flipped(shard, at);
      await refused(
        /train-00001\.safetensors: is damaged: the checksum of its labels is \w{8}, wants \w{8}; delete it/,
      );
      await writeFile(shard, good);
    }
    await truncate(shard, good.length - 1);
    await refused(/train-00001\.safetensors: is damaged: it has \d+ bytes, wants \d+/);
    await truncate(shard, 100);
    await refused(/train-00001\.safetensors: is damaged: it has 100 bytes, wants at least 4096/);
    await rm(shard);
    await refused(/train-00001\.safetensors: cannot be read \(ENOENT\)/);

    // An image is checked when it is read, and the others can still be.
    await writeFile(shard, good);
    await flipped(shard, HEADER_BYTES + 2 * BYTES + 5);
    const dataset = await readShards(folder);
    const images = new Uint8Array(3 * BYTES);
    await dataset.train.read(Uint32Array.of(7, 8, 10), images);
    await assert.rejects(async () => await dataset.train.read(Uint32Array.of(8, 9, 10), images), {
      name: "DataError",
      message: /train-00001\.safetensors: is damaged: the checksum of image 2 is \w{8}, wants \w{8}/,
    });
    dataset.close();
    await writeFile(shard, good);

    // An index that another program has written, with its checksum.
    const crc32 = await loadCrc32();
    const index = await readFile(`${folder}/index.json`, "utf8");
    const { crc32: _, ...read } = JSON.parse(index);
    await writeFile(`${folder}/index.json`, encodeIndex({ ...read, classes: ["0", "1"] }, crc32));
    await refused(
      /train-00000\.safetensors: is damaged: the label of image 2 is 2, the index has classes 0 to 1; delete it/,
    );
    const nothing = encodeSafetensors(new Map());
    const statistics = await readFile(`${folder}/statistics.safetensors`);
    await writeFile(`${folder}/statistics.safetensors`, nothing);
    const other = { ...read.statistics, crc32: hex(crc32(nothing)) };
    await writeFile(`${folder}/index.json`, encodeIndex({ ...read, statistics: other }, crc32));
    await refused(/statistics\.safetensors: is damaged: it has no eigenvectors of F64 \[3, 3\]; delete it/);
    await writeFile(`${folder}/statistics.safetensors`, statistics);
    await writeFile(`${folder}/index.json`, index.replace('"0"', '"9"'));
    await refused(/index\.json: is damaged: its checksum is \w{8}, wants \w{8}; delete it and prepare/);
    await writeFile(`${folder}/index.json`, index);
    (await readShards(folder)).close();

    await flipped(`${folder}/statistics.safetensors`, 500);
    await refused(/statistics\.safetensors: is damaged: its checksum is/);
    await rm(`${folder}/index.json`);
    await writeFile(`${folder}/plan.json`, "{}");
    await refused(/its shards are not all there: run prepare\.ts again/);
  }));

test("shards: what --data has not, or not for this network, is said in one line", () =>
  inFolder(async (root) => {
    const refused = async (flags: readonly string[], code: number, message: string) => {
      const { stderr, ...ended } = await start("train.ts", [...flags, "--batch=2"]);
      assert.deepEqual([ended.code, stderr], [code, `error: ${message}\n`]);
    };
    const folder = await shards(root);
    await refused(
      ["--model=lenet5", `--data=${folder}`],
      2,
      `lenet5 takes 1x28x28 images, ${folder} has 3x16x16: use --model=alexnet`,
    );
    // What is wrong with the folder is said, not what is wrong with images that it has not.
    const alexnet = (data: string) => ["--model=alexnet", `--data=${data}`];
    await refused(
      alexnet(`${root}/nope`),
      1,
      `${root}/nope: there is no such folder, or it cannot be read (ENOENT)`,
    );
    await mkdir(`${root}/empty`);
    await refused(
      alexnet(`${root}/empty`),
      1,
      `${root}/empty: has neither train-images-idx3-ubyte nor an index.json of shards: prepare.ts makes shards of images`,
    );
    const [takes, has] = ["alexnet takes 3x224x224 images", "fashion-mnist has 1x28x28"];
    await refused(
      alexnet(`${root}/idx`),
      2,
      `${takes}, ${has}: make shards of them with prepare.ts, or use --dataset=synthetic`,
    );
    await refused(
      ["--model=alexnet"],
      2,
      `${takes}, ${has}: use --data with shards, which prepare.ts makes of images, or use --dataset=synthetic`,
    );
    await rm(`${folder}/index.json`);
    await refused(
      alexnet(folder),
      1,
      `${folder}: its shards are not all there: run prepare.ts again, it goes on where it was`,
    );
  }));
