/**
 * What a checkpoint says of itself, `checkpoint.json`: the run that it belongs to, where the run stood, and the checksums of
 * its files; a checksum of its own, too.
 *
 * @module
 */

import { DataError } from "../data/mod.ts";
import type { FileNote } from "../data/whole_files.ts";
import type { Evaluation } from "./evaluate.ts";
import type { JobSettings } from "./job.ts";
import type { ScheduleState } from "./schedule.ts";

/** Where a run stands between two steps: whoever goes on from there makes the same steps and evaluations. */
export interface Position {
  /** Steps made; the order of the images is a function of seed and epoch, so this is the place in the data as well. */
  readonly step: number;
  /** Passes over the training images that are over, their end included: the network was measured, the schedule told. */
  readonly epochs: number;
  /** What the schedule goes by. */
  readonly schedule: ScheduleState;
  /** The last evaluation; null when there was none. */
  readonly evaluation: Evaluation | null;
  /** After which step that was. */
  readonly evaluatedAt: number;
}

/** What tells the images of a run from others, wherever they are kept. */
export interface DataNote {
  readonly name: string;
  readonly trainImages: number;
  readonly testImages: number;
  /** Of all labels, and of some images. */
  readonly sha256: string;
}

/** The run that a checkpoint belongs to: the same in all of them, unless its length was changed on the way. */
export interface RunNote {
  /** All that `prepareJob` needs to make the same job again; the recipe is complete. */
  readonly settings: JobSettings;
  /** Where it computed: another backend goes on, but not to the same bits. */
  readonly backend: "cpu" | "webgpu";
  /** The hardware and driver: others may round differently. */
  readonly device: string;
  readonly data: DataNote;
  /** Of the whole run; a schedule may go by it. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** A checkpoint with a good evaluation. */
export interface Best {
  readonly step: number;
  readonly accuracy: number;
}

/** All that a checkpoint says of itself. */
export interface Manifest {
  readonly format: typeof FORMAT;
  readonly run: RunNote;
  readonly position: Position;
  /** The checkpoint with the highest test accuracy up to this one, the first of several; null when none was measured. */
  readonly best: Best | null;
  /** `history.jsonl` in the folder above, as far as it belongs to this checkpoint. */
  readonly history: FileNote;
  /** The files beside this one. */
  readonly files: Readonly<Record<string, FileNote>>;
}

/** Counts the changes of the layout. */
export const FORMAT = 1;

/** The text of `checkpoint.json`. */
export async function encodeManifest(manifest: Manifest): Promise<string> {
  const sha256 = await sha256Of(JSON.stringify(manifest));
  return JSON.stringify({ ...manifest, sha256 }, null, 2) + "\n";
}

/**
 * Reads `checkpoint.json`.
 *
 * @param name what messages call it
 * @throws {DataError} for anything but what `encodeManifest` wrote, and for another format.
 */
export async function parseManifest(text: string, name: string): Promise<Manifest> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (typeof json !== "object" || json === null) throw new DataError(`${name}: is damaged: it is not JSON`);
  // The order of the keys survives reading and writing, so the text without the checksum does.
  const { sha256, ...manifest } = json as Manifest & { readonly sha256: unknown };
  if (Number.isSafeInteger(manifest.format) && manifest.format !== FORMAT) {
    throw new DataError(`${name}: is of format ${manifest.format}, and this version reads format ${FORMAT}`);
  }
  if (typeof sha256 !== "string") throw new DataError(`${name}: is damaged: it has no SHA-256 of its own`);
  const actual = await sha256Of(JSON.stringify(manifest));
  if (sha256 !== actual) {
    throw new DataError(`${name}: is damaged: its SHA-256 is ${actual}, wants ${sha256}`);
  }
  // A blank that became a line break is no harm, but a change nevertheless.
  if (text !== await encodeManifest(manifest)) {
    throw new DataError(`${name}: is damaged: its layout was changed`);
  }
  return manifest;
}

async function sha256Of(text: string): Promise<string> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(text).digest("hex");
}
