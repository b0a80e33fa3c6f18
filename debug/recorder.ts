/**
 * Keeps where ops are made while somebody records: the layers and nodes on whose behalf that is, and the lines of the calls.
 *
 * @module
 */

import { type Provenance, recordBy, type Recorder } from "../tensor/provenance.ts";

let recording: (() => readonly string[]) | null = null;
let layers: readonly string[] = [];
let inherited: Provenance | null = null;
/** On whose behalf ops are made that have no place to inherit: it was described while nothing was recorded. */
let behalf: Pick<Provenance, "role" | "of"> = { role: "forward", of: null };

/** Calls `make`, whose ops know where they were made; `lines` finds the call behind the op that is being made. */
export function recordWith<T>(lines: () => readonly string[], make: () => T): T {
  // For good: what was recorded is inherited by what is made from it later.
  recordBy(recorder);
  const before = recording;
  recording = lines;
  try {
    return make();
  } finally {
    recording = before;
  }
}

const recorder: Recorder = {
  inLayer(name, make) {
    if (!recording) return make();
    const before = layers;
    layers = [...before, name];
    try {
      return make();
    } finally {
      layers = before;
    }
  },

  onBehalfOf(node, role, make) {
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
  },

  now() {
    if (inherited !== null) return inherited;
    if (!recording) return null;
    return { layer: layers.join(".") || null, lines: recording(), ...behalf };
  },
};
