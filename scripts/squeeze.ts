// Names for variables by what gzip makes of them: those that fit well are tried, and the best is kept. A name matters where
// the variable is met, and in what follows there, so that only this part is compressed, as if all before it had been; the
// whole only with the name that made the part smallest.

import { Buffer } from "node:buffer";
import { deflateRawSync, gzipSync } from "node:zlib";
import type { Naming } from "./alike.ts";

/** How far gzip looks back, and how much of what follows is compressed too. */
const [WINDOW, AFTER] = [1 << 15, 1 << 12];
/** How many names are tried for each variable. */
const TRIALS = 5;

/** Gives variables other names where the text becomes smaller. */
export function squeeze(naming: Naming): void {
  let whole = wholeOf(naming);
  naming.names.forEach((old, i) => {
    const gains = naming.candidates(i).slice(0, TRIALS).map(({ name, other }) => {
      const places = naming.placesOf([i, other]);
      const sizeOf = partSize(naming, whole, places[0]!, places.at(-1)!);
      const was = sizeOf();
      naming.exchange(i, { name, other });
      const gain = was - sizeOf();
      naming.exchange(i, { name: old, other });
      return { name, other, gain };
    });
    const [best] = gains.sort((a, b) => b.gain - a.gain);
    if (best === undefined || best.gain <= 0) return;
    naming.exchange(i, best);
    const changed = wholeOf(naming);
    if (changed.size < whole.size) whole = changed;
    else naming.exchange(i, { name: old, other: best.other });
  });
}

interface Whole {
  readonly text: string;
  /** Where its pieces end. */
  readonly ends: readonly number[];
  readonly size: number;
}

function wholeOf(naming: Naming): Whole {
  const pieces = naming.pieces();
  const text = pieces.join("");
  let end = 0;
  return {
    text,
    ends: pieces.map((piece) => end += piece.length),
    size: gzipSync(text, { level: 9 }).length,
  };
}

/** How large the part from one piece to another becomes, with what follows, in whatever names it has by then. */
function partSize(naming: Naming, { text, ends }: Whole, first: number, last: number): () => number {
  const start = ends[first - 1] ?? 0;
  const dictionary = Buffer.from(text.slice(Math.max(0, start - WINDOW), start));
  const after = text.slice(ends[last]!, ends[last]! + AFTER);
  return () => {
    let part = "";
    for (let place = first; place <= last; place++) part += naming.pieceAt(place);
    return deflateRawSync(part + after, { level: 9, dictionary }).length;
  };
}
