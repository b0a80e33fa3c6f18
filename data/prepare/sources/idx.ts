/**
 * The four IDX files of MNIST and its descendants, gzipped or not. Their images are grey.
 *
 * @module
 */

import { join } from "node:path";
import { DataError } from "../../dataset.ts";
import { readPath } from "../../files.ts";
import { parseIdx } from "../../idx.ts";
import { noteOfContent } from "./contents.ts";
import type { Source, SourcePart } from "./source.ts";

/** Looks for them; undefined where there are none. */
export async function findIdx(root: string, names: readonly string[]): Promise<Source | undefined> {
  const find = (name: string) => [name, `${name}.gz`].find((candidate) => names.includes(candidate));
  if (find("train-images-idx3-ubyte") === undefined) return undefined;
  const part = async (prefix: string) => {
    const [images, labels] = [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`].map((name) => {
      const found = find(name);
      if (found === undefined) throw new DataError(`${root}: has neither ${name} nor ${name}.gz`);
      return found;
    });
    return await partOf(root, images!, labels!);
  };
  return { kind: "IDX files", classes: null, train: await part("train"), test: await part("t10k") };
}

async function partOf(root: string, imageFile: string, labelFile: string): Promise<SourcePart> {
  const path = join(root, imageFile);
  const { shape: [count, height, width], data } = await parseIdx(await readPath(path), 3, path);
  const { data: labels } = await parseIdx(await readPath(join(root, labelFile)), 1, join(root, labelFile));
  if (labels.length !== count) {
    throw new DataError(`${join(root, labelFile)}: has ${labels.length} labels for ${count} images`);
  }
  const size = height! * width!;
  return {
    amount: count,
    contents: [
      noteOfContent(`${imageFile} ${count} ${height} ${width}`, data),
      noteOfContent(labelFile, labels),
    ],
    async *items([first = 0] = []) {
      for (let i = first; i < count; i++) {
        // A copy: a view sent to a thread would take the whole file with it.
        const pixels = Uint8Array.from(data.subarray(i * size, (i + 1) * size));
        const image = { pixels, width: width!, height: height!, channels: 1 } as const;
        yield { name: `${imageFile}: image ${i}`, label: labels[i]!, image, after: [i + 1], done: i + 1 };
      }
    },
  };
}
