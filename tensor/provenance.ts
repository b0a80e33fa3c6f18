/**
 * Where an op was made: the layer and the source line behind a number. It costs a stack trace an op, so it is recorded
 * only while a tool asks for it, which also knows how to read stacks (`debug/record.ts`).
 *
 * @module
 */

import type { GraphNode } from "./declare.ts";

/**
 * Where an op was made.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, ones, type Provenance, setDefaultDevice } from "@fermi/fermi";
 * import { recordProvenance } from "@fermi/fermi/debug";
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

let recording: (() => readonly string[]) | null = null;
let layers: readonly string[] = [];
let inherited: Provenance | null = null;
/** On whose behalf ops are made that have no place to inherit: it was described while nothing was recorded. */
let behalf: Pick<Provenance, "role" | "of"> = { role: "forward", of: null };

/** Calls `make`, whose ops know where they were made; `lines` finds the call behind the op that is being made. */
export function recordWith<T>(lines: () => readonly string[], make: () => T): T {
  const before = recording;
  recording = lines;
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
  return { layer: layers.join(".") || null, lines: recording(), ...behalf };
}
