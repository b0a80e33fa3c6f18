/**
 * A folder for each class, in `train/` and in `val/` or `test/`: torchvision's ImageFolder.
 *
 * @module
 */

import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../dataset.ts";
import { listFolder, readPath } from "../../files.ts";
import { notesOfFiles } from "./contents.ts";
import type { Source, SourcePart } from "./source.ts";

/** Looks for one; undefined where there is none. */
export async function findFolders(root: string, names: readonly string[]): Promise<Source | undefined> {
  if (!names.includes("train")) return undefined;
  const classes = await foldersIn(join(root, "train"));
  if (classes.length === 0) return undefined;
  const test = ["val", "test"].find((name) => names.includes(name));
  if (test === undefined) {
    throw new DataError(`${root}: has train/ with ${classes.length} classes, but neither val/ nor test/`);
  }
  const unknown = (await foldersIn(join(root, test))).find((name) => !classes.includes(name));
  if (unknown !== undefined) {
    throw new DataError(`${join(root, test, unknown)}: is a class that train/ does not have`);
  }
  return {
    kind: `a folder for each of ${classes.length} classes`,
    classes,
    train: await partOf(root, "train", classes),
    test: await partOf(root, test, classes),
  };
}

/** By code units, which is the order everywhere. */
async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) if (await isFolder(path, entry)) names.push(entry.name);
  return names.filter((name) => !isHidden(name)).sort();
}

/** Links lead where they lead. */
async function isFolder(path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return await stat(join(path, entry.name)).then((found) => found.isDirectory(), () => false);
}

function isHidden(name: string): boolean {
  return name.startsWith(".");
}

async function partOf(root: string, part: string, classes: readonly string[]): Promise<SourcePart> {
  const files: string[] = [];
  const labels: number[] = [];
  const present = await foldersIn(join(root, part));
  for (const [label, name] of classes.entries()) {
    if (!present.includes(name)) continue;
    await collect(root, `${part}/${name}`, files);
    while (labels.length < files.length) labels.push(label);
  }
  return {
    amount: files.length,
    contents: await notesOfFiles(root, files),
    async *items([first = 0] = []) {
      for (let i = first; i < files.length; i++) {
        const name = files[i]!;
        yield {
          name,
          label: labels[i]!,
          image: () => readPath(join(root, name)),
          after: [i + 1],
          done: i + 1,
        };
      }
    },
  };
}

/** Adds the files below a folder; what is not hidden should be an image, whatever it is called. */
async function collect(root: string, folder: string, files: string[]): Promise<void> {
  await listFolder(join(root, folder));
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (isHidden(entry.name)) continue;
    if (await isFolder(join(root, folder), entry)) await collect(root, path, files);
    else files.push(path);
  }
}
