/**
 * Writing a file so that it is there as a whole or not at all.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";
import { failed, temporaryName } from "../data/part_file.ts";
import { syncFolder, writeFile } from "../train/whole_files.ts";

/**
 * Writes a file under a temporary name and gives it its own when all of it is on the disk; one that was there is replaced.
 *
 * @throws {DataError} when it cannot be written; nothing is left of it then.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const temporary = await temporaryName(path);
  try {
    await writeFile(temporary, [bytes]);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {/* What went wrong first is told. */});
    throw failed(path, "written", error instanceof DataError ? error.cause : error);
  }
}
