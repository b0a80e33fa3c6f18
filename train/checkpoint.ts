/**
 * Checkpoints on the disk: a folder with a folder for each, `step-120`, and the history of the run beside them. A checkpoint
 * has the network (`model.safetensors`), what else a step changes (`state.safetensors`), and what holds them together
 * (`checkpoint.json`). What is read is checked before any of it is used.
 *
 * @module
 */

import { DataError, parseSafetensors, type Safetensors, type StoredTensor } from "../data/mod.ts";
import { listFolder, readPath } from "../data/files.ts";
import { refuseInUse } from "../data/folder_lock.ts";
import { ASIDE, type FileNote } from "../data/whole_files.ts";
import type { Parameter } from "../tensor/mod.ts";
import { HISTORY, History } from "./history.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { checkStates } from "./stored_state.ts";

/** The network's parameters, as PyTorch and others read them. */
export const MODEL = "model.safetensors";
/** Velocities and the like. */
export const STATE = "state.safetensors";
/** What holds them together. */
export const MANIFEST = "checkpoint.json";
/** The training set's mean image, where there is one: a tensor of the model's file, since the network is of no use without it. */
export const MEAN = "input.mean";

/** The folder of the checkpoint after so many steps. */
export function checkpointName(step: number): string {
  return `step-${step}`;
}

