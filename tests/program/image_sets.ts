// Sets of images for the tests of prepare: what scripts/make_image_sets.ts makes, and the small formats, made here.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { idx } from "../bytes.ts";
import { start } from "./start.ts";

/** JPEGs in folders (`folder`) and as ImageNet has them (`ilsvrc`), the same ones; two training images are broken. */
export async function makeSets(folder: string, train: number, val: number): Promise<void> {
  const args = [`--to=${folder}`, `--train=${train}`, `--val=${val}`];
  const deno = ["run", "-q", "-A", "--no-check"];
  const { code, stderr } = await start("scripts/make_image_sets.ts", args, { deno });
  if (code !== 0) throw new Error(stderr);
}

/** The content of every file in a folder, by name. */
export async function contentsOf(folder: string): Promise<Map<string, Uint8Array>> {
  const names = (await readdir(folder)).sort();
  const files = await Promise.all(names.map((name) => readFile(join(folder, name))));
  return new Map(names.map((name, i) => [name, new Uint8Array(files[i]!)]));
}

/** A tar with the files. */
export async function tar(
  files: readonly (readonly [name: string, content: Uint8Array | string])[],
): Promise<Uint8Array> {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name }, content);
  archive.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of archive as AsyncIterable<Uint8Array>) pieces.push(piece);
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
}

/** Writes files, and the folders that they are in. */
export async function write(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, content);
  }
}

/** Grey images of 4 x 4 pixels that are all of one value: 10 times their number; image i is of class i mod 3. */
export function idxFiles(train: number, test: number): Record<string, Uint8Array> {
  const images = (count: number) =>
    idx([count, 4, 4], Uint8Array.from({ length: 16 * count }, (_, i) => 10 * (i >> 4)));
  const labels = (count: number) => idx([count], Uint8Array.from({ length: count }, (_, i) => i % 3));
  return {
    "train-images-idx3-ubyte": images(train),
    "train-labels-idx1-ubyte": labels(train),
    "t10k-images-idx3-ubyte": images(test),
    "t10k-labels-idx1-ubyte": labels(test),
  };
}

/** Records of CIFAR's binary files: image i has red 10 i, green 10 i + 1, blue 10 i + 2 and the label i mod 3. */
export function cifarRecords(count: number, labels: 1 | 2): Uint8Array {
  const record = labels + 3072;
  const bytes = new Uint8Array(count * record);
  for (let i = 0; i < count; i++) {
    // Of CIFAR-100 the first label is not the class.
    bytes[i * record] = 19;
    bytes[i * record + labels - 1] = i % 3;
    for (let c = 0; c < 3; c++) {
      const start = i * record + labels + 1024 * c;
      bytes.fill(10 * i + c, start, start + 1024);
    }
  }
  return bytes;
}
