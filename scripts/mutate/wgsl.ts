// The faults of shaders, planted between the tokens of their templates.

import { ARITHMETIC, type Edit, type Operator, otherAxis, RELATIONAL } from "./edit.ts";
import { endsValue, matching, type Token, tokensOf } from "./tokens.ts";
import type { Node } from "./typescript.ts";

/** What a fault is told: the tokens and which of them it is asked about. */
interface At {
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly index: number;
}

type Fault = (at: At) => readonly Edit[];

const replaced = (
  { start, end }: { start: number; end: number },
  text: string,
  operator: Operator,
): Edit => ({
  start,
  end,
  text,
  operator,
});

const operators: Fault = ({ tokens, index }) => {
  const token = tokens[index]!;
  if (token.kind !== "sign") return [];
  const relational = RELATIONAL[token.text];
  if (relational) return [replaced(token, relational, "relational")];
  if (token.text === "&&" || token.text === "||") {
    return [replaced(token, token.text === "&&" ? "||" : "&&", "boolean")];
  }
  const before = endsValue(tokens[index - 1]);
  if (token.text === "!" && !before) return [replaced(token, "", "boolean")];
  if (token.text === "-" && !before && tokens[index + 1]?.kind !== "number") {
    return [replaced(token, "", "arithmetic")];
  }
  if (!before && !token.text.endsWith("=") || index + 1 === tokens.length) return [];
  return (ARITHMETIC[token.text] ?? []).map((text) => replaced(token, text, "arithmetic"));
};

const numbers: Fault = ({ tokens, index }) => {
  const token = tokens[index]!;
  const whole = /^(\d+)(u?)$/.exec(token.text);
  if (whole) return [replaced(token, `${Number(whole[1]) + 1}${whole[2]}`, "off-by-one")];
  return token.kind === "number" ? [replaced(token, `(${token.text} + 1)`, "constant")] : [];
};

const axes: Fault = ({ text, tokens, index }) => {
  const token = tokens[index]!;
  const declared = /^(let|var|fn)$/.test(tokens[index - 1]?.text ?? "") || tokens[index + 1]?.text === ":";
  if (token.kind !== "name" || declared) return [];
  const other = otherAxis(token.text);
  return other !== null && new RegExp(`\\b${other}\\b`).test(text)
    ? [replaced(token, other, "swapped-axis")]
    : [];
};

/** The arguments of the call at the token, each from its first token to its last; null where none is called. */
function argumentsAt(
  { tokens, index }: At,
): { readonly args: readonly (readonly Token[])[]; end: number } | null {
  if (tokens[index]!.kind !== "name" || tokens[index + 1]?.text !== "(") return null;
  if (tokens[index - 1]?.text === "fn") return null;
  const close = matching(tokens, index + 1);
  if (close === tokens.length) return null;
  const args: Token[][] = [[]];
  for (let at = index + 2; at < close; at++) {
    const end = "([".includes(tokens[at]!.text) ? matching(tokens, at) : at;
    if (tokens[at]!.text === ",") args.push([]);
    else args.at(-1)!.push(...tokens.slice(at, end + 1));
    at = end;
  }
  return args.every((arg) => arg.length > 0) ? { args, end: tokens[close]!.end } : null;
}

/** Functions of WGSL that take values, not places. */
const BUILT_IN =
  /^(abs|sign|exp2?|log2?|floor|sqrt|inverseSqrt|u32|i32|f32|f16|bool|bitcast|dot|any|all|vec\d|if|for|while|return|switch|array)$/;

const calls: Fault = (at) => {
  const call = argumentsAt(at);
  if (call === null) return [];
  const token = at.tokens[at.index]!;
  const { args } = call;
  const texts = args.map((arg) => at.text.slice(arg[0]!.start, arg.at(-1)!.end));
  const whole = { start: token.start, end: call.end };
  const one = (k: number) => replaced(whole, `(${texts[k]})`, "skipped-check");
  if (token.text === "min" || token.text === "max") {
    return [one(0), one(1), replaced(token, token.text === "min" ? "max" : "min", "min-max")];
  }
  if (token.text === "clamp") return [one(0)];
  if (token.text === "select" && args.length === 3) {
    const text = `select(${texts[1]}, ${texts[0]}, ${texts[2]})`;
    return [one(0), one(1), replaced(whole, text, "boolean")];
  }
  if (args.length > 2 || BUILT_IN.test(token.text)) return [];
  const first = args[0]!;
  const index = { start: first[0]!.start, end: first.at(-1)!.end };
  return [replaced(index, `${texts[0]} + 1u`, "off-by-one")];
};

