/**
 * The runs of an ablation as a file, so that a later call goes on where an earlier one was ended.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { DataError } from "../../data/mod.ts";
import { writeWhole } from "../../data/whole_files.ts";
import { describeData } from "../data_note.ts";
import { UsageError } from "../usage_error.ts";
import { type Ablation, FORMAT } from "./results.ts";

/** Reads a file of runs; null where there is none. @throws {DataError} for a file that is none of this kind. */
export function readAblation(path: string): Ablation | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw new DataError(`${path}: cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const found = parsed(text) as Partial<Ablation> | null;
  const parts = [found?.data, found?.settings, found?.runs];
  if (found?.format !== FORMAT || !parts.every((part) => typeof part === "object" && part !== null)) {
    throw new DataError(`${path}: is no file of an ablation, or a damaged one`);
  }
  return found as Ablation;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Writes the file so that it is whole whenever the program is ended. */
export async function writeAblation(path: string, ablation: Ablation): Promise<void> {
  await writeWhole(path, JSON.stringify(ablation, rounded, 2) + "\n");
}

/** Six digits say all that a mean over thousands of images has to say. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}

/**
 * Throws unless runs on these images and with these settings may stand beside those of the file.
 *
 * @throws {UsageError} that says in what they differ.
 */
export function checkSame(path: string, known: Ablation, wanted: Omit<Ablation, "runs">): void {
  const flags = { images: "--images", epochs: "--epochs", testImages: "--test-images" } as const;
  const names = Object.keys(flags) as (keyof typeof flags)[];
  const [had, asked] = [known.settings, wanted.settings];
  const other = names.find((each) => had[each] !== asked[each]);
  const advice = "go on with that, or keep these in another file (--out)";
  if (other) {
    const setting = `${flags[other]}=${had[other]}, not ${asked[other]}`;
    throw new UsageError(`${path} has runs with ${setting}: ${advice}`);
  }
  if (known.data.sha256 !== wanted.data.sha256) {
    const images = `${describeData(known.data)}, not on ${describeData(wanted.data)}`;
    throw new UsageError(`${path} has runs on ${images}: ${advice}`);
  }
}
