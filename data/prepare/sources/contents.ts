/**
 * What tells the files of a source from others of the same names.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";

/** By what is in it, for files that are read as a whole anyway. */
export function noteOfContent(name: string, content: Uint8Array): string {
  return `${name} ${createHash("sha256").update(content).digest("hex")}`;
}

/** So many files are asked for at a time. */
const AT_ONCE = 256;

/** By size and time, for files too many or too large to be read twice. */
export async function notesOfFiles(root: string, names: readonly string[]): Promise<string[]> {
  const notes: string[] = [];
  for (let start = 0; start < names.length; start += AT_ONCE) {
    const some = names.slice(start, start + AT_ONCE);
    notes.push(...await Promise.all(some.map((name) => noteOfFile(join(root, name), name))));
  }
  return notes;
}

async function noteOfFile(path: string, name: string): Promise<string> {
  try {
    // As whole numbers: runtimes round fractions of milliseconds in ways of their own.
    const { size, mtimeMs } = await stat(path, { bigint: true });
    return `${name} ${size} ${mtimeMs}`;
  } catch {
    // A link that leads nowhere; it is met again when it is to be read.
    return `${name} cannot be read`;
  }
}
