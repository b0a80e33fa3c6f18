/**
 * WebDataset: tar archives in which the files of a sample follow each other and have the same name up to the first dot:
 * `000017.jpg` and `000017.cls`, which is the label in digits.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../dataset.ts";
import { notesOfFiles } from "./contents.ts";
import type { Item, Source, SourcePart } from "./source.ts";
import { tarFiles } from "./tar.ts";

const IMAGES = new Set(["jpg", "jpeg", "png", "img", "image"]);

/**
 * Nothing but the labels says how many classes there are, so one wrong label would make a list of as many. The largest set of
 * labelled pictures, ImageNet's of all of WordNet, has 21,841.
 */
const MOST_CLASSES = 1_000_000;

/** Looks for one; undefined where there is none. */
export async function findWebDataset(root: string, names: readonly string[]): Promise<Source | undefined> {
  const tars = names.filter((name) => name.endsWith(".tar")).sort();
  if (tars.length === 0) return undefined;
  const train = tars.filter((name) => /train/i.test(name));
  const test = tars.filter((name) => !/train/i.test(name) && /val|test/i.test(name));
  if (train.length === 0 || test.length === 0) {
    throw new DataError(
      `${root}: has ${tars.length} tars, of which the names of some want to have "train", of others "val" or "test" in them`,
    );
  }
  return {
    kind: `WebDataset, ${train.length} tars to train with and ${test.length} to test with`,
    classes: null,
    train: await partOf(root, train),
    test: await partOf(root, test),
  };
}

async function partOf(root: string, tars: readonly string[]): Promise<SourcePart> {
  const sizes = await Promise.all(tars.map(async (name) => (await stat(join(root, name))).size));
  const before = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  return {
    amount: sizes.reduce((sum, size) => sum + size, 0),
    contents: await notesOfFiles(root, tars),
    async *items([first = 0, start = 0] = []) {
      for (let i = first; i < tars.length; i++) {
        for await (const sample of samples(join(root, tars[i]!), i === first ? start : 0)) {
          const name = `${tars[i]}: ${sample.key}`;
          yield { ...itemOf(sample), name, after: [i, sample.after], done: before[i]! + sample.after };
        }
      }
    },
  };
}

interface Sample {
  readonly key: string;
  readonly files: Map<string, Uint8Array>;
  after: number;
}

async function* samples(path: string, start: number): AsyncGenerator<Sample, void, void> {
  let sample: Sample | undefined;
  for await (const file of tarFiles(path, { start })) {
    const [key, extension] = file.name.match(/^((?:.*\/)?[^/.]*)\.(.*)$/)?.slice(1) ?? [file.name, ""];
    if (sample !== undefined && sample.key !== key) {
      yield sample;
      sample = undefined;
    }
    sample ??= { key: key!, files: new Map(), after: 0 };
    sample.files.set(extension!.toLowerCase(), await file.bytes());
    sample.after = file.after;
  }
  if (sample !== undefined) yield sample;
}

function itemOf({ files }: Sample): Pick<Item, "label" | "image" | "flaw"> {
  const [, image] = [...files].find(([extension]) => IMAGES.has(extension)) ?? [];
  const digits = new TextDecoder().decode(files.get("cls")).trim();
  const label = /^\d+$/.test(digits) ? Number(digits) : -1;
  const flaw = label === -1
    ? "has no .cls with a whole number as its label"
    : label >= MOST_CLASSES
    ? `has the label ${shorten(digits)}, classes are 0 to ${MOST_CLASSES - 1}`
    : image === undefined
    ? "has no .jpg or .png"
    : undefined;
  return { label, image: image ?? new Uint8Array(0), ...(flaw !== undefined && { flaw }) };
}

function shorten(digits: string): string {
  return digits.length > 20 ? `${digits.slice(0, 20)}...` : digits;
}
