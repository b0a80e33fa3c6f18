// Names for locals once more, when all have one. gzip is good at what it has seen before: so a variable is called what others
// are called in places like its own, where that name is free, or where the one that has it can take the other instead.

import type { Local } from "./mangle.ts";

/** What is compared of a place: so many characters before the variable, and after it. */
const SPANS = [[2, 1], [1, 2], [3, 0], [2, 2], [0, 3], [6, 0], [3, 3], [0, 6], [10, 0], [5, 5], [0, 10]]
  .map(([before, after]) => ({ before: before!, after: after!, weight: before! + after! }));
const REACH = Math.max(...SPANS.map(({ weight }) => weight));
/** What `{ key }` is worth against `{ key: name }`. */
const SHORTHAND = 30;
/** How often all variables are gone through, and how many names are tried for each. */
const [ROUNDS, TRIALS] = [8, 8];

/** What stands for a variable in the text. */
export const placeholder = (i: number): string => `$$${i}$`;

/** A name for a variable, how well it fits, and which other one has it: -1 for none. */
export interface Candidate {
  readonly name: string;
  readonly value: number;
  readonly other: number;
}

/** Names of the variables of a text, in which each is written as its placeholder. */
export class Naming {
  readonly names: string[];
  readonly #locals: readonly Local[];
  readonly #reserved: ReadonlySet<string>;
  /** The text before each place, and which variable is there; by variable, where it is; by place, the key of its value. */
  readonly #texts: string[];
  readonly #variables: number[];
  readonly #places: readonly number[][];
  readonly #keys: readonly (string | undefined)[];
  /** Who is visible in a scope. */
  readonly #visible: Map<object, number[]> = new Map();
  /** By place: the counts that it is in. */
  readonly #counted: Map<string, number>[][] = [];
  /** By surroundings: how often each name is met there. */
  readonly #met: Map<string, Map<string, number>> = new Map();

  constructor(
    text: string,
    locals: readonly Local[],
    names: readonly string[],
    reserved: ReadonlySet<string>,
  ) {
    const pieces = text.split(/\$\$(\d+)\$/);
    this.#texts = pieces.filter((_, i) => i % 2 === 0);
    this.#variables = pieces.filter((_, i) => i % 2 === 1).map(Number);
    this.#keys = this.#texts.map((before, i) =>
      /^[,}]|^=(?!=)/.test(this.#texts[i + 1] ?? "") ? before.match(/[{,]([\w$]+):$/)?.[1] : undefined
    );
    this.#places = locals.map(() => []);
    this.#variables.forEach((variable, place) => this.#places[variable]!.push(place));
    locals.forEach(({ scopes }, i) => {
      for (const scope of scopes) this.#visible.set(scope, [...this.#visible.get(scope) ?? [], i]);
    });
    this.names = [...names];
    this.#locals = locals;
    this.#reserved = reserved;
    locals.forEach((_, i) => this.#add(i));
  }

