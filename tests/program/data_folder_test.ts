// The published files in a folder of the user's.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DataError, fashionMnist } from "../../data/mod.ts";
import { gzip, idx } from "../bytes.ts";

test("fashion-mnist: a folder of four files, and what can be wrong with it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-data-"));
  const pixels = (count: number) => new Uint8Array(count * 784).fill(7);
  const files: Record<string, Uint8Array> = {
    "train-images-idx3-ubyte": idx([3, 28, 28], pixels(3)),
    "train-labels-idx1-ubyte.gz": await gzip(idx([3], [9, 0, 1])),
    "t10k-images-idx3-ubyte.gz": await gzip(idx([2, 28, 28], pixels(2))),
    "t10k-labels-idx1-ubyte": idx([2], [5, 6]),
  };
  const write = async (changed: Record<string, Uint8Array | null>) => {
    for (const [name, bytes] of Object.entries({ ...files, ...changed })) {
      if (bytes === null) await rm(join(folder, name));
      else await writeFile(join(folder, name), bytes);
    }
  };
  try {
    await write({});
    const { train, test: held } = await fashionMnist({ folder });
    assert.deepEqual([train.count, train.label(0), held.count, held.label(1)], [3, 9, 2, 6]);
    const cases: [Record<string, Uint8Array | null>, RegExp][] = [
      [
        { "t10k-labels-idx1-ubyte": null },
        /has neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz$/,
      ],
      [
        { "t10k-labels-idx1-ubyte": idx([3], [1, 2, 3]) },
        /t10k-labels-idx1-ubyte: has 3 labels for 2 images/,
      ],
      [{ "t10k-labels-idx1-ubyte": idx([2], [1, 10]) }, /label 1 is 10, classes are 0 to 9/],
      [{ "train-images-idx3-ubyte": idx([3, 32, 28], pixels(3)) }, /truncated/],
      [{ "train-images-idx3-ubyte": idx([1, 56, 42], pixels(3)) }, /images are 56 x 42/],
      [{ "train-images-idx3-ubyte": idx([0, 28, 28], []) }, /has no images/],
    ];
    for (const [changed, message] of cases) {
      await write(changed);
      await assert.rejects(fashionMnist({ folder }), (error: unknown) => {
        assert(error instanceof DataError);
        assert.match(error.message, message);
        return true;
      });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  await assert.rejects(fashionMnist({ folder }), /no such folder/);
});
