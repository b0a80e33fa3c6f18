// Makes data/fashion_mnist/ from the four published files of Fashion-MNIST:
//
//     deno run --allow-read --allow-write scripts/make_subset.ts --from=DIR --to=data/fashion_mnist
//
// It takes the first images and labels in file order, corrects the counts in the headers, and prints the SHA-256 of
// each file's content, so that anyone can check that what is in the repository is what was published.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";

const parts = [
  { name: "train-images-idx3-ubyte", count: 6000 },
  { name: "train-labels-idx1-ubyte", count: 6000 },
  { name: "t10k-images-idx3-ubyte", count: 1000 },
  { name: "t10k-labels-idx1-ubyte", count: 1000 },
];

/** The first `count` items of an IDX file: 0, 0, type (8: bytes), rank, then the sizes as big-endian u32, then the items. */
function firstItems(idx: Buffer, count: number): Buffer {
  const [zeroA, zeroB, type, rank] = idx;
  if (zeroA !== 0 || zeroB !== 0 || type !== 8 || rank === undefined) {
    throw new Error("not an IDX file of bytes");
  }
  const sizes = Array.from({ length: rank }, (_, axis) => idx.readUInt32BE(4 + 4 * axis));
  const [available = 0, ...itemShape] = sizes;
  if (available < count) throw new Error(`holds ${available} items, needs ${count}`);
  const headerBytes = 4 + 4 * rank;
  const itemBytes = itemShape.reduce((product, size) => product * size, 1);
  const subset = Buffer.from(idx.subarray(0, headerBytes + count * itemBytes));
  subset.writeUInt32BE(count, 4);
  return subset;
}

/** Gzip as everywhere: zlib writes no time, and the byte that names the operating system is set to "unknown". */
function gzip(bytes: Buffer): Buffer {
  const zipped = gzipSync(bytes, { level: 9 });
  zipped[9] = 255;
  return zipped;
}

const { values: { from, to } } = parseArgs({ options: { from: { type: "string" }, to: { type: "string" } } });
if (from === undefined || to === undefined) {
  console.error("error: make_subset: wants --from=DIR (the published files) and --to=DIR");
  process.exit(2);
}
await mkdir(to, { recursive: true });
for (const { name, count } of parts) {
  const subset = firstItems(gunzipSync(await readFile(join(from, `${name}.gz`))), count);
  await writeFile(join(to, `${name}.gz`), gzip(subset));
  console.log(`${createHash("sha256").update(subset).digest("hex")}  ${name}`);
}
