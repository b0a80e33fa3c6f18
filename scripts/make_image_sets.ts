// Makes sets of JPEGs to try `prepare.ts` on, from the embedded Fashion-MNIST: `DIR/folder`, a folder for each class, and
// `DIR/ilsvrc`, which is shaped as ImageNet's files of 2012 are. Both have the same pictures, with a CMYK JPEG, a PNG named
// .JPEG, a grey, a truncated and an empty file among them.
//
//   deno run -A scripts/make_image_sets.ts --to=DIR [--train=600] [--val=100]

import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { encodeMatlabStructs } from "./image_sets/matlab.ts";
import { CLASSES, type Picture, pictures } from "./image_sets/pictures.ts";

const { values } = parseArgs({
  options: {
    to: { type: "string" },
    train: { type: "string", default: "600" },
    val: { type: "string", default: "100" },
  },
});
if (values.to === undefined) {
  console.error("error: --to wants a folder");
  process.exit(2);
}
const root = values.to;

/** As WordNet numbers its nouns; the kit's own numbers, from 1, go the other way round, so that nobody can mix them up. */
const WORDNET = CLASSES.map((_, label) => `n0${1440764 + 1000 * label}`);
const kitNumber = (label: number) => CLASSES.length - label;

/** A file in an archive. */
interface TarEntry {
  readonly name: string;
  readonly content: Uint8Array;
}

async function writeTar(path: string, entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): Promise<void> {
  const archive = pack();
  const written = pipeline(Readable.from(archive as AsyncIterable<Uint8Array>), createWriteStream(path));
  for await (const { name, content } of entries) {
    await new Promise<void>((resolve, reject) => {
      // The same date everywhere: the same call makes the same bytes.
      const header = { name, size: content.length, mtime: new Date(0) };
      archive.entry(header, content, (error) => error ? reject(error) : resolve());
    });
  }
  archive.finalize();
  await written;
}

function tarBytes(entries: readonly TarEntry[]): Promise<Uint8Array> {
  const archive = pack();
  for (const { name, content } of entries) {
    archive.entry({ name, size: content.length, mtime: new Date(0) }, content);
  }
  archive.finalize();
  return new Response(ReadableStream.from(archive as AsyncIterable<Uint8Array>)).bytes();
}

const trainName = (label: number, number: number) => `${WORDNET[label]}_${number}.JPEG`;
const validationName = (number: number) => `ILSVRC2012_val_${String(number).padStart(8, "0")}.JPEG`;

/** The folders; gives the names of the training pictures back by class, since the archives go class by class. */
async function makeFolders(
  train: AsyncIterable<Picture>,
  test: readonly Picture[],
): Promise<Map<number, string[]>> {
  const byClass = new Map<number, string[]>(CLASSES.map((_, label) => [label, []]));
  for (const part of ["train", "val"]) {
    for (const name of WORDNET) await mkdir(join(root, "folder", part, name), { recursive: true });
  }
  let number = 0;
  for await (const { label, file } of train) {
    const name = trainName(label, ++number);
    byClass.get(label)!.push(name);
    await writeFile(join(root, "folder", "train", WORDNET[label]!, name), file);
  }
  for (const [i, { label, file }] of test.entries()) {
    await writeFile(join(root, "folder", "val", WORDNET[label]!, validationName(i + 1)), file);
  }
  return byClass;
}

async function makeArchives(
  byClass: ReadonlyMap<number, string[]>,
  test: readonly Picture[],
): Promise<void> {
  const folder = join(root, "ilsvrc");
  await mkdir(folder, { recursive: true });
  const classes = async function* () {
    for (const [label, names] of byClass) {
      const read = (name: string) => readFile(join(root, "folder", "train", WORDNET[label]!, name));
      const entries = await Promise.all(names.map(async (name) => ({ name, content: await read(name) })));
      yield { name: `${WORDNET[label]}.tar`, content: await tarBytes(entries) };
    }
  };
  await writeTar(join(folder, "ILSVRC2012_img_train.tar"), classes());
  const validation = test.map(({ file }, i) => ({ name: validationName(i + 1), content: file }));
  await writeTar(join(folder, "ILSVRC2012_img_val.tar"), validation);
  const synsets = CLASSES.map((words, label) => ({
    ILSVRC2012_ID: kitNumber(label),
    WNID: WORDNET[label]!,
    words,
    gloss: `a garment: ${words}`,
    num_children: 0,
    wordnet_height: 0,
    num_train_images: byClass.get(label)!.length,
  })).reverse();
  // Behind the classes the kit has the inner nodes of the tree.
  synsets.push({
    ...synsets[0]!,
    ILSVRC2012_ID: CLASSES.length + 1,
    WNID: "n03051540",
    words: "clothing",
    num_children: 10,
  });
  const truth = test.map(({ label }) => `${kitNumber(label)}\n`).join("");
  const kit = await tarBytes([
    { name: "ILSVRC2012_devkit_t12/data/meta.mat", content: encodeMatlabStructs("synsets", synsets) },
    {
      name: "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
      content: new TextEncoder().encode(truth),
    },
  ]);
  await writeFile(join(folder, "ILSVRC2012_devkit_t12.tar.gz"), gzipSync(kit));
}

await rm(join(root, "folder"), { recursive: true, force: true });
const test: Picture[] = [];
for await (const each of pictures("test", Number(values.val))) test.push(each);
await makeArchives(await makeFolders(pictures("train", Number(values.train)), test), test);
console.log(`${root}: ${values.train} pictures to train with and ${values.val} to validate with, twice`);
