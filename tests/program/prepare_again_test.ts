// A folder of shards, prepared again: what is there is kept when it is of the same images, and refused when it is not; what is
// not of prepare is left alone.

import assert from "node:assert/strict";
import { readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import sharp from "sharp";
import { lockFolder } from "../../data/folder_lock.ts";
import { prepare, type PrepareOptions } from "../../data/prepare/mod.ts";
import { idx } from "../bytes.ts";
import { cifarRecords, contentsOf, idxFiles, tar, write } from "./image_sets.ts";
import { inFolder } from "./in_folder.ts";

const SIZE = 16;
const PLANE = SIZE * SIZE;

test("prepare: goes on where it was, and only with the same images and settings", () =>
  inFolder(async (root) => {
    await write(`${root}/idx`, idxFiles(10, 3));
    const to = `${root}/to`;
    await prepare({ from: `${root}/idx`, to, size: SIZE, filesPerShard: 4 });
    const wanted = await contentsOf(to);
    assert.deepEqual([...wanted.keys()], [
      "broken.txt",
      "index.json",
      "statistics.safetensors",
      "test-00000.safetensors",
      "train-00000.safetensors",
      "train-00001.safetensors",
      "train-00002.safetensors",
    ]);
    const again = (options: Partial<PrepareOptions> = {}) =>
      prepare({ from: `${root}/idx`, to, size: SIZE, filesPerShard: 4, ...options });
    assert.equal((await again()).files, 0);
    // As after a kill between the second and the third shard.
    for (const name of ["index.json", "train-00002.safetensors", "test-00000.safetensors"]) {
      await rm(join(to, name));
    }
    await write(to, { "train-00002.safetensors.1234abcd.tmp": "half a shard" });
    assert.equal((await again()).files, 5);
    assert.deepEqual(await contentsOf(to), wanted);
    await assert.rejects(again({ filesPerShard: 5 }), /shards that were made with --shard=4, not 5: choose/);
    await assert.rejects(again({ size: 8 }), /shards that were made with images of 16x16, not 8x8/);
    await assert.rejects(
      again({ decoder: "wasm" }),
      /shards that were made with decoder "sharp .*", not "jSquash/,
    );
    await write(`${root}/idx`, idxFiles(11, 3));
    await assert.rejects(again(), /shards that were made with other train files: choose another folder/);
    assert.deepEqual(await contentsOf(to), wanted);
  }));

/** Changes a byte of a file. */
async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  await writeFile(path, bytes);
}

test("prepare: other images are noticed, also under the same names and of the same number", () =>
  inFolder(async (root) => {
    const options = { size: SIZE, filesPerShard: 4 };
    const cifar = { "train.bin": cifarRecords(4, 2), "test.bin": cifarRecords(2, 2) };
    const jpeg = new Uint8Array(
      await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } }).jpeg().toBuffer(),
    );
    const folders = { "train/a/x.jpg": jpeg, "val/a/y.jpg": jpeg };
    const web = {
      "train.tar": await tar([["a.jpg", jpeg], ["a.cls", "0"]]),
      "val.tar": await tar([["b.jpg", jpeg], ["b.cls", "0"]]),
    };
    for (
      const [name, files, changed, part] of [
        ["idx", idxFiles(9, 5), "train-images-idx3-ubyte", "train"],
        ["idx", idxFiles(9, 5), "t10k-labels-idx1-ubyte", "test"],
        ["cifar", cifar, "test.bin", "test"],
        ["folders", folders, "train/a/x.jpg", "train"],
        ["web", web, "val.tar", "test"],
      ] as const
    ) {
      const [from, to] = [`${root}/${name}`, `${root}/${name}-${changed.replaceAll("/", "-")}`];
      await write(from, files);
      await prepare({ from, to, ...options });
      const wanted = await contentsOf(to);
      await flip(join(from, changed), -1);
      // Of files that are not read beforehand, their time tells.
      if (!["idx", "cifar"].includes(name)) await utimes(join(from, changed), 1e9, 1e9);
      const again = () => prepare({ from, to, ...options });
      await assert.rejects(
        again(),
        new RegExp(`made with other ${part} files: choose another folder, or del`),
      );
      assert.deepEqual(await contentsOf(to), wanted);
      // The shards know it by themselves, and no attempt leaves a plan that is not theirs.
      await rm(`${to}/index.json`);
      wanted.delete("index.json");
      for (let i = 0; i < 2; i++) {
        await assert.rejects(again(), {
          name: "DataError",
          message: `${to}: has shards that were made with other images, or other settings: ` +
            "choose another folder, or delete it",
        });
      }
      assert.deepEqual(await contentsOf(to), wanted);
    }
  }));

