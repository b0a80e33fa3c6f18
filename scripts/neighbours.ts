// Where the functions of a module stand. They are there before anything is evaluated, so each may stand anywhere: best beside
// what is most like it, where gzip says that this is so.

import { sizeOf } from "./gzip.ts";
import { type Node, parsed } from "./syntax.ts";

/** What texts have in common is counted by pieces of so many characters. */
const PIECE = 6;
/** Beside how many others, those most like it, a function is tried. */
const TRIALS = 9;

/** The statements at the top of a module in a better order. */
export function neighbourly(code: string): number[] {
  const { body } = parsed(code) as unknown as { body: Node[] };
  const texts = body.map(({ start, end }) => code.slice(start, end));
  const alike = likeness(texts);
  let order = [...body.keys()];
  let least = sizeOf(texts.join(""));
  for (let trial = 0; trial < TRIALS; trial++) {
    for (const [i, { type }] of body.entries()) {
      const neighbour = alike[i]![trial];
      if (type !== "FunctionDeclaration" || neighbour === undefined) continue;
      for (const side of [0, 1]) {
        const others = order.filter((each) => each !== i);
        const changed = others.toSpliced(others.indexOf(neighbour) + side, 0, i);
        const size = sizeOf(changed.map((each) => texts[each]!).join(""));
        if (size < least) [order, least] = [changed, size];
      }
    }
  }
  return order;
}

/** For each text, which others are most like it: a piece that few have counts most. */
function likeness(texts: readonly string[]): number[][] {
  const holders = new Map<string, Set<number>>();
  texts.forEach((text, i) => {
    for (let at = 0; at + PIECE <= text.length; at++) {
      const piece = text.slice(at, at + PIECE);
      holders.set(piece, (holders.get(piece) ?? new Set()).add(i));
    }
  });
  const alike = texts.map(() => new Map<number, number>());
  for (const those of holders.values()) {
    for (const i of those) {
      for (const j of those) {
        if (i !== j) alike[i]!.set(j, (alike[i]!.get(j) ?? 0) + 1 / (those.size - 1));
      }
    }
  }
  return alike.map((others) => [...others].sort(([, a], [, b]) => b - a).slice(0, TRIALS).map(([j]) => j));
}
