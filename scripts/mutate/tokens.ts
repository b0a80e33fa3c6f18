// The tokens of WGSL inside a text of TypeScript. What a template fills in is a token too, or part of one.

import type { Node } from "./typescript.ts";

/** A token; start and end are places in the file. */
export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly kind: "name" | "number" | "sign";
  /** Whether a line ends before it. */
  readonly newLine: boolean;
}

/** Stands for what a template fills in. */
const HOLE = "\u0001";

/** The characters of a template or string, with the place of each in the file; a hole is one character. */
function flatten(text: string, node: Node): { chars: string; places: number[] } {
  const pieces = node.type === "TemplateLiteral"
    ? node.quasis as readonly Node[]
    : [{ type: "", start: node.start + 1, end: node.end - 1 }];
  let chars = "";
  const places: number[] = [];
  for (const [k, { start, end }] of pieces.entries()) {
    for (let at = start; at < end; at++) {
      chars += text[at];
      places.push(at);
    }
    if (k === pieces.length - 1) continue;
    chars += HOLE;
    places.push(end);
  }
  places.push(pieces.at(-1)!.end);
  return { chars, places };
}

const PATTERN = new RegExp(
  [
    String.raw`(?<space>\s+|\\[nrt]|//[^\n]*)`,
    String.raw`(?<number>0x[\da-fA-F]+u?|\d+\.\d*(?:e[-+]?\d+)?[fh]?|\.\d+[fh]?|\d+(?:e[-+]?\d+)?[iufh]?)`,
    String.raw`(?<name>[A-Za-z_${HOLE}][\w${HOLE}]*(?:(?<=${HOLE})\.\d+)?)`,
    String.raw`(?<sign><<=|>>=|->|<=|>=|==|!=|&&|\|\||\+=|-=|\*=|/=|%=|<<|>>|\+\+|--|[^\s])`,
  ].join("|"),
  "gu",
);

/** Names that are followed by types in angle brackets. */
const GENERIC = /^(vec[234]|array|bitcast|var|ptr|atomic|mat[234]x[234])$/;

/** The tokens, without types in angle brackets and attributes. */
export function tokensOf(text: string, node: Node): Token[] {
  const { chars, places } = flatten(text, node);
  const tokens: Token[] = [];
  let newLine = true;
  for (const match of chars.matchAll(PATTERN)) {
    const { space, number, name } = match.groups!;
    if (space !== undefined) {
      newLine ||= space.includes("\n") || space === "\\n";
      continue;
    }
    const kind = number !== undefined ? "number" : name !== undefined ? "name" : "sign";
    // A hole ends where the next character begins.
    const [start, end] = [places[match.index]!, places[match.index + match[0].length]!];
    tokens.push({ text: match[0], start, end, kind, newLine });
    newLine = false;
  }
  return withoutAttributes(withoutTypes(tokens));
}

function withoutTypes(tokens: readonly Token[]): Token[] {
  const kept: Token[] = [];
  let depth = 0;
  for (const token of tokens) {
    const generic = GENERIC.test(kept.at(-1)?.text ?? "");
    if (token.text === "<" && (depth > 0 || generic)) depth++;
    else if (depth === 0) kept.push(token);
    else if (/^>+$/.test(token.text)) depth -= token.text.length;
  }
  return kept;
}

function withoutAttributes(tokens: readonly Token[]): Token[] {
  const kept: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at]!.text !== "@") kept.push(tokens[at]!);
    else {
      at++;
      if (tokens[at + 1]?.text === "(") at = matching(tokens, at + 1);
    }
  }
  return kept;
}

/** The bracket that closes, or opens, the one at `from`; past the end where there is none. */
export function matching(tokens: readonly Token[], from: number): number {
  const step = "([{".includes(tokens[from]!.text) ? 1 : -1;
  let depth = 0;
  for (let at = from; at >= 0 && at < tokens.length; at += step) {
    if (tokens[at]!.kind !== "sign") continue;
    if ("([{".includes(tokens[at]!.text)) depth++;
    else if (")]}".includes(tokens[at]!.text)) depth--;
    if (depth === 0) return at;
  }
  return step > 0 ? tokens.length : -1;
}

/** Whether a value ends at the token. */
export function endsValue(token: Token | undefined): boolean {
  if (token === undefined || token.text === "return") return false;
  return token.kind !== "sign" || token.text === ")" || token.text === "]";
}