  /** Gives variables better names. */
  improve(): void {
    for (let round = 0; round < ROUNDS; round++) this.names.forEach((_, i) => this.#improve(i));
  }

  /** Gives a variable a better name, or exchanges it with another's, if there is such a name. */
  #improve(i: number): void {
    const old = this.names[i]!;
    if (!this.#mayChange(i)) return;
    this.#remove(i);
    const scores = this.#scores(i);
    const score = scores.get(old) ?? 0;
    let best = { gain: 0, name: old, other: -1 };
    for (const { name, value, other } of this.#candidates(i, scores).slice(0, TRIALS)) {
      let gain = value - score;
      if (gain <= 0) break;
      if (other >= 0) {
        this.#remove(other);
        const theirs = this.#scores(other);
        gain += (theirs.get(old) ?? 0) - (theirs.get(name) ?? 0);
        this.#add(other);
      }
      if (gain > best.gain) best = { gain, name, other };
    }
    this.#add(i);
    if (best.name !== old) this.exchange(i, best);
  }

  /** Names that a variable may take, those first that fit best; and whose they are, which then gets the other: -1 for nobody. */
  candidates(i: number): readonly Candidate[] {
    if (!this.#mayChange(i)) return [];
    this.#remove(i);
    const candidates = this.#candidates(i, this.#scores(i));
    this.#add(i);
    return candidates;
  }

  #candidates(i: number, scores: ReadonlyMap<string, number>): Candidate[] {
    const old = this.names[i]!;
    return [...scores].sort(([, a], [, b]) => b - a).flatMap(([name, value]) => {
      if (name === old || name.length > old.length || this.#reserved.has(name)) return [];
      const [other = -1, more] = this.#holders(i, name);
      if (more !== undefined) return [];
      const taken = other >= 0 &&
        (!this.#mayChange(other) || this.#holders(other, old).some((each) => each !== i));
      return taken ? [] : [{ name, value, other }];
    });
  }

  /** Gives a variable a name, and its own to the one that had that. */
  exchange(i: number, { name, other }: Pick<Candidate, "name" | "other">): void {
    for (const each of other >= 0 ? [i, other] : [i]) this.#remove(each);
    if (other >= 0) this.names[other] = this.names[i]!;
    this.names[i] = name;
    for (const each of other >= 0 ? [i, other] : [i]) this.#add(each);
  }

  /** What `measure` gives while a variable has another's name, or one that nobody has. */
  tried<T>(i: number, { name, other }: Candidate, measure: () => T): T {
    const old = this.names[i]!;
    const swap = (mine: string, theirs: string) => {
      if (other >= 0) this.names[other] = theirs;
      this.names[i] = mine;
    };
    swap(name, old);
    const measured = measure();
    swap(old, name);
    return measured;
  }

  /** The places of variables, in the order of the text. */
  placesOf(variables: readonly number[]): number[] {
    return variables.flatMap((i) => this.#places[i] ?? []).sort((a, b) => a - b);
  }

  /** The text up to a place, from the one before, with the variable there; as it is printed, where `{ a: a }` is `{ a }`. */
  pieceAt(place: number): string {
    const [before, name] = [this.#texts[place]!, this.#nameAt(place)];
    return (name !== "" && this.#keys[place] === name ? before.slice(0, -name.length - 1) : before) + name;
  }

  /** The text, in the pieces that `pieceAt` gives. */
  pieces(): string[] {
    return this.#texts.map((_, place) => this.pieceAt(place));
  }

  /** Those at the top are met in too many places, none of them like another. */
  #mayChange(i: number): boolean {
    return !this.#locals[i]!.definition.global;
  }

  /** Other variables that are called so where this one is visible. */
  #holders(i: number, name: string): number[] {
    const found = new Set<number>();
    for (const scope of this.#locals[i]!.scopes) {
      for (const other of this.#visible.get(scope)!) {
        if (other !== i && this.names[other] === name) found.add(other);
      }
    }
    return [...found];
  }

  /** How well names would fit into the places of a variable. */
  #scores(i: number): Map<string, number> {
    const scores = new Map<string, number>();
    const add = (name: string, value: number) => scores.set(name, (scores.get(name) ?? 0) + value);
    for (const place of this.#places[i]!) {
      const key = this.#keys[place];
      if (key !== undefined) add(key, SHORTHAND);
      this.#surroundings(place).forEach((names, span) => {
        for (const [name, times] of names) add(name, SPANS[span]!.weight * Math.log2(1 + times));
      });
    }
    return scores;
  }

  /** Counts where a variable is met. */
  #add(i: number): void {
    const name = this.names[i]!;
    for (const place of this.#places[i]!) {
      const counts = this.#surroundings(place);
      for (const names of counts) names.set(name, (names.get(name) ?? 0) + 1);
      this.#counted[place] = counts;
    }
  }

  /** Forgets where it was counted. */
  #remove(i: number): void {
    const name = this.names[i]!;
    for (const place of this.#places[i]!) {
      for (const names of this.#counted[place]!) {
        const times = names.get(name)!;
        if (times > 1) names.set(name, times - 1);
        else names.delete(name);
      }
    }
  }

  /** The counts of names by all that surrounds a place. */
  #surroundings(place: number): Map<string, number>[] {
    let before = "";
    for (let at = place; before.length < REACH && at >= 0; at--) {
      before = this.#texts[at]! + (at === place ? "" : this.#nameAt(at)) + before;
    }
    let after = "";
    for (let at = place + 1; after.length < REACH && at < this.#texts.length; at++) {
      after += this.#texts[at]! + this.#nameAt(at);
    }
    return SPANS.map((span) => {
      const surroundings = `${before.slice(before.length - span.before)}\0${after.slice(0, span.after)}`;
      let names = this.#met.get(surroundings);
      if (names === undefined) this.#met.set(surroundings, names = new Map());
      return names;
    });
  }

  #nameAt(place: number): string {
    const variable = this.#variables[place];
    return variable === undefined ? "" : this.names[variable]!;
  }
}
