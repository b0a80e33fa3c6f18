/**
 * What the user sees of a download: at a terminal a line that is rewritten, elsewhere only the lines that stay.
 *
 * @module
 */

import type { FetchOptions } from "../data/mod.ts";
import type { TextOutput } from "./report.ts";

/** The callbacks that `fetchFashionMnist` takes. */
export interface ProgressLine {
  /** Writes a line that stays. */
  readonly log: NonNullable<FetchOptions["log"]>;
  /** Rewrites the line that does not. */
  readonly progress: NonNullable<FetchOptions["progress"]>;
  /** Takes the rewritten line away. */
  clear(): void;
}

const REWRITE = "\r\x1b[K";
const INTERVAL_MS = 100;

/** Makes the two callbacks; quiet ones write nothing. */
export function makeProgressLine(output: TextOutput, { quiet }: { readonly quiet: boolean }): ProgressLine {
  let shown = -Infinity;
  const clear = () => {
    if (shown > -Infinity) output.write(REWRITE);
    shown = -Infinity;
  };
  return {
    clear,
    log: (line) => {
      clear();
      if (!quiet) output.write(line + "\n");
    },
    progress: (url, received, total) => {
      if (quiet || !output.isTTY || performance.now() - shown < INTERVAL_MS) return;
      shown = performance.now();
      const of = total === null ? "" : ` of ${megabytes(total)}`;
      const text = `${url.slice(url.lastIndexOf("/") + 1)}: ${megabytes(received)}${of} MB`;
      output.write(`${REWRITE}${text.slice(0, (output.columns || 80) - 1)}`);
    },
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
