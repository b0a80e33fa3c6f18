/**
 * Files that are there as a whole or not at all: a reader never meets half a page.
 *
 * @module
 */

import { DataError } from "../../data/mod.ts";
import { reason } from "../../data/files.ts";

/** A folder that files are written into. */
export class Folder {
  /** Where it is. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder where it is not there, and finds out whether it can be written to.
   *
   * @throws {DataError} when it cannot be; in Deno also an error that says which permission is missing.
   */
  static async open(path: string): Promise<Folder> {
    const { mkdir } = await import("node:fs/promises");
    try {
      await mkdir(path, { recursive: true });
    } catch (error) {
      throw new DataError(`${path}: cannot be made (${reason(error)})`, { cause: error });
    }
    return new Folder(path);
  }

  /**
   * Writes a file under another name, and gives it its own.
   *
   * @throws {DataError} when it cannot be written.
   */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    const { rename, writeFile } = await import("node:fs/promises");
    const path = `${this.path.replace(/[\\/]+$/, "")}/${name}`;
    // The name is always the same: what a killed run leaves there is written over by the next one.
    const temporary = `${path}.tmp`;
    try {
      await writeFile(temporary, content);
      await rename(temporary, path);
    } catch (error) {
      throw new DataError(`${path}: cannot be written (${reason(error)})`, { cause: error });
    }
  }
}
