/**
 * A job's checkpoints: what its run goes on from, and what it keeps.
 *
 * @module
 */

import type { AugmentName, Dataset } from "../data/mod.ts";
import { lockFolder, refuseInUse } from "../data/folder_lock.ts";
import type { Device } from "../tensor/mod.ts";
import { checkCheckpoint, type Checkpoint, checkpointsIn } from "./checkpoint.ts";
import { Checkpoints, makeCheckpointFolder, type ModelNotes } from "./checkpoints.ts";
import { checkData, noteOf } from "./data_note.ts";
import type { Reporter } from "./events.ts";
import type { Job, JobSettings } from "./job.ts";
import type { RunNote } from "./manifest.ts";
import type { Restored } from "./states.ts";
import { assignStates } from "./stored_state.ts";
import { UsageError } from "./usage_error.ts";

/** What `train` and its reporters need for the checkpoints of a run. */
export interface KeptRun {
  /** Writes checkpoints. */
  readonly keeper: Checkpoints;
  /** What the run goes on from. */
  readonly from: Restored | undefined;
  /** Writes the history. */
  readonly record: Reporter;
}

/** Where and on what a job runs. */
export interface RunPlace {
  readonly device: Device;
  readonly dataset: Dataset;
  /** How training images are varied, said or not. */
  readonly augment: AugmentName;
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/**
 * Makes the folder for a new run's checkpoints, or finds out that it cannot be had, before anything is done in vain.
 *
 * @throws {UsageError} when it is another run's.
 * @throws {DataError} when it cannot be made or read.
 */
export async function makeFolderFor(folder: string): Promise<void> {
  await makeCheckpointFolder(folder);
  await refuseInUse(folder);
  await refuseOtherRun(folder);
}

/** Does the work of a job while its folder, where it has one, is its own. */
export async function inFolder<T>({ settings, from }: Job, work: () => Promise<T>): Promise<T> {
  const folder = settings.checkpoint?.folder;
  if (folder === undefined) return await work();
  const lock = await lockFolder(folder);
  try {
    // Another run may have begun and ended since the job was prepared.
    if (!from) await refuseOtherRun(folder);
    return await work();
  } finally {
    await lock.release();
  }
}

async function refuseOtherRun(folder: string): Promise<void> {
  if ((await checkpointsIn(folder)).length === 0) return;
  const what = `${folder} has the checkpoints of another run`;
  throw new UsageError(`${what}: go on with it by --resume=${folder}, or take another folder`);
}

/**
 * Prepares the checkpoints of a run; null where none are to be kept.
 *
 * @throws {DataError} when the images are not those that the checkpoint was trained on.
 */
export async function keepCheckpoints(job: Job, place: RunPlace): Promise<KeptRun | null> {
  const { settings: { checkpoint: options }, from } = job;
  if (!options) return null;
  const { device, dataset, augment, steps, stepsPerEpoch } = place;
  const data = await noteOf(dataset);
  if (from) checkData(data, from.manifest.run.data, from.path);
  const settings = { ...storedSettings(job), augment };
  const { name: backend, description } = device;
  const run: RunNote = { settings, backend, device: description, data, steps, stepsPerEpoch };
  const notes = notesOf(settings, dataset);
  const kept = { device, run, notes };
  const keeper = await (from ? Checkpoints.goOn(options, kept, from) : Checkpoints.begin(options, kept));
  return {
    keeper,
    from: from && restored(from),
    // The history, unless it is new, has the start of the run that this one goes on with.
    record: (event) =>
      event.event === "start" && from?.lostHistory === null ? undefined : keeper.record(event),
  };
}

function restored(checkpoint: Checkpoint): Restored {
  return {
    position: checkpoint.manifest.position,
    async restore({ parameters, others }) {
      await checkCheckpoint(checkpoint, parameters, others);
      assignStates(parameters, checkpoint.model.tensors);
      assignStates(others, checkpoint.state.tensors);
    },
  };
}

/** The settings as a checkpoint has them: with the whole recipe, and nothing that only concerns this process. */
function storedSettings({ settings, recipe }: Job): JobSettings {
  const { full, steps, recipe: { epochs }, checkpoint } = settings;
  // With --steps alone the epochs are as many as that takes, not the recipe's.
  const counted = steps !== undefined && epochs === undefined ? undefined : recipe.epochs;
  const { every, keep } = checkpoint!;
  return {
    ...settings,
    full: full && { url: full.url },
    traceNaN: undefined,
    compare: undefined,
    recipe: { ...recipe, epochs: counted },
    // Wherever the folder is moved, it is the one.
    checkpoint: { folder: ".", every, keep },
  };
}

function notesOf({ model, network }: JobSettings, { shape, statistics, classNames }: Dataset): ModelNotes {
  const names = classNames && { classNames: JSON.stringify(classNames) };
  const variation = network && { network: JSON.stringify(network) };
  const metadata = { format: "pt", model, ...variation, ...names };
  if (statistics === undefined) return { metadata };
  const { buffer, byteOffset, byteLength } = statistics.mean;
  return { metadata, mean: { dtype: "F32", shape, data: new Uint8Array(buffer, byteOffset, byteLength) } };
}
