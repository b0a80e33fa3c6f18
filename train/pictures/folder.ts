/**
 * The folder that pictures are written into.
 *
 * @module
 */

import { mkdir } from "node:fs/promises";
import { failed } from "../../data/files.ts";
import { sweep } from "../../data/whole_files.ts";

/**
 * Makes the folder where it is not there, finds out whether it can be written to, and deletes what a run that was killed has
 * left in it half-written.
 *
 * @throws {DataError} when it cannot be made; in Deno also an error that says which permission is missing.
 */
export async function openFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await sweep(path, (name) => /^\w+\.(html|svg|png)$/.test(name));
  } catch (error) {
    throw failed(path, "made", error);
  }
}
