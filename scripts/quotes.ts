// One kind of quote: shaders and messages are templates, so strings become templates too, with nothing inserted, and gzip needs
// no code for another sign.

import type { Node } from "./mangle.ts";

/** A node of the minifier's tree, as far as is of interest here. */
export interface Quoting extends Node {
  /** A template's pieces, each of which has a value, as a string has. */
  readonly segments?: readonly Node[];
  /** Its first and its last token. */
  readonly start: unknown;
  readonly end: unknown;
  /** A copy, with all that is in it. */
  clone(deep: true): Quoting;
  /** Replaces what is in it by what `before` gives for that. */
  transform(visitor: { before(node: Quoting): Quoting | undefined; push(): void; pop(): void }): Quoting;
}

/** Where the language wants a string, or those who look for what a module imports do. */
const STRINGS_ONLY = /^(Import|DynamicImport|Export)$/;

/** Makes all strings of a module templates, each a copy of the one given. */
export function withTemplates(tree: Quoting, template: Quoting): void {
  tree.transform({
    before(node) {
      if (STRINGS_ONLY.test(node.TYPE)) return node;
      if (node.TYPE !== "String") return undefined;
      const copy = template.clone(true);
      // Where it begins and ends is what the map to the sources goes by.
      Object.assign(copy, { start: node.start, end: node.end });
      Object.assign(copy.segments![0]!, { value: node.value });
      return copy;
    },
    push() {},
    pop() {},
  });
}
