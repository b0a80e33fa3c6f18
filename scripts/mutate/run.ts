// The run: chooses mutants and lets the workers try one after the other.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { DENO_ENV, SWIFTSHADER } from "../drivers.mjs";
import { attempt, type Result } from "./attempt.ts";
import { Baseline } from "./baseline.ts";
import { allMutants, type Mutant, plantable, shuffled } from "./places.ts";
import { report, score } from "./report.ts";
import { commandsFor } from "./suites.ts";
import { cleanUp, Workplace } from "./workers.ts";

/** What the command line says. */
export interface Options {
  readonly count: number;
  readonly seed: number;
  readonly workers: number;
  /** Only files whose path contains this. */
  readonly files: string;
  /** Only these mutants. */
  readonly only: readonly string[] | null;
  readonly driver: string;
  readonly json: string | null;
  readonly markdown: string | null;
  readonly resume: string | null;
}

/** The first mutants, in the order in which they are tried. */
export function choose({ seed, files, only }: Options, root: string, most: number): Mutant[] {
  const all = allMutants(root);
  if (only !== null) {
    return only.map((id) => {
      const mutant = all.find((each) => each.id === id);
      if (mutant === undefined) throw new RangeError(`mutate: there is no mutant ${id}`);
      return mutant;
    });
  }
  const order = shuffled(all.filter(({ file }) => file.includes(files)), seed);
  return [...plantable(order, root).take(most)];
}

/** The variables that tests run with. */
function environment(driver: string): Record<string, string> {
  const common = {
    ...DENO_ENV,
    NO_COLOR: "1",
    FERMI_SHRINK: "0",
    // The shaders of mutants stay out of everybody else's cache, those of the tests are kept between runs.
    MESA_SHADER_CACHE_DIR: `${tmpdir()}/fermi_mutate_shaders`,
  };
  if (driver === "default") return common;
  if (driver !== "swiftshader") {
    throw new RangeError(`mutate: --driver is default or swiftshader, got ${driver}`);
  }
  const path = SWIFTSHADER.find((each: string) => existsSync(each));
  if (path === undefined) throw new Error("mutate: there is no SwiftShader; Debian's chromium brings it");
  return { ...common, VK_ICD_FILENAMES: path };
}

/** What an earlier run found, without the survivors: those are tried again. */
function earlier(path: string | null): Map<string, Result> {
  if (path === null) return new Map();
  const { results } = JSON.parse(readFileSync(path, "utf8")) as { results: Result[] };
  return new Map(results.filter(({ status }) => status !== "survived").map((result) => [result.key, result]));
}

/** Takes mutants until enough of them are valid; those in work count as valid until they prove not to be. */
class Queue {
  readonly #mutants: Mutant[];
  readonly #count: number;
  #taken = 0;

  constructor(mutants: readonly Mutant[], count: number) {
    this.#mutants = [...mutants];
    this.#count = count;
  }

  next(): Mutant | null {
    const mutant = this.#taken < this.#count ? this.#mutants.shift() : undefined;
    if (mutant === undefined) return null;
    this.#taken++;
    return mutant;
  }

  /** One of those given out was none. */
  replace(): void {
    this.#taken--;
  }
}

function announce(result: Result): void {
  const by = result.by === "" ? "" : `  by ${result.by}`;
  console.log(`${result.status.padEnd(9)} ${result.seconds.toFixed(1).padStart(6)} s  ${result.id}${by}`);
}

/** Runs it all; gives the score. */
export async function run(options: Options, root: string): Promise<number> {
  const known = earlier(options.resume);
  const variables = environment(options.driver);
  const places = Array.from({ length: options.workers }, () => new Workplace(root, variables));
  const untouched = new Workplace(root, variables);
  const baseline = new Baseline(untouched);
  const wanted = options.only?.length ?? options.count;
  // The copy is what counts, also when somebody goes on writing in the tree.
  const queue = new Queue(choose(options, untouched.root, 2 * wanted + 20), wanted);
  const began = performance.now();
  const results: Result[] = [];
  const save = () => {
    if (options.json) writeFileSync(options.json, JSON.stringify({ seed: options.seed, results }, null, 1));
  };
  await Promise.all(places.map(async (place) => {
    for (let mutant = queue.next(); mutant; mutant = queue.next()) {
      const result = known.get(mutant.key) ??
        await attempt(place, mutant, await commandsFor(mutant.file, untouched.root), baseline);
      if (result.status === "invalid") queue.replace();
      results.push(result);
      announce(result);
      save();
    }
  }));
  const valid = results.filter(({ status }) => status !== "invalid").length;
  if (valid < wanted && options.only === null) {
    throw new Error(`mutate: only ${valid} of ${wanted} mutants compile: another seed, or more files`);
  }
  const text = report(results, options.seed, (performance.now() - began) / 60000);
  console.log(`\n${text}`);
  if (options.markdown) writeFileSync(options.markdown, text);
  cleanUp();
  return score(results);
}
