/**
 * Where an op was made: the layer and the source line behind a number. It costs a stack trace an op, so it is recorded
 * only while a tool asks for it.
 *
 * @module
 */

import type { GraphNode } from "./declare.ts";

/**
 * Where an op was made.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones, type Provenance, recordProvenance, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const y = recordProvenance(() => ones([2]).exp());
 * const made: Provenance = y.node!.made!;
 * assert.deepEqual([made.layer, made.role, made.of], [null, "forward", null]);
 * assert.match(made.lines[0]!, /:\d+:\d+$/); // file, line and column of the call of exp()
 * ```
 */
export interface Provenance {
  /** The path of the layer, `block.conv2`, or the parameter that is updated; null outside of layers. */
  readonly layer: string | null;
  /**
   * `file:line:column` of the call: first where the op was called, and where that is in a layer of the house, the line
   * of the user's that called the layer behind it. Files of the library are named from its folder.
   */
  readonly lines: readonly string[];
  /** Whether the caller made it, the gradient rule of the op `of`, or the definition of the composite `of`. */
  readonly role: "forward" | "gradient" | "definition";
  /** The op on whose behalf it was made. */
  readonly of: GraphNode | null;
}

let recording = false;
let layers: readonly string[] = [];
let inherited: Provenance | null = null;
/** On whose behalf ops are made that have no place to inherit: it was described while nothing was recorded. */
let behalf: Pick<Provenance, "role" | "of"> = { role: "forward", of: null };

/**
 * Calls `make`, and lets every op that it makes know where it was made (`tensor.node.made`). What `make` does after its
 * first `await` is not recorded.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, gradients, ones, recordProvenance, setDefaultDevice } from "@fermi/fermi";
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
  const before = recording;
  recording = true;
  try {
    return make();
  } finally {
    recording = before;
  }
}

/** Calls `make` for a layer, whose name goes to the ops that it makes. Layers nest. */
export function inLayer<T>(name: string, make: () => T): T {
  if (!recording) return make();
  const before = layers;
  layers = [...before, name];
  try {
    return make();
  } finally {
    layers = before;
  }
}

/**
 * Calls `make`, whose ops are made on behalf of `node` and get its layer and lines; where these were not recorded, the lines
 * of the call that asked for them.
 */
export function onBehalfOf<T>(node: GraphNode | null, role: "gradient" | "definition", make: () => T): T {
  if (node === null || !node.made && !recording) return make();
  const before = { inherited, behalf };
  if (node.made) {
    const { layer, lines } = node.made;
    inherited = { layer, lines, role, of: node };
  } else {
    inherited = null;
    behalf = { role, of: node };
  }
  try {
    return make();
  } finally {
    ({ inherited, behalf } = before);
  }
}

/** Where the op that is being made is made; null while nothing is recorded. */
export function provenanceNow(): Provenance | null {
  if (inherited !== null) return inherited;
  if (!recording) return null;
  return { layer: layers.join(".") || null, lines: callingLines(), ...behalf };
}

const OWN_FILE = plainPath(import.meta.url);
/** The library's folder, where its files lie as they are written; null in a bundle, where all frames are in one file. */
const [, ROOT = null] = OWN_FILE.match(/^(.*\/)tensor\/provenance\.\w+$/) ?? [];

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
