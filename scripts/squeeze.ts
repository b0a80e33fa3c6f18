// Names for variables by what gzip makes of them: those that fit well are tried, and the best is kept. A name matters where
// the variable is met, and in what follows there, so that only this part is compressed, as if all before it had been; the
// whole only with the name that made the part smallest.

import type { Candidate, Naming } from "./alike.ts";
import { sizeOf, sizeWithin } from "./gzip.ts";

/** How often all variables are gone through, and how many names are tried for each. */
const [ROUNDS, TRIALS] = [2, 8];

/** Gives variables other names where the text becomes smaller. */
export function squeeze(naming: Naming): void {
  let whole = wholeOf(naming);
  for (let round = 0; round < ROUNDS; round++) {
    naming.names.forEach((_, i) => {
      const sizes = new Map<string, number>();
      let best: { readonly gain: number; readonly candidate?: Candidate } = { gain: 0 };
      for (const candidate of naming.candidates(i).slice(0, TRIALS)) {
        const places = naming.placesOf([i, candidate.other]);
        const [first, last] = [places[0]!, places.at(-1)!];
        const measure = () => partSize(naming, whole, first, last);
        const was = sizes.get(`${first} ${last}`) ?? measure();
        sizes.set(`${first} ${last}`, was);
        const gain = was - naming.tried(i, candidate, measure);
        if (gain > best.gain) best = { gain, candidate };
      }
      if (best.candidate === undefined) return;
      const changed = naming.tried(i, best.candidate, () => wholeOf(naming));
      if (changed.size >= whole.size) return;
      naming.exchange(i, best.candidate);
      whole = changed;
    });
  }
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
    size: sizeOf(text),
  };
}

/** How large the part from one piece to another becomes, with what follows, in whatever names it has now. */
function partSize(naming: Naming, { text, ends }: Whole, first: number, last: number): number {
  let part = "";
  for (let place = first; place <= last; place++) part += naming.pieceAt(place);
  return sizeWithin(text.slice(0, ends[first - 1] ?? 0), part, text.slice(ends[last]));
}
