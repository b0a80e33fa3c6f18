/**
 * The runs of an ablation as a file, so that a later call goes on where an earlier one was ended.
 *
 * @module
 */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { DataError } from "../../data/mod.ts";
import { UsageError } from "../usage_error.ts";
import type { Ablation } from "./results.ts";
import type { AblationSettings } from "./run.ts";

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
  if (found?.format !== 1 || typeof found.runs !== "object" || typeof found.settings !== "object") {
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
export function writeAblation(path: string, ablation: Ablation): void {
  writeFileSync(`${path}.part`, JSON.stringify(ablation, rounded, 2) + "\n");
  renameSync(`${path}.part`, path);
}

/** Six digits say all that a mean over thousands of images has to say. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}

/** Throws unless runs with these settings may stand beside those of the file. */
export function checkSame(
  path: string,
  { dataset, settings }: Ablation,
  name: string,
  wanted: AblationSettings,
): void {
  const flags = { images: "--images", epochs: "--epochs", testImages: "--test-images" } as const;
  const names = Object.keys(flags) as (keyof AblationSettings)[];
  const other = names.find((each) => settings[each] !== wanted[each]);
  const advice = "go on with that, or give another --out";
  if (dataset !== name) throw new UsageError(`${path} has runs on ${dataset}, not on ${name}: ${advice}`);
  if (other) {
    throw new UsageError(
      `${path} has runs with ${flags[other]}=${settings[other]}, not ${wanted[other]}: ${advice}`,
    );
  }
}