const subscripts: Fault = ({ text, tokens, index }) => {
  if (tokens[index]!.text !== "[" || !endsValue(tokens[index - 1])) return [];
  const close = matching(tokens, index);
  if (close >= tokens.length || close === index + 1) return [];
  const inside = { start: tokens[index + 1]!.start, end: tokens[close - 1]!.end };
  if (/^\d+$/.test(text.slice(inside.start, inside.end))) return [];
  return [replaced(inside, `${text.slice(inside.start, inside.end)} + 1u`, "off-by-one")];
};

/** What a term of a sum cannot reach beyond. */
const ENDS_TERM = /^([-+,;=<>?:&|^({[\])}]|[<>=!]=|&&|\|\||[-+*/%]=|<<|>>|return)$/;

/** From the token at `from`, in the direction of `step`, the last token of the same term. */
function termEnd(tokens: readonly Token[], from: number, step: 1 | -1): number {
  let at = from;
  while (at >= 0 && at < tokens.length) {
    const { text } = tokens[at]!;
    const opens = step > 0 ? /^[([]$/ : /^[)\]]$/;
    if (opens.test(text)) at = matching(tokens, at) + step;
    else if (ENDS_TERM.test(text)) break;
    else at += step;
  }
  return at - step;
}

const terms: Fault = ({ tokens, index }) => {
  const token = tokens[index]!;
  if (token.text !== "+" && token.text !== "-" || !endsValue(tokens[index - 1])) return [];
  const [first, last] = [termEnd(tokens, index - 1, -1), termEnd(tokens, index + 1, 1)];
  const edits: Edit[] = [];
  if (last > index && last < tokens.length) {
    edits.push({
      start: tokens[index - 1]!.end,
      end: tokens[last]!.end,
      text: "",
      operator: "dropped-term",
    });
    if (token.text === "+" && first >= 0 && first < index) {
      edits.push({
        start: tokens[first]!.start,
        end: tokens[index + 1]!.start,
        text: "",
        operator: "dropped-term",
      });
    }
  }
  return edits;
};

const conditions: Fault = ({ tokens, index }) => {
  if (tokens[index]!.text !== "if" || tokens[index + 1]?.text !== "(") return [];
  const close = matching(tokens, index + 1);
  if (close >= tokens.length) return [];
  const test = { start: tokens[index + 1]!.end, end: tokens[close]!.start };
  return ["true", "false"].map((text) => replaced(test, text, "skipped-check"));
};

const DECLARES = /^(let|var|const|return|if|for|fn|break|continue|struct|enable|while|switch|case)$/;

/** The statement that ends at this semicolon, unless others need it. */
const statements: Fault = ({ tokens, index }) => {
  if (tokens[index]!.text !== ";") return [];
  let first = index;
  while (first > 0 && !/^[;{}]$/.test(tokens[first - 1]!.text)) {
    first--;
    // The head of a loop, and what a template fills in on a line of its own, are no part of the statement.
    if (/^[()]$/.test(tokens[first]!.text)) {
      const other = matching(tokens, first);
      if (other > first || other < 0) return [];
      first = other;
    }
    if (tokens[first]!.newLine) break;
  }
  if (first === index || DECLARES.test(tokens[first]!.text)) return [];
  const barrier = /Barrier$/.test(tokens[first]!.text);
  const range = { start: tokens[first]!.start, end: tokens[index]!.end };
  return [replaced(range, "", barrier ? "dropped-barrier" : "dropped-statement")];
};

const FAULTS: readonly Fault[] = [
  operators,
  numbers,
  axes,
  calls,
  subscripts,
  terms,
  conditions,
  statements,
];

/** Every fault of the shader text that a template or string holds. */
export function shaderEdits(text: string, node: Node): Edit[] {
  const tokens = tokensOf(text, node);
  return tokens.flatMap((_, index) => FAULTS.flatMap((fault) => fault({ text, tokens, index })));
}
