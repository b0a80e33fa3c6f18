/**
 * Keeps checkpoints of a run: the newest ones and the best. Training waits until the states are read from the device; they
 * are written while it goes on.
 *
 * @module
 */

import { safetensorsHeader, type StoredTensor } from "../data/mod.ts";
import { failed } from "../data/files.ts";
import { isClaim } from "../data/folder_lock.ts";
import { makeFolder, removeFolder, sweep, syncFolder, writeNew } from "../data/whole_files.ts";
import type { Device } from "../tensor/mod.ts";
import {
  type Checkpoint,
  checkpointName,
  checkpointsIn,
  MANIFEST,
  MEAN,
  MODEL,
  STATE,
  stepOf,
} from "./checkpoint.ts";
import type { TrainEvent } from "./events.ts";
import { HISTORY, History } from "./history.ts";
import { type Best, encodeManifest, FORMAT, type Manifest, type Position, type RunNote } from "./manifest.ts";
import type { Keeper, States } from "./states.ts";
import { readStates } from "./stored_state.ts";

/** Where checkpoints are kept, and how many. */
export interface CheckpointOptions {
  /** The folder; it is made where there is none. */
  readonly folder: string;
  /** Save after so many steps too, not only after each epoch and at the end. */
  readonly every?: number | undefined;
  /** How many of the newest are kept, default 3; the best is kept besides. */
  readonly keep?: number | undefined;
}

/** What checkpoints are of. */
export interface Kept {
  readonly device: Device;
  readonly run: RunNote;
  readonly notes: ModelNotes;
}

/** What the model's file says besides the parameters. */
export interface ModelNotes {
  readonly metadata: Readonly<Record<string, string>>;
  /** The training set's mean image, where the network's input is without it. */
  readonly mean?: StoredTensor | undefined;
}

/** How many of the newest are kept when nobody says. */
export const KEEP = 3;

/** Writes the checkpoints of a run. */
export class Checkpoints implements Keeper {
  /** Save after so many steps too. */
  readonly every: number | undefined;
  readonly #folder: string;
  readonly #keep: number;
  readonly #device: Device;
  readonly #run: RunNote;
  readonly #notes: ModelNotes;
  readonly #history: History;
  #best: Best | null;
  #writing: Promise<void> = Promise.resolve();

  /** Called before anything is written. */
  #clear: (() => Promise<void>) | null;

  private constructor(
    { folder, every, keep = KEEP }: CheckpointOptions,
    { device, run, notes }: Kept,
    start: { readonly history: History; readonly best: Best | null; readonly step: number },
  ) {
    this.every = every;
    this.#folder = folder;
    this.#keep = keep;
    this.#device = device;
    this.#run = run;
    this.#notes = notes;
    this.#history = start.history;
    this.#best = start.best;
    this.#clear = () => clear(folder, start.step);
  }

  /** Begins with the first checkpoint of a run. */
  static async begin(options: CheckpointOptions, kept: Kept): Promise<Checkpoints> {
    const { join } = await import("node:path");
    const history = await History.begin(join(options.folder, HISTORY));
    return new Checkpoints(options, kept, { history, best: null, step: 0 });
  }

  /**
   * Goes on after a checkpoint. What is there of a time after it is deleted before the next one is written, since the run
   * will make it again.
   */
  static async goOn(options: CheckpointOptions, kept: Kept, checkpoint: Checkpoint): Promise<Checkpoints> {
    const { history, lostHistory, manifest: { position: { step }, best } } = checkpoint;
    const there = best !== null && (await checkpointsIn(options.folder)).includes(best.step);
    const checkpoints = new Checkpoints(options, kept, { history, best: there ? best : null, step });
    if (lostHistory !== null) {
      checkpoints.#clear = async () => {
        await clear(options.folder, step);
        await history.putLostAside();
      };
    }
    return checkpoints;
  }

  /** Adds an event to the history, which reaches the disk with the next checkpoint. */
  record(event: TrainEvent): void {
    this.#history.record(event);
  }

  /**
   * Keeps the states as they are. Returns once they are read: they are written while training goes on.
   *
   * @throws {DataError} when the checkpoint before could not be written.
   */
  async save(position: Position, { parameters, others }: States): Promise<void> {
    await this.#writing;
    await this.#begun();
    const model = await readStates(parameters, this.#device);
    const state = await readStates(others, this.#device);
    this.#writing = this.#write(position, model, state, this.#history.take());
    // Met by the next one, or by `end`.
    this.#writing.catch(() => {});
  }

  /**
   * Waits until all is written, and writes what happened after the last checkpoint.
   *
   * @throws {DataError} when the last checkpoint could not be written.
   */
  async end(): Promise<void> {
    await this.#writing;
    await this.#begun();
    await this.#history.append(this.#history.take());
  }

  /** Waits until nothing is being written any more, well or ill. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #begun(): Promise<void> {
    await this.#clear?.();
    this.#clear = null;
  }

  async #write(
    position: Position,
    model: Map<string, StoredTensor>,
    state: Map<string, StoredTensor>,
    events: Uint8Array,
  ): Promise<void> {
    const { join } = await import("node:path");
    const { metadata, mean } = this.#notes;
    if (mean) model.set(MEAN, mean);
    const history = await this.#history.append(events);
    const { step, evaluation, evaluatedAt } = position;
    const accuracy = evaluatedAt === step ? evaluation!.accuracy : -1;
    const best = accuracy > (this.#best?.accuracy ?? -1) ? { step, accuracy } : this.#best;
    await makeFolder(join(this.#folder, checkpointName(step)), async (temporary) => {
      const write = (name: string, parts: Iterable<Uint8Array>) => writeNew(join(temporary, name), parts);
      const files = {
        [MODEL]: await write(MODEL, partsOf(model, metadata)),
        [STATE]: await write(STATE, partsOf(state)),
      };
      const manifest: Manifest = { format: FORMAT, run: this.#run, position, best, history, files };
      await write(MANIFEST, [new TextEncoder().encode(await encodeManifest(manifest))]);
    });
    this.#best = best;
    await this.#prune();
  }

  /** Deletes what is neither among the newest nor the best. */
  async #prune(): Promise<void> {
    const { join } = await import("node:path");
    const old = (await checkpointsIn(this.#folder)).slice(this.#keep).filter((step) =>
      step !== this.#best?.step
    );
    for (const step of old) await removeFolder(join(this.#folder, checkpointName(step)));
  }
}

/** Deletes what killed processes have left in a folder, and the checkpoints after a step. */
async function clear(folder: string, step: number): Promise<void> {
  const { join } = await import("node:path");
  await sweep(folder, (name) => stepOf(name) !== undefined || isClaim(name));
  const later = (await checkpointsIn(folder)).filter((other) => other > step);
  for (const other of later) await removeFolder(join(folder, checkpointName(other)));
}

/** A file's parts, as `encodeSafetensors` would put them together. */
function* partsOf(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
): Generator<Uint8Array, void, void> {
  yield safetensorsHeader(tensors, metadata);
  for (const { data } of tensors.values()) yield data;
}

/** Makes the folder of a new run's checkpoints where there is none, so that what forbids it is known early. */
export async function makeCheckpointFolder(folder: string): Promise<void> {
  const { mkdir } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw failed(folder, "made", error);
  }
  await syncFolder(dirname(folder));
}
