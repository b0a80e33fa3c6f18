// Where faults can be planted, and which of the places a seed chooses.

import { readdirSync, readFileSync } from "node:fs";
import type { Edit } from "./edit.ts";
import { editsOf, parses } from "./typescript.ts";

/** A fault at a place. */
export interface Mutant extends Edit {
  /** `file:line:column:operator`, with a number behind where a place has several of an operator. */
  readonly id: string;
  readonly file: string;
  readonly line: number;
}

const WEBGPU = ["lower", "fuse", "compile", "fused", "access", "shader", "plan", "values", "transfer"];
const TENSOR = ["gradients", "shape", "dtype", "declare"];
const FOLDERS = ["tensor/ops", "backends/cpu", "backends/cpu/kernels", "backends/webgpu/kernels"];

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
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return editsOf(file, text).map((edit) => {
    const line = starts.findLastIndex((start) => start <= edit.start) + 1;
    const id = `${file}:${line}:${edit.start - starts[line - 1]! + 1}:${edit.operator}`;
    const number = (seen.get(id) ?? 0) + 1;
    seen.set(id, number);
    return { ...edit, file, line, id: number === 1 ? id : `${id}:${number}` };
  });
}

/** Every fault of the house. */
export function allMutants(root: string): Mutant[] {
  return sourceFiles(root).flatMap((file) => mutantsOf(file, readFileSync(`${root}/${file}`, "utf8")));
}

/** Numbers in [0, 1) from a seed: mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** All mutants in the random order of a seed, one a place. */
export function shuffled(mutants: readonly Mutant[], seed: number): Mutant[] {
  const order = [...mutants];
  const random = generator(seed);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
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
