// The seed and the number of runs of the property-based tests: fixed by default, so that a run is a check and not a
// lottery; and how a failure is repeated, the one case that failed and no other.

import fc from "fast-check";
import { generator } from "./samples/sample.ts";

/** The variables of the environment; a page has none. */
export const environment: Readonly<Record<string, string | undefined>> =
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};
const { FERMI_SEED = "2012", FERMI_RUNS, FERMI_SHRINK, FERMI_PATH } = environment;

/** What all samples are drawn from. */
export const seed: number = Number(FERMI_SEED);

/** How many samples to draw where `usual` are the default; FERMI_RUNS is a percentage of it. */
export function runs(usual: number): number {
  return Math.max(1, Math.round(usual * Number(FERMI_RUNS ?? 100) / 100));
}

/**
 * How many times as much a run with more samples may meet of what they have in common, such as pipelines. The long form has
 * eight times the samples and met 3 to 4 times the pipelines: somewhat more than the root, which the room above what the
 * short form meets is for.
 */
export const growth: number = Math.sqrt(Math.max(1, runs(100) / 100));

/** 32 bits that a number stands for. */
const mixed = (from: number) => Math.floor(generator(from)() * 2 ** 32);

/**
 * What a part of a test draws from. Mixed, and not the sum: neighbouring seeds would have most of their parts, and so their
 * samples, in common.
 */
const seedOf = (offset: number): number => mixed(mixed(seed) ^ offset) | 0;

/** Where a property is: what a command that repeats it has to name. */
export interface Where {
  /** The file in `tests/`. */
  readonly file: string;
  /** How the test's name ends. */
  readonly test: string;
}

/** How often a property is tried, and a number for each part of a test, so that they draw different samples. */
export interface Trials {
  readonly numRuns: number;
  readonly offset?: number;
}

/**
 * Holds a property on samples. FERMI_SHRINK=0 ends at the first failure, for who only wants to know that there is one;
 * FERMI_PATH=offset/path, as a failure prints it, tries that one sample and nothing else.
 */
export async function hold<Sample>(
  property: fc.IAsyncProperty<Sample>,
  { numRuns, offset = 0 }: Trials,
  where: Where,
): Promise<void> {
  const [at, path] = FERMI_PATH?.split("/") ?? [];
  if (at !== undefined && Number(at) !== offset) return;
  const drawn = path === undefined
    ? { numRuns, endOnFailure: FERMI_SHRINK === "0" }
    : { path, numRuns: 1, endOnFailure: true };
  const details = await fc.check(property, { seed: seedOf(offset), ...drawn });
  if (!details.failed) return;
  console.error(replayLine(where, `${offset}/${details.counterexamplePath}`));
  throw new Error(await fc.asyncDefaultReportMessage(details), { cause: details.errorInstance });
}

/** Runs what is no property; when it fails, says how to see the same failure again. */
export async function replay(work: () => Promise<void> | void, where: Where): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(replayLine(where, null));
    throw error;
  }
}

/** The command of the runtime that this is, which repeats a failure. */
function replayLine({ file, test }: Where, path: string | null): string {
  const here = globalThis as { Deno?: unknown; Bun?: unknown; document?: unknown };
  const name = `${test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
  // A page has no environment: all of its file is repeated, with the same samples.
  if (here.document !== undefined) return `replay: node --import tsx tests/browser/run.ts tests/${file}`;
  const command = here.Deno !== undefined
    ? `npx deno test -A --no-check --filter='/${name}/'`
    : here.Bun !== undefined
    ? `npx bun test --timeout 600000 -t '${name}'`
    : `node --import tsx --test --test-name-pattern='${name}'`;
  const { FERMI_VARIANTS, VK_ICD_FILENAMES, DENO_WEBGPU_BACKEND } = environment;
  const variables = Object.entries({
    FERMI_SEED: `${seed}`,
    FERMI_RUNS: FERMI_RUNS ?? "100",
    FERMI_PATH: path ?? undefined,
    FERMI_VARIANTS,
    VK_ICD_FILENAMES,
    DENO_WEBGPU_BACKEND,
  }).flatMap(([name, value]) => value === undefined ? [] : [`${name}=${value}`]);
  return `replay: ${variables.join(" ")} ${command} ./tests/${file}`;
}
