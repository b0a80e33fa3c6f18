/**
 * What tells the images of a run from others, wherever they are kept.
 *
 * @module
 */

import { batches, DataError, type Dataset, type Split } from "../data/mod.ts";
import type { DataNote } from "./manifest.ts";

/** So many images of each split are looked at by default, from its first to its last. */
const SAMPLES = 16;

/**
 * Notes what a dataset is.
 *
 * @param samples of each split so many images go into the checksum, besides all labels: some, so that it takes no pass over the
 * data, or with `Infinity` all
 */
export async function noteOf(dataset: Dataset, samples: number = SAMPLES): Promise<DataNote> {
  const { createHash } = await import("node:crypto");
  const { name, shape, train, test } = dataset;
  const hash = createHash("sha256").update(JSON.stringify({ shape, classes: dataset.classes }));
  for (const split of [train, test]) {
    hash.update(new Uint8Array(Int32Array.from({ length: split.count }, (_, i) => split.label(i)).buffer));
    for await (const { images } of samplesOf(split, shape, samples)) hash.update(images);
  }
  return { name, trainImages: train.count, testImages: test.count, sha256: hash.digest("hex") };
}

function samplesOf(split: Split, shape: Dataset["shape"], samples: number): ReturnType<typeof batches> {
  const count = Math.min(samples, split.count);
  const order = Uint32Array.from({ length: count }, (_, i) => Math.floor(i * split.count / count));
  return batches(split, shape, { batch: count, order, last: "keep" });
}

/**
 * Throws unless the images are those of a checkpoint.
 *
 * @param path the checkpoint, for the message
 * @throws {DataError} in one line.
 */
export function checkData(note: DataNote, wanted: DataNote, path: string): void {
  if (note.sha256 === wanted.sha256) return;
  const [found, given] = [describeData(wanted), describeData(note)];
  throw new DataError(`${path}: was trained on other images: on ${found}, these are ${given}`);
}

/** A dataset in a few words, for a message about another one of the same name. */
export function describeData({ name, trainImages, testImages, sha256 }: DataNote): string {
  return `${name} with ${trainImages} and ${testImages} images (SHA-256 ${sha256.slice(0, 12)})`;
}
