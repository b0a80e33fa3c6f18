/**
 * One row of the table: every contender in a process of its own, checked against the others, then timed in turns, because
 * the speed of a machine drifts and only what was measured side by side can be compared.
 *
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Computed, difference, disagreements, notFinite } from "./compare.ts";
import { type Contender, OURS, Peer } from "./contender.ts";
import { roughToleranceOf, toleranceOf, type Workload } from "./workloads.ts";

/** How a contender fared. */
export interface Outcome {
  readonly contender: string;
  /** Why it has no times. */
  failure: { readonly kind: "fails" | "cannot" | "disagrees"; readonly why: string } | null;
  device: string | null;
  /** From the operands on the device to the result, with nothing compiled before. */
  firstMs: number | null;
  /** Runs between two waits for the device. */
  runs: number;
  /** Milliseconds a run, one of each round. */
  ms: number[];
  /** Bytes, of the whole life of the process. */
  peakRss: number | null;
}

/** A row of the table. */
export interface Race {
  readonly workload: string;
  readonly flops: number;
  readonly outcomes: readonly Outcome[];
}

/** How long to measure. */
export interface Effort {
  readonly rounds: number;
  /** Runs are repeated until a sample takes as long: waiting for the device takes Deno 11 ms and more. */
  readonly sampleMs: number;
  /** Of a row; when it is over, three rounds are enough. */
  readonly budgetMs: number;
}

const ENOUGH_ROUNDS = 3;
const MOST_RUNS = 512;

interface Entry {
  readonly peer: Peer;
  readonly outcome: Outcome;
}

/** Races the contenders over one workload. */
export async function race(
  workload: Workload,
  contenders: readonly Contender[],
  effort: Effort,
): Promise<Race> {
  // Each begins with an empty cache of shaders, or the first run would depend on what was run before.
  const caches = await mkdtemp(join(tmpdir(), "fermi-peers-"));
  const entries = contenders.map((contender): Entry => ({
    peer: new Peer(contender, {
      MESA_SHADER_CACHE_DIR: join(caches, contender.key),
      __GL_SHADER_DISK_CACHE_PATH: join(caches, contender.key),
      DENO_WEBGPU_BACKEND: "vulkan,metal,dx12",
    }),
    outcome: {
      contender: contender.key,
      failure: null,
      device: null,
      firstMs: null,
      runs: 1,
      ms: [],
      peakRss: null,
    },
  }));
  try {
    const first = await check(workload, entries);
    await each(entries, (entry) => calibrate(entry, effort.sampleMs));
    await takeTurns(entries, effort);
    await each(entries, async ({ peer, outcome }) => {
      outcome.peakRss = (await peer.ask({ stats: true })).peakRss;
    });
    await checkAgain(workload, entries, first);
  } finally {
    await Promise.all(entries.map(({ peer }) => peer.end()));
    await rm(caches, { recursive: true, force: true });
  }
  return { workload: workload.name, flops: workload.flops, outcomes: entries.map(({ outcome }) => outcome) };
}

/** Does something with those who are still in the race, one after the other; who cannot do it is out. */
async function each(entries: readonly Entry[], work: (entry: Entry) => Promise<void>): Promise<void> {
  for (const entry of entries) {
    if (entry.outcome.failure !== null) continue;
    try {
      await work(entry);
    } catch (error) {
      const { message: why, cannot } = error as Error & { readonly cannot?: boolean };
      entry.outcome.failure = { kind: cannot ? "cannot" : "fails", why };
    }
  }
}

/** The first run of each, and what came out. */
async function check(workload: Workload, entries: readonly Entry[]): Promise<Map<string, Computed>> {
  const results = new Map<string, Computed>();
  await each(entries, async ({ peer, outcome }) => {
    const { firstMs, device } = await peer.ask({ prepare: workload });
    Object.assign(outcome, { firstMs, device });
    const { digests } = await peer.ask({ result: true });
    const bad = notFinite(digests);
    if (bad !== null) outcome.failure = { kind: "disagrees", why: bad };
    // Ours has layers that theirs has not: it is compared in the row without them.
    else if (!(workload.kind === "step" && workload.full && outcome.contender === OURS)) {
      results.set(outcome.contender, { digests, rough: peer.contender.rough ? roughToleranceOf : null });
    }
  });
  for (const [key, why] of disagreements(results, toleranceOf)) {
    entries.find(({ outcome }) => outcome.contender === key)!.outcome.failure = { kind: "disagrees", why };
  }
  return results;
}

/** What came out at the end: of a kernel the same as at first, of training numbers. */
async function checkAgain(
  workload: Workload,
  entries: readonly Entry[],
  first: ReadonlyMap<string, Computed>,
): Promise<void> {
  await each(entries, async ({ peer, outcome }) => {
    const { digests } = await peer.ask({ result: true });
    const changed = workload.kind !== "step" &&
      difference(digests, first.get(outcome.contender)!.digests, toleranceOf).excess > 1;
    const why = notFinite(digests) ?? (changed ? "its last result is not its first" : null);
    if (why !== null) outcome.failure = { kind: "disagrees", why };
  });
}

/** Finds how many runs make a sample; it also warms up. */
async function calibrate({ peer, outcome }: Entry, sampleMs: number): Promise<void> {
  for (;;) {
    const { runs } = outcome;
    const total = runs * (await peer.ask({ run: runs })).ms;
    if (total >= sampleMs / 2 || runs === MOST_RUNS) return;
    outcome.runs = Math.min(MOST_RUNS, Math.ceil(runs * Math.min(16, sampleMs / total)));
  }
}

async function takeTurns(entries: readonly Entry[], { rounds, budgetMs }: Effort): Promise<void> {
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= ENOUGH_ROUNDS && performance.now() - start > budgetMs) return;
    await each(entries, async ({ peer, outcome }) => {
      outcome.ms.push((await peer.ask({ run: outcome.runs })).ms);
    });
  }
}
