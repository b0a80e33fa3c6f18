// A short run with checkpoints, for the tests of checkpoints and of going on from them.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { DataError } from "../../data/mod.ts";
import { type Device, device } from "../../mod.ts";
import {
  type CheckpointOptions,
  type JobSettings,
  openCheckpoint,
  prepareJob,
  resumedSettings,
  runJob,
  type TrainEvent,
} from "../../train/mod.ts";
import { encodeManifest } from "../../train/manifest.ts";

export const cpu: Device = await device("cpu");
export const places: string[] = [];
after(() => Promise.all(places.map((place) => rm(place, { recursive: true }))));

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-checkpoint-"));
  places.push(folder);
  return folder;
}

export const SETTINGS: JobSettings = {
  model: "lenet5",
  dataset: "synthetic",
  seed: 1,
  limit: 16,
  steps: 8,
  recipe: { batch: 4 },
};

export async function run(
  checkpoint: CheckpointOptions,
  from?: string,
  settings: JobSettings = SETTINGS,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  const opened = from === undefined ? undefined : await openCheckpoint(from);
  const all = opened ? resumedSettings({ checkpoint }, opened) : { ...settings, checkpoint };
  await runJob(await prepareJob(all, opened), cpu, (event) => void events.push(event));
  return events;
}

export const stepsIn = async (folder: string): Promise<number[]> =>
  (await readdir(folder)).filter((name) => name.startsWith("step-")).map((name) => Number(name.slice(5)))
    .sort((a, b) => a - b);

/** One run, of which each test damages a copy: checkpoints after steps 2, 4, 6 and 8. */
export const made: string = await newFolder();
export const happened: Awaited<ReturnType<typeof run>> = await run({ folder: made, every: 2, keep: 4 });

export async function copyOfRun(): Promise<string> {
  const folder = await newFolder();
  await cp(made, folder, { recursive: true });
  return folder;
}

export async function assertRefused(folder: string, message: RegExp): Promise<void> {
  await assert.rejects(openCheckpoint(folder), (error: unknown) => {
    assert(error instanceof DataError, `${error}`);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

/** Changes a manifest so that its own checksum is right. */
export async function forge(
  path: string,
  change: (manifest: Record<string, never>) => unknown,
): Promise<void> {
  const file = join(path, "checkpoint.json");
  const { sha256: _, ...manifest } = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, await encodeManifest(change(manifest) as never));
}
