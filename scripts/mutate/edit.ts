// What an operator yields: a small change of a text, and the names that several operators know.

/** The kinds of faults, as the report names them. */
export type Operator =
  | "relational"
  | "arithmetic"
  | "off-by-one"
  | "constant"
  | "swapped-axis"
  | "dropped-term"
  | "skipped-check"
  | "boolean"
  | "min-max"
  | "rounding"
  | "swapped-op"
  | "dropped-op"
  | "dropped-statement"
  | "dropped-barrier"
  | "wrong-slot"
  | "wrong-element";

/** Replaces text[start, end). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly operator: Operator;
}

/** Applies an edit. */
export function applyEdit(text: string, edit: Pick<Edit, "start" | "end" | "text">): string {
  return text.slice(0, edit.start) + edit.text + text.slice(edit.end);
}

/** Words that stand for one of two directions. */
const DIRECTIONS: readonly (readonly [string, string])[] = [
  ["x", "y"],
  ["z", "w"],
  ["i", "j"],
  ["u", "v"],
  ["m", "t"],
  ["row", "column"],
  ["rows", "columns"],
  ["height", "width"],
  ["top", "left"],
  ["bottom", "right"],
  ["line", "pixel"],
  ["before", "after"],
  ["shape", "strides"],
  ["inner", "outer"],
  ["a", "b"],
];
const OTHER: ReadonlyMap<string, string> = new Map(DIRECTIONS.flatMap(([a, b]) => [[a, b], [b, a]]));

/** The name of the same thing along another axis: `outHeight` for `outWidth`, `k0` for `k1`; null where there is none. */
export function otherAxis(name: string): string | null {
  const digit = /^(.*[A-Za-z_])([0-3])$/.exec(name);
  if (digit) return `${digit[1]}${Number(digit[2]) ^ 1}`;
  const words = name.split(/(?=[A-Z])|(_)/).filter((word) => word !== undefined);
  for (const [at, word] of words.entries()) {
    const other = OTHER.get(word.toLowerCase());
    if (other === undefined) continue;
    const cased = word[0] === word[0]!.toUpperCase() ? other[0]!.toUpperCase() + other.slice(1) : other;
    return words.with(at, cased).join("");
  }
  return null;
}

/** What stands in for an operator of arithmetic, in both languages. */
export const ARITHMETIC: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["+", "/"],
  "/": ["*"],
  "%": ["/"],
  "**": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["+="],
  "/=": ["*="],
  ">>=": ["<<="],
  "<<=": [">>="],
};

/** What stands in for a comparison. */
export const RELATIONAL: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "==": "!=",
  "!=": "==",
};
