// A run of train.ts that is killed again and again, and goes on each time: what the tests of checkpoints and
// scripts/kill_training.ts share.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkpointName, checkpointsIn, openCheckpoint } from "../../train/checkpoint.ts";
import { readHistory } from "../../train/mod.ts";
import { type Outcome, start, type StartOptions } from "./start.ts";

/** Starts train.ts with the permission to write. */
export function startTraining(args: readonly string[], options: StartOptions = {}): Promise<Outcome> {
  return start("train.ts", args, { deno: ["run", "-q", "-P=write", "--no-check"], ...options });
}

/** What a run has left in its folder, without what differs from run to run. */
export interface Left {
  /** Of the files of the last checkpoint. */
  readonly sha256: Readonly<Record<string, string>>;
  /** Each event; times left out. */
  readonly history: readonly unknown[];
  /** The steps of the checkpoints, newest first. */
  readonly steps: readonly number[];
}

/** Looks at the folder of a run that has ended. */
export async function leftOf(folder: string): Promise<Left> {
  const steps = await checkpointsIn(folder);
  const sha256: Record<string, string> = {};
  for (const name of ["model.safetensors", "state.safetensors"]) {
    const bytes = await readFile(join(folder, checkpointName(steps[0]!), name));
    sha256[name] = createHash("sha256").update(bytes).digest("hex");
  }
  const history = (await readHistory(folder)).map((event) => {
    // Where checkpoints are kept differs, too.
    const { imagesPerSecond: _, seconds: __, checkpoint: ___, ...rest } = event as
      & typeof event
      & Record<string, unknown>;
    return rest;
  });
  return { sha256, history, steps };
}

/** What was killed, and what it left. */
export interface Kill {
  /** The step of the newest checkpoint then; null before the first. */
  readonly newest: number | null;
  /** Whether a checkpoint was being written. */
  readonly whileWriting: boolean;
}

/**
 * Starts a run in a folder, or goes on with the one that is there, and kills it as `killer` says, until it ends by itself.
 * After each kill every checkpoint in the folder has to be whole, and none older than the one before may be the newest.
 *
 * @param args of a run that begins
 * @param killer makes the options that send the signal; undefined to let the run end
 */
export async function runKilled(
  folder: string,
  args: readonly string[],
  killer: (time: number) => StartOptions | undefined,
): Promise<Kill[]> {
  const kills: Kill[] = [];
  for (let time = 0;; time++) {
    const before = (await checkpointsIn(folder))[0] ?? null;
    const left = await unfinished(folder);
    const how = before === null ? [...args, `--checkpoint=${folder}`] : [`--resume=${folder}`, "--json"];
    const outcome = await startTraining(how, killer(time) ?? {});
    if (outcome.signal !== "SIGKILL" && outcome.code !== 137) {
      assert.equal(outcome.code, 0, `time ${time}: ${outcome.stderr}`);
      return kills;
    }
    const [newest = null, ...older] = await checkpointsIn(folder);
    assert.ok((newest ?? -1) >= (before ?? -1), `checkpoint ${before} was lost, ${newest} is there`);
    for (const step of newest === null ? [] : [newest, ...older]) {
      await openCheckpoint(join(folder, checkpointName(step)));
    }
    // What was left before is there until the next checkpoint is written.
    const fresh = (await unfinished(folder)).filter((name) => !left.includes(name));
    kills.push({ newest, whileWriting: fresh.length > 0 });
  }
}

async function unfinished(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => /\.(tmp|aside)$/.test(name));
}
