/**
 * Lets ops know where they were made, from the stacks of the calls that make them.
 *
 * @module
 */

import { recordWith } from "./recorder.ts";

/**
 * Calls `make`, and lets every op that it makes know where it was made (`tensor.node.made`). What `make` does after its
 * first `await` is not recorded.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, ones, setDefaultDevice } from "@fermi/fermi";
 * import { recordProvenance } from "@fermi/fermi/debug";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = ones([2]);
 * const [dx] = recordProvenance(() => gradients(x.exp().sum(), [x]));
 * const { made } = dx!.node!;
 * assert.deepEqual([made!.role, made!.of!.op.name], ["gradient", "exp"]);
 * assert.equal(x.exp().node!.made, null); // outside: nothing is recorded
 * ```
 */
export function recordProvenance<T>(make: () => T): T {
  return recordWith(callingLines, make);
}

const OWN_FILE = plainPath(import.meta.url);
/** The library's folder, where its files lie as they are written; null in a bundle, where all frames are in one file. */
const [, ROOT = null] = OWN_FILE.match(/^(.*\/)debug\/record\.\w+$/) ?? [];

/** Whether a file is of the tensors or of the tools that call what they look at: no place where a user makes an op. */
function isOwn(file: string): boolean {
  return ROOT !== null && ["tensor/", "debug/"].some((folder) => file.startsWith(ROOT + folder));
}

/** The call that made an op: frames outside of `tensor/` and `debug/`, up to the first that is not a layer's. */
function callingLines(): string[] {
  const lines: string[] = [];
  for (const place of stackPlaces()) {
    const file = place.replace(/:\d+:\d+$/, "");
    // An example in a file of the library is a caller: its place is `file#lines`.
    if (file === OWN_FILE || (isOwn(file) && !file.includes("#"))) continue;
    lines.push(ROOT && place.startsWith(ROOT) ? place.slice(ROOT.length) : place);
    if (ROOT === null || !file.startsWith(`${ROOT}nn/`)) break;
  }
  // Of the lines inside of layers the innermost says enough.
  return lines.length > 2 ? [lines[0]!, lines.at(-1)!] : lines;
}

/** `file:line:column` of the frames, innermost first; all engines write them so, among other things. */
function stackPlaces(): string[] {
  const limited = Error as { stackTraceLimit?: number };
  const before = limited.stackTraceLimit;
  limited.stackTraceLimit = 50;
  const { stack = "" } = new Error();
  if (before === undefined) delete limited.stackTraceLimit;
  else limited.stackTraceLimit = before;
  return stack.split("\n").flatMap((line) => placeIn(line) ?? []);
}

/** `file:line:column` of a stack's line; null where it has no file. Paths may have spaces, brackets and percent signs. */
export function placeIn(line: string): string | null {
  if (line.includes("(eval at ")) return null;
  // Either `    at f (place)` or `    at place`, as V8 writes them, or `f@place`.
  const [, place] = line.match(/^\s*at (?:.*? \()?((?:[a-z-]+:\/\/[^/]*)?\/.*:\d+:\d+)\)?$/) ??
    line.match(/^[^@]*@((?:[a-z-]+:\/\/[^/]*)?\/.*:\d+:\d+)$/) ?? [];
  return place === undefined ? null : plainPath(place);
}

/** A path as people write it. What is no URL is one already. */
function plainPath(place: string): string {
  if (!/^[a-z-]+:\/\//.test(place)) return place;
  const path = place.replace(/^file:\/\//, "").replace(/\?[^:#]*/, "");
  try {
    return decodeURI(path);
  } catch {
    return path; // a percent sign that stands for itself
  }
}
