/**
 * What the user sees while images are prepared: at a terminal a line that is rewritten, elsewhere one now and then.
 *
 * @module
 */

import type { PrepareProgress } from "./prepare.ts";

/** Where lines go. */
export interface LineOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** The callbacks that `prepare` takes. */
export interface PrepareLine {
  /** Writes a line that stays. */
  readonly log: (line: string) => void;
  /** Says how far it is. */
  readonly progress: (progress: PrepareProgress) => void;
  /** Takes the rewritten line away. */
  clear(): void;
}

const REWRITE = "\r\x1b[K";
const TERMINAL_MS = 200;
const FILE_MS = 10_000;

/** Makes the callbacks; the speed is that since now. */
export function makePrepareLine(output: LineOutput, { quiet }: { readonly quiet: boolean }): PrepareLine {
  const began = performance.now();
  let shown = began;
  let isRewritten = false;
  const clear = () => {
    if (isRewritten) output.write(REWRITE);
    isRewritten = false;
  };
  return {
    clear,
    log(line) {
      clear();
      if (!quiet) output.write(line + "\n");
    },
    progress(progress) {
      const now = performance.now();
      if (quiet || now - shown < (output.isTTY ? TERMINAL_MS : FILE_MS)) return;
      shown = now;
      const text = describe(progress, (now - began) / 1000);
      isRewritten = output.isTTY ?? false;
      output.write(isRewritten ? REWRITE + text.slice(0, (output.columns || 80) - 1) : text + "\n");
    },
  };
}

/** `train: 41.3 %, 512 images/s, 00:12:30 left, 3 broken` */
export function describe({ part, files, broken, began, done }: PrepareProgress, seconds: number): string {
  const speed = (done - began) / seconds;
  const left = speed > 0 ? clock((1 - done) / speed) : "?";
  const bad = broken > 0 ? `, ${broken} broken` : "";
  return `${part}: ${(100 * done).toFixed(1)} %, ${
    (files / seconds).toFixed(0)
  } images/s, ${left} left${bad}`;
}

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
