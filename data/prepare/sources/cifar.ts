/**
 * The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of one or two bytes of labels and 3 x 32 x 32 bytes,
 * channel by channel.
 *
 * @module
 */

import { join } from "node:path";
import { DataError } from "../../dataset.ts";
import { listFolder, readPath } from "../../files.ts";
import type { RawImage } from "../decode/mod.ts";
import { noteOfContent } from "./contents.ts";
import type { Source, SourcePart } from "./source.ts";

/** One of the two. */
interface Kind {
  readonly name: string;
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly names: string;
  readonly classes: number;
  /** Bytes of labels a record; the last one is the class. */
  readonly labels: number;
}

const KINDS: readonly Kind[] = [
  {
    name: "CIFAR-10",
    folder: "cifar-10-batches-bin",
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ["test_batch.bin"],
    names: "batches.meta.txt",
    classes: 10,
    labels: 1,
  },
  {
    name: "CIFAR-100",
    folder: "cifar-100-binary",
    train: ["train.bin"],
    test: ["test.bin"],
    names: "fine_label_names.txt",
    classes: 100,
    // Of the 20 coarse classes, then of the 100 fine ones.
    labels: 2,
  },
];

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** Looks for one, also in the folder of its name in the published archive; undefined where there is none. */
export async function findCifar(root: string, names: readonly string[]): Promise<Source | undefined> {
  for (const kind of KINDS) {
    if (names.includes(kind.folder)) {
      const folder = join(root, kind.folder);
      return await sourceOf(kind, folder, await listFolder(folder));
    }
    if (names.includes(kind.train[0]!) && names.includes(kind.test[0]!)) {
      return await sourceOf(kind, root, names);
    }
  }
  return undefined;
}

async function sourceOf(kind: Kind, folder: string, present: readonly string[]): Promise<Source> {
  const missing = [...kind.train, ...kind.test].find((name) => !present.includes(name));
  if (missing !== undefined) {
    throw new DataError(`${folder}: has no ${missing}, which belongs to ${kind.name}`);
  }
  return {
    kind: `the binary files of ${kind.name}`,
    classes: present.includes(kind.names) ? await readNames(join(folder, kind.names), kind.classes) : null,
    train: await partOf(kind, folder, kind.train),
    test: await partOf(kind, folder, kind.test),
  };
}

async function readNames(path: string, count: number): Promise<string[]> {
  const text = new TextDecoder().decode(await readPath(path));
  const names = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (names.length !== count) throw new DataError(`${path}: has ${names.length} names, wants ${count}`);
  return names;
}

async function partOf(kind: Kind, folder: string, files: readonly string[]): Promise<SourcePart> {
  const record = kind.labels + 3 * PLANE;
  const [counts, contents]: [number[], string[]] = [[], []];
  for (const name of files) {
    const content = await readPath(join(folder, name));
    const { length } = content;
    if (length % record !== 0) {
      const got = `has ${length} bytes, which is no multiple of ${record}`;
      throw new DataError(`${join(folder, name)}: is truncated or damaged: it ${got}`);
    }
    counts.push(length / record);
    contents.push(noteOfContent(name, content));
  }
  return {
    amount: counts.reduce((sum, count) => sum + count, 0),
    contents,
    async *items([first = 0, start = 0] = []) {
      let done = counts.slice(0, first).reduce((sum, count) => sum + count, 0) + start;
      for (let file = first; file < files.length; file++) {
        const bytes = await readPath(join(folder, files[file]!));
        for (let i = file === first ? start : 0; i < counts[file]!; i++) {
          const at = i * record;
          const label = bytes[at + kind.labels - 1]!;
          const flaw = label >= kind.classes
            ? `has the label ${label}, classes are 0 to ${kind.classes - 1}`
            : undefined;
          yield {
            name: `${files[file]}: image ${i}`,
            label,
            image: interleave(bytes.subarray(at + kind.labels, at + record)),
            after: [file, i + 1],
            done: ++done,
            ...(flaw !== undefined && { flaw }),
          };
        }
      }
    },
  };
}

function interleave(planes: Uint8Array): RawImage {
  const pixels = new Uint8Array(3 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * PLANE + i]!;
  }
  return { pixels, width: SIDE, height: SIDE, channels: 3 };
}