/** The step of a checkpoint's folder; undefined for another name. */
export function stepOf(name: string): number | undefined {
  const [, digits] = name.match(/^step-(0|[1-9]\d{0,14})$/) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * The steps of the checkpoints in a folder, the newest first; none where there is no such folder. One that a killed process had
 * put aside, for another one of the same step that never got the name, is one of them.
 */
export async function checkpointsIn(folder: string): Promise<number[]> {
  const { readdir } = await import("node:fs/promises");
  const names = await readdir(folder).catch((error: { code?: string }) => {
    if (error.code === "ENOENT") return [];
    return listFolder(folder);
  });
  const steps = names.flatMap((name) =>
    stepOf(name.endsWith(ASIDE) ? name.slice(0, -ASIDE.length) : name) ?? []
  );
  return [...new Set(steps)].sort((a, b) => b - a);
}

/** Where the files of a checkpoint are: in the folder of its name, or where it was put aside. */
async function placeOf(path: string): Promise<string> {
  const { stat } = await import("node:fs/promises");
  const isThere = (name: string) => stat(name).then(() => true, () => false);
  return !await isThere(path) && await isThere(path + ASIDE) ? path + ASIDE : path;
}

/** A checkpoint that was read and found whole. */
export interface Checkpoint {
  /** Its folder, for messages. */
  readonly path: string;
  /** The folder above, which has the others and the history. */
  readonly folder: string;
  readonly manifest: Manifest;
  readonly model: Safetensors;
  readonly state: Safetensors;
  /** As far as it belongs to this checkpoint; an empty one where that is lost. */
  readonly history: History;
  /** What is wrong with the history that was there, where a new one is to begin. */
  readonly lostHistory: string | null;
}

/**
 * Reads a checkpoint, all of it, and checks it, for a run that goes on from it.
 *
 * @param path a folder with checkpoints, whose newest is meant, or the folder of one of them: only then may the run's history
 * be missing or damaged, and a new one will begin
 * @throws {DataError} in one line, which says what is wrong, and names the newest one that is whole.
 * @throws {FolderInUseError} when the run is under way: a living process writes there, and deletes what is old.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { folder, step, named } = await locate(path);
  await refuseInUse(folder);
  try {
    return await readCheckpoint(folder, step, named);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message}; ${await wayOn(folder, step)}`, { cause: error });
  }
}

/** Which checkpoint a path means, and whether it says so itself. */
async function locate(
  path: string,
): Promise<{ readonly folder: string; readonly step: number; readonly named: boolean }> {
  const { stat } = await import("node:fs/promises");
  const { dirname, join, resolve } = await import("node:path");
  if (await stat(path).then((found) => found.isFile(), () => false)) {
    const above = dirname(resolve(path));
    const meant = stepOf(await nameOf(above)) === undefined ? "" : `: ${dirname(path)}`;
    throw new DataError(`${path}: is a file, and a checkpoint is a folder${meant}`);
  }
  const own = stepOf(await nameOf(path));
  if (own !== undefined) return { folder: join(path, ".."), step: own, named: true };
  await listFolder(path);
  const [newest] = await checkpointsIn(path);
  if (newest === undefined) throw new DataError(`${path}: has no checkpoint`);
  return { folder: path, step: newest, named: false };
}

/** From where a run can go on when a checkpoint cannot be used as it was asked for. */
async function wayOn(folder: string, step: number): Promise<string> {
  const { join } = await import("node:path");
  const flag = (which: number) => `--resume=${join(folder, checkpointName(which))}`;
  // Its own files are whole: what is wrong is the history.
  const anew = await isWhole(folder, step, true);
  const before = await newestWhole(folder, step, !anew);
  if (!anew) {
    return before === undefined
      ? "no checkpoint before it is whole"
      : `${flag(before)} goes on from the one before it`;
  }
  const here = `${flag(step)}, which is whole, goes on with a new history`;
  return before === undefined ? here : `${here}, ${flag(before)} with this one up to there`;
}

async function newestWhole(folder: string, before: number, anew: boolean): Promise<number | undefined> {
  for (const step of await checkpointsIn(folder)) {
    if (step < before && await isWhole(folder, step, anew)) return step;
  }
  return undefined;
}

async function isWhole(folder: string, step: number, anew: boolean): Promise<boolean> {
  try {
    await readCheckpoint(folder, step, anew);
    return true;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return false;
  }
}

/** @param anew whether a new history may take the place of one that is lost */
async function readCheckpoint(folder: string, step: number, anew: boolean): Promise<Checkpoint> {
  const { join } = await import("node:path");
  const path = join(folder, checkpointName(step));
  const place = await placeOf(path);
  const manifest = await readManifest(place);
  if (manifest.position.step !== step) {
    throw new DataError(`${path}: is the checkpoint after ${manifest.position.step} steps`);
  }
  const read = async (name: string) => {
    const bytes = await readChecked(join(place, name), manifest.files[name]);
    return parseSafetensors(bytes, join(place, name));
  };
  const [model, state] = [await read(MODEL), await read(STATE)];
  const file = join(folder, HISTORY);
  let lostHistory: string | null = null;
  const history = await History.open(file, manifest.history).catch((error) => {
    if (!anew || !(error instanceof DataError)) throw error;
    lostHistory = error.message;
    return History.begin(file);
  });
  return { path, folder, manifest, model, state, history, lostHistory };
}

async function readManifest(path: string): Promise<Manifest> {
  const { join } = await import("node:path");
  const name = join(path, MANIFEST);
  return parseManifest(new TextDecoder().decode(await readPath(name)), name);
}

async function readChecked(path: string, note: FileNote | undefined): Promise<Uint8Array> {
  const { createHash } = await import("node:crypto");
  const bytes = await readPath(path);
  const wanted = note ?? { bytes: 0, sha256: "none" };
  if (bytes.length < wanted.bytes) {
    throw new DataError(`${path}: is truncated: it has ${bytes.length} bytes, wants ${wanted.bytes}`);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== wanted.sha256) {
    throw new DataError(`${path}: is damaged: its SHA-256 is ${sha256}, wants ${wanted.sha256}`);
  }
  return bytes;
}

/**
 * Throws unless a checkpoint is one of this network, trained in this way.
 *
 * @param parameters the network's
 * @param others what else a step changes
 * @throws {DataError} in one line.
 */
export async function checkCheckpoint(
  { path, manifest, model, state }: Checkpoint,
  parameters: ReadonlyMap<string, Parameter>,
  others: ReadonlyMap<string, Parameter>,
): Promise<void> {
  const { join } = await import("node:path");
  const { settings } = manifest.run;
  checkStates(parameters, parametersOf(model), join(path, MODEL), settings.model);
  checkStates(others, state.tensors, join(path, STATE), `training ${settings.model}`);
}

/** A network as a file has it. */
export interface ModelFile extends Safetensors {
  /** The file. */
  readonly path: string;
}

/**
 * Reads a network's file: parameters by name, what training subtracts from every image as `input.mean`, and in the metadata
 * which network it is (`model`).
 *
 * @param path a safetensors file, the folder of a checkpoint, or one with checkpoints, of which the best is meant, or the
 * newest where none was measured
 * @throws {DataError} in one line, which names the checkpoints that are whole where one of several is not.
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  const { stat } = await import("node:fs/promises");
  const isFolder = await stat(await placeOf(path)).then((found) => found.isDirectory(), () => false);
  if (!isFolder) return { path, ...parseSafetensors(await readPath(path), path) };
  const { folder, step, named } = await locate(path);
  try {
    const { manifest, file } = await readModelOf(folder, step);
    const best = manifest.best?.step ?? step;
    return named || best === step ? file : (await readModelOf(folder, best)).file;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const whole = await wholeModels(folder);
    const hint = whole.length === 0 ? "no other is whole" : `whole: ${whole.join(", ")}`;
    throw new DataError(`${error.message}; ${hint}`, { cause: error });
  }
}

async function readModelOf(folder: string, step: number) {
  const { join } = await import("node:path");
  const own = await placeOf(join(folder, checkpointName(step)));
  const manifest = await readManifest(own);
  const path = join(own, MODEL);
  const tensors = parseSafetensors(await readChecked(path, manifest.files[MODEL]), path);
  return { manifest, file: { path, ...tensors } satisfies ModelFile };
}

/** The checkpoints in a folder whose networks are whole, the newest first. */
async function wholeModels(folder: string): Promise<string[]> {
  const { join } = await import("node:path");
  const whole: string[] = [];
  for (const step of await checkpointsIn(folder)) {
    try {
      await readModelOf(folder, step);
      whole.push(join(folder, checkpointName(step)));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return whole;
}

/** The last part of a path, also of `.`. */
async function nameOf(path: string): Promise<string> {
  const { basename, resolve } = await import("node:path");
  return basename(resolve(path));
}

/** The tensors of a model's file that are parameters. */
export function parametersOf({ tensors }: Safetensors): Map<string, StoredTensor> {
  return new Map([...tensors].filter(([name]) => name !== MEAN));
}
