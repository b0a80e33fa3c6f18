/**
 * ImageNet as the challenge of 2012 distributes it: a tar of a tar for each class to train with, a flat tar to validate with,
 * and the development kit with the classes and the validation images' labels. Nothing is unpacked.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { DataError } from "../../dataset.ts";
import { readPath, reason } from "../../files.ts";
import { notesOfFiles } from "./contents.ts";
import { parseMatlabStructs } from "./matlab.ts";
import type { Source, SourcePart } from "./source.ts";
import { tarFileAt, tarFiles } from "./tar.ts";

const TRAIN = "ILSVRC2012_img_train.tar";
const VALIDATION = "ILSVRC2012_img_val.tar";
const KIT = "ILSVRC2012_devkit_t12";
/** In the kit. */
const CLASSES = "data/meta.mat";
const TRUTH = "data/ILSVRC2012_validation_ground_truth.txt";

/** Looks for it; undefined where there is none. */
export async function findIlsvrc(root: string, names: readonly string[]): Promise<Source | undefined> {
  if (!names.includes(TRAIN)) return undefined;
  if (!names.includes(VALIDATION)) throw new DataError(`${root}: has ${TRAIN}, but no ${VALIDATION}`);
  const kit = await readKit(root, names);
  const classes = parseClasses(kit.classes, `${KIT}/${CLASSES}`);
  return {
    kind: `ILSVRC2012 with ${classes.names.length} classes`,
    classes: classes.names,
    train: await trainPart(root, classes),
    test: await validationPart(root, parseTruth(kit.truth, classes, `${KIT}/${TRUTH}`)),
  };
}

interface Kit {
  readonly classes: Uint8Array;
  readonly truth: Uint8Array;
}

/** Reads the two files of the kit, from the archive or from its unpacked folder. */
async function readKit(root: string, names: readonly string[]): Promise<Kit> {
  const archive = [`${KIT}.tar.gz`, `${KIT}.tar`].find((name) => names.includes(name));
  if (archive === undefined) {
    if (!names.includes(KIT)) throw new DataError(`${root}: has neither ${KIT}.tar.gz nor the folder ${KIT}`);
    return {
      classes: await readPath(join(root, KIT, CLASSES)),
      truth: await readPath(join(root, KIT, TRUTH)),
    };
  }
  const path = join(root, archive);
  const found = new Map<string, Uint8Array>();
  const files = extract();
  const stream = createReadStream(path);
  if (archive.endsWith(".gz")) pipeline(stream, createGunzip(), files, () => {});
  else pipeline(stream, files, () => {});
  try {
    for await (const entry of files) {
      const name = [CLASSES, TRUTH].find((each) => entry.header.name.endsWith(each));
      const pieces: Uint8Array[] = [];
      for await (const piece of entry as AsyncIterable<Uint8Array>) {
        if (name !== undefined) pieces.push(piece);
      }
      if (name !== undefined) {
        found.set(name, new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()));
      }
    }
  } catch (error) {
    throw new DataError(`${path}: is damaged or truncated (${reason(error)})`, { cause: error });
  }
  const [classes, truth] = [CLASSES, TRUTH].map((name) => {
    const file = found.get(name);
    if (file === undefined) throw new DataError(`${path}: has no ${name}`);
    return file;
  });
  return { classes: classes!, truth: truth! };
}

interface Classes {
  /** By label: in the order of WordNet's identifiers, as PyTorch and Caffe number them. */
  readonly names: readonly string[];
  /** From `n01440764` to the label. */
  readonly byWordNet: ReadonlyMap<string, number>;
  /** From the kit's own number, from 1, to the label. */
  readonly byNumber: ReadonlyMap<number, number>;
}

/** The kit lists inner nodes of WordNet's tree too, behind the classes: those have children. */
function parseClasses(file: Uint8Array, name: string): Classes {
  const synsets = parseMatlabStructs(file, "synsets", name).map((fields) => ({
    number: Number(fields["ILSVRC2012_ID"]),
    id: String(fields["WNID"]),
    words: String(fields["words"]),
    children: Number(fields["num_children"]),
  }));
  const leaves = synsets.filter(({ children }) => children === 0).sort((a, b) => a.id < b.id ? -1 : 1);
  if (leaves.length === 0 || leaves.some(({ number, id }) => !(number >= 1) || !/^n\d+$/.test(id))) {
    throw new DataError(
      `${name}: is not the list of classes: it wants ILSVRC2012_ID, WNID, words, num_children`,
    );
  }
  return {
    names: leaves.map(({ words }) => words),
    byWordNet: new Map(leaves.map(({ id }, label) => [id, label])),
    byNumber: new Map(leaves.map(({ number }, label) => [number, label])),
  };
}

/** The labels of the validation images, in the order of their numbers. */
function parseTruth(file: Uint8Array, { byNumber }: Classes, name: string): number[] {
  return new TextDecoder().decode(file).trim().split(/\s+/).map((line, i) => {
    const label = byNumber.get(Number(line));
    if (label === undefined) throw new DataError(`${name}: line ${i + 1} is "${line}", which is no class`);
    return label;
  });
}

async function trainPart(root: string, { byWordNet }: Classes): Promise<SourcePart> {
  const path = join(root, TRAIN);
  const { size: amount } = await stat(path);
  return {
    amount,
    contents: await notesOfFiles(root, [TRAIN]),
    // A position is where the class's header begins in the outer archive, and where the image's does.
    async *items([outer = 0, inner = 0] = []) {
      for (let at = outer, start = inner;; start = 0) {
        const archive = await tarFileAt(path, at);
        if (archive === undefined) return;
        const label = byWordNet.get(archive.name.match(/(n\d+)\.tar$/)?.[1] ?? "");
        if (label === undefined) {
          throw new DataError(
            `${path}: has "${archive.name}" in it, which is no class of the development kit`,
          );
        }
        const range = { start: start || archive.content, end: archive.content + archive.size };
        for await (const file of tarFiles(path, range)) {
          const { name, after } = file;
          yield {
            name: `${archive.name}: ${name}`,
            label,
            image: await file.bytes(),
            after: [at, after],
            done: after,
          };
        }
        at = archive.after;
      }
    },
  };
}

async function validationPart(root: string, truth: readonly number[]): Promise<SourcePart> {
  const path = join(root, VALIDATION);
  const { size: amount } = await stat(path);
  return {
    amount,
    contents: [...await notesOfFiles(root, [VALIDATION]), ...truth.map(String)],
    async *items([start = 0] = []) {
      for await (const file of tarFiles(path, { start })) {
        const { name, after } = file;
        const number = Number(name.match(/_(\d+)\.\w+$/)?.[1] ?? NaN);
        const label = truth[number - 1] ?? -1;
        const flaw = label === -1
          ? `has no label among the ${truth.length} of the development kit`
          : undefined;
        const image = await file.bytes();
        yield { name, label, image, after: [after], done: after, ...(flaw !== undefined && { flaw }) };
      }
    },
  };
}