test("prepare: a shard of another set, of the version before, or that is damaged, is refused and named", () =>
  inFolder(async (root) => {
    const from = (name: string) => ({ from: `${root}/${name}`, size: SIZE, filesPerShard: 4 });
    await write(`${root}/one`, idxFiles(9, 5));
    await write(`${root}/two`, { ...idxFiles(9, 5), "train-labels-idx1-ubyte": idx([9], new Uint8Array(9)) });
    const [to, other] = [`${root}/to`, `${root}/other`];
    await prepare({ ...from("one"), to });
    await prepare({ ...from("two"), to: other });
    const wanted = await contentsOf(to);
    const again = () => prepare({ ...from("one"), to });
    const refused = (message: RegExp) => assert.rejects(again(), { name: "DataError", message });
    const shard = `${to}/train-00001.safetensors`;
    const whole = await readFile(shard);

    await writeFile(shard, await readFile(`${other}/train-00001.safetensors`));
    await refused(
      /to.train-00001\.safetensors: was made from other images, or with other settings: delete it/,
    );

    const labels = 4096 + 4 * 3 * PLANE;
    for (const at of [labels, labels + 4 * 4, labels + 8 * 4 + 20, -1]) {
      await writeFile(shard, whole);
      await flip(shard, at);
      await refused(
        /to.train-00001\.safetensors: is damaged: .*; delete it and prepare the shards again$/,
      );
    }
    await writeFile(shard, whole);
    await flip(shard, 30);
    await refused(/train-00001\.safetensors: is no shard: its header cannot be read; delete it and prepare/);
    for (const length of [0, 100, 5000, whole.length - 1]) {
      await writeFile(shard, whole.subarray(0, length));
      await refused(
        /train-00001\.safetensors: is damaged: it is truncated; delete it and prepare the shards/,
      );
    }
    await rm(shard);
    await again();
    assert.deepEqual(await contentsOf(to), wanted);

    const index = JSON.parse(await readFile(`${to}/index.json`, "utf8"));
    await writeFile(`${to}/index.json`, JSON.stringify({ ...index, version: 1 }));
    await refused(
      /to: has shards of version 1 of their format, this program makes version 2: choose another/,
    );
    // One that cannot be read is made again.
    await writeFile(`${to}/index.json`, "{");
    await again();
    assert.deepEqual(await contentsOf(to), wanted);
  }));

test("prepare: a plan without shards binds nobody", () =>
  inFolder(async (root) => {
    await write(`${root}/idx`, idxFiles(9, 5));
    const options = { from: `${root}/idx`, to: `${root}/to`, size: SIZE };
    const failing = prepare({
      ...options,
      progress: () => {
        throw new Error("enough");
      },
    });
    await assert.rejects(failing, /^Error: enough$/);
    assert.deepEqual(await readdir(options.to), ["plan.json"]);
    await prepare({ ...options, filesPerShard: 3 });
    for (const name of await readdir(options.to)) if (name !== "index.json") await rm(join(options.to, name));
    // As readers would believe the index, it goes at once.
    await assert.rejects(prepare({
      ...options,
      progress: () => {
        throw new Error("enough");
      },
    }));
    assert.deepEqual(await readdir(options.to), ["plan.json"]);
    assert.equal((await prepare(options)).train, 9);
  }));

test("prepare: what killed runs have left is deleted when one begins, and nothing that is not its own", () =>
  inFolder(async (root) => {
    await write(`${root}/idx`, idxFiles(10, 3));
    const to = `${root}/to`;
    const others = {
      "thesis.tmp": "a",
      "train.1234abcd.tmp": "b",
      "train-00001.safetensors.tmp": "c",
      "x.json.1234abcd.tmp": "d",
    };
    await write(to, others);
    await write(to, {
      "train-00001.safetensors.1234abcd.tmp": "half a shard",
      "index.json.abcd1234.tmp": "{",
      "deno-1-0123abcd.lock.0123abcd.tmp": "",
    });
    // It ends before any shard is there.
    const failing = prepare({
      ...{ from: `${root}/idx`, to, size: SIZE },
      progress: () => {
        throw new Error("enough");
      },
    });
    await assert.rejects(failing, /^Error: enough$/);
    assert.deepEqual((await readdir(to)).sort(), [...Object.keys(others), "plan.json"].sort());
    await prepare({ from: `${root}/idx`, to, size: SIZE });
    const left = await contentsOf(to);
    for (const [name, text] of Object.entries(others)) {
      assert.equal(new TextDecoder().decode(left.get(name)), text);
    }
    assert.equal(left.size, Object.keys(others).length + 5);
  }));

test("prepare: one run at a time has a folder", () =>
  inFolder(async (root) => {
    await write(`${root}/idx`, idxFiles(10, 3));
    const to = `${root}/to`;
    const run = () => prepare({ from: `${root}/idx`, to, size: SIZE });
    await write(to, { "train-00000.safetensors.1234abcd.tmp": "half a shard" });
    const lock = await lockFolder(to);
    await assert.rejects(run(), {
      name: "FolderInUseError",
      message: new RegExp(`to is in use by process ${process.pid}: wait for its end`),
    });
    // It may be the other one's.
    assert.ok((await contentsOf(to)).has("train-00000.safetensors.1234abcd.tmp"));
    await lock.release();
    assert.equal((await run()).files, 13);
    assert.equal((await readdir(to)).length, 5);
  }));
