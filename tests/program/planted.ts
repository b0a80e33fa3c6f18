// A copy of the sources in which a bug is planted: what the tools for finding bugs are tested on.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, root, start } from "./start.ts";

/** What the program needs to run from another folder. */
const SOURCES = [
  "backends",
  "data",
  "debug",
  "nn",
  "tensor",
  "train",
  "train.ts",
  "deno.json",
  "package.json",
];

/** A bug: what a file says, which must be there once, and what it says instead. */
export interface Bug {
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
}

/** Calls `work` with a way to run `train.ts` of a copy that has the bug. */
export async function withBug<T>(
  { file, right, wrong }: Bug,
  work: (train: (args: readonly string[]) => Promise<Outcome>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-planted-"));
  try {
    for (const name of SOURCES) await cp(join(root, name), join(folder, name), { recursive: true });
    await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    const source = await readFile(join(folder, file), "utf8");
    assert.equal(source.split(right).length, 2, `${file} no longer has the lines that the bug is planted in`);
    await writeFile(join(folder, file), source.replace(right, () => wrong));
    return await work((args) =>
      start(join(folder, "train.ts"), args, { deno: ["run", "-q", "-A", "--no-check"] })
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The number of the first line with this text, in the sources as they are. */
export async function lineOf(file: string, text: string): Promise<number> {
  const lines = (await readFile(join(root, file), "utf8")).split("\n");
  return lines.findIndex((line) => line.includes(text)) + 1;
}
