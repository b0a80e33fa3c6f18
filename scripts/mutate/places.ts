// Where faults can be planted, and which of the places a seed chooses.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Edit } from "./edit.ts";
import { editsOf, parses } from "./typescript.ts";

/** A fault at a place. */
export interface Mutant extends Edit {
  /** `file:line:column:operator`, with a number behind where a place has several of an operator. */
  readonly id: string;
  readonly file: string;
  readonly line: number;
  /** What stays the same when lines come and go above it: the file, the line's text, the place in it, the fault. */
  readonly key: string;
}

const WEBGPU = ["lower", "fuse", "compile", "fused", "access", "shader", "plan", "values", "transfer"];
const TENSOR = ["gradients", "shape", "dtype", "declare"];
const FAMILIES = ["tensor/ops/elementwise", "tensor/ops/movement"];
const FOLDERS = [
  "tensor/ops",
  ...FAMILIES,
  "backends/cpu",
  "backends/cpu/kernels",
  "backends/webgpu/kernels",
];

/** The kernels and the rules. */
export function sourceFiles(root: string): string[] {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(`${root}/${folder}`).filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`)
  );
  const named = [
    ...WEBGPU.map((name) => `backends/webgpu/${name}.ts`),
    ...TENSOR.map((name) => `tensor/${name}.ts`),
  ];
  return [...inFolders, ...named].sort();
}

/** Every fault of a file. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const seen = new Map<string, number>();
  const nth = (what: string) => {
    const number = (seen.get(what) ?? 0) + 1;
    seen.set(what, number);
    return number === 1 ? what : `${what}:${number}`;
  };
  const lines = text.split("\n");
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return editsOf(file, text).map((edit) => {
    const line = starts.findLastIndex((start) => start <= edit.start) + 1;
    const column = edit.start - starts[line - 1]! + 1;
    const content = lines[line - 1]!;
    const within = column - (content.length - content.trimStart().length);
    return {
      ...edit,
      file,
      line,
      id: nth(`${file}:${line}:${column}:${edit.operator}`),
      key: nth(`${file}|${content.trim()}|${within}|${edit.operator}`),
    };
  });
}

/** Every fault of the house. */
export function allMutants(root: string): Mutant[] {
  return sourceFiles(root).flatMap((file) => mutantsOf(file, readFileSync(`${root}/${file}`, "utf8")));
}

/**
 * All mutants in the random order of a seed, one a place. Each has its rank from its own text, so that a seed chooses the
 * same ones as before wherever the sources did not change.
 */
export function shuffled(mutants: readonly Mutant[], seed: number): Mutant[] {
  const rank = ({ key }: Mutant) => createHash("sha256").update(`${seed}|${key}`).digest("hex");
  const ranked = mutants.map((mutant) => ({ mutant, rank: rank(mutant) }));
  const order = ranked.sort((a, b) => a.rank < b.rank ? -1 : 1).map(({ mutant }) => mutant);
  const taken = new Set<string>();
  return order.filter(({ file, start }) => {
    const place = `${file}:${start}`;
    if (taken.has(place)) return false;
    taken.add(place);
    return true;
  });
}

/** The mutants of an order that leave their file a module. */
export function* plantable(order: readonly Mutant[], root: string): Generator<Mutant> {
  for (const mutant of order) {
    if (parses(readFileSync(`${root}/${mutant.file}`, "utf8"), mutant)) yield mutant;
  }
}
