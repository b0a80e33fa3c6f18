/**
 * Where an op was made: the layer and the source line behind a number. It costs a stack trace an op, so it is recorded
 * only while a tool asks for it, and by what comes with that (`debug/recorder.ts`).
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

/** Knows where ops are made, from what it is told of the calls that make them. */
export interface Recorder {
  /** Calls `make` for a layer. */
  inLayer<T>(name: string, make: () => T): T;
  /** Calls `make` on behalf of a node. */
  onBehalfOf<T>(node: GraphNode | null, role: "gradient" | "definition", make: () => T): T;
  /** Where the op that is being made is made; null while nothing is recorded. */
  now(): Provenance | null;
}

let recorder: Recorder | null = null;

/** Has a recorder told of the calls from now on. It is handed in by those who record, so that a page does not load it. */
export function recordBy(one: Recorder): void {
  recorder = one;
}

/** Calls `make` for a layer, whose name goes to the ops that it makes. Layers nest. */
export function inLayer<T>(name: string, make: () => T): T {
  return recorder ? recorder.inLayer(name, make) : make();
}

/**
 * Calls `make`, whose ops are made on behalf of `node` and get its layer and lines; where these were not recorded, the lines
 * of the call that asked for them.
 */
export function onBehalfOf<T>(node: GraphNode | null, role: "gradient" | "definition", make: () => T): T {
  return recorder ? recorder.onBehalfOf(node, role, make) : make();
}

/** Where the op that is being made is made; null while nothing is recorded. */
export function provenanceNow(): Provenance | null {
  return recorder && recorder.now();
}
