// What a page does not need is taken out of the sources before they are bundled: the sentences that say what an op means,
// and the comments and the indentation of shaders. And a backend that is imported on demand is imported at once: in one file
// nothing is spared by waiting, and a bundler has to wrap every module that is to run later.

import { byFrequency } from "./internals.ts";
import { type Names, SHADERS, shortened, textsOf } from "./names.ts";
import { type Edit, edited, type Node, nodesOf, parsed } from "./syntax.ts";

/** What goes from a file, given all of its nodes. */
type Rule = (nodes: readonly Node[], source: string) => readonly Edit[];

/** Functions whose parameter of this number is an op's sentence. */
const SENTENCE_AT: Readonly<Record<string, number>> = { elementwise: 1, reduction: 1, fromBits: 1 };

/** `doc: "..."` in a declaration, or as the argument of a function that makes one. */
const sentences: Rule = (nodes) =>
  nodes.flatMap((node) => {
    const value = node.type === "ObjectProperty" && (node.key as Node).name === "doc"
      ? node.value as Node
      : node.type === "CallExpression"
      ? (node.arguments as Node[])[SENTENCE_AT[String((node.callee as Node).name)] ?? -1]
      : undefined;
    if (value === undefined || value.type === "Identifier") return [];
    return [{ start: value.start, end: value.end, text: '""' }];
  });

/**
 * A shader's text between two insertions. Its first and its last line may go on there: they stay lines of their own, but for
 * one that a sign has ended. Spaces round a sign mean nothing, but that `>` and `=`, or two `-`, would be one sign with none
 * between: what is inserted may begin or end with one.
 */
const shaders: Rule = ([program], source) =>
  textsOf(program!).map(({ start, end }) => {
    const bare = source.slice(start, end)
      .replaceAll(/ *\/\/[^\n]*(?=\n)/g, "")
      .replaceAll(/(\n|\\n|^ )\s+/g, "$1")
      .replaceAll(/(?<=[{};,(])\n/g, "")
      .replaceAll(/ ?([-+*/%=!<>]=|&&|\|\||->|<<|>>|[+*/%<>&|,;:{}()?]) ?(?!=)/g, "$1")
      .replaceAll(/(?<=[\w)\]]) ?= ?(?!=)/g, "=")
      .replaceAll(/(?<=[\w)\]]) - (?=[\w(])/g, "-");
    return { start, end, text: bare };
  });

/** The minifier gives a private name one short name in all classes: where all call theirs the same, there are few. */
const privates: Rule = (nodes) => {
  const found = nodes.filter(({ type }) => type === "PrivateName");
  const order = byFrequency(found);
  return found.map((node) => ({
    start: node.start,
    end: node.end,
    text: `#private${order.indexOf(String((node.id as Node).name))}`,
  }));
};

/** Nothing is assigned to a constant, which the compiler has seen to: so one keyword does for all. */
const constants: Rule = (nodes) =>
  nodes.filter(({ type, kind }) => type === "VariableDeclaration" && kind === "const")
    .map(({ start }) => ({ start, end: start + "const".length, text: "let" }));

/**
 * A field that is only declared: the constructor gives it its value, which the compiler has seen to as well. Not of layers, whose
 * parameters are in the order of the fields.
 */
const fields: Rule = (nodes) =>
  nodes.filter(({ type, value, static: shared }) => type === "ClassProperty" && value === null && !shared)
    .map(({ start, end }) => ({ start, end, text: "" }));

const PLACES: readonly (readonly [RegExp, Rule])[] = [
  [/^/, privates],
  [/^/, constants],
  [/^(tensor|backends|train)\//, fields],
  [/^tensor\/ops\//, sentences],
  [SHADERS, shaders],
];

/** How many backends a file imports on demand. */
const BACKENDS: Readonly<Record<string, number>> = { "backends/mod.ts": 2, "backends/webgpu/mod.ts": 1 };

const NO_NAMES: Names = { properties: new Map(), words: new Map(), tags: new Map() };

/** The source of a file, made compact. `file` is its path in the repository, with slashes. */
export function compact(file: string, source: string, names: Names = NO_NAMES): string {
  const backends = BACKENDS[file];
  const whole = backends ? importedAtOnce(file, source, backends) : source;
  const short = edited(whole, shortened(file, parsed(whole), whole, names));
  const nodes = [...nodesOf(parsed(short))];
  return edited(short, PLACES.flatMap(([place, rule]) => place.test(file) ? rule(nodes, short) : []));
}

/** `(await import("./cpu/mod.ts")).cpuDevice(...)` with a static import. */
function importedAtOnce(file: string, source: string, count: number): string {
  const imports: string[] = [];
  const text = source.replaceAll(/\(await import\(("[^"]+\/(?:cpu|webgpu)\/mod\.ts")\)\)/g, (_, path) => {
    imports.push(`import * as backend${imports.length} from ${path};\n`);
    return `backend${imports.length - 1}`;
  });
  if (imports.length !== count) {
    throw new Error(`${file}: ${imports.length} backends are imported on demand, not ${count}`);
  }
  return imports.join("") + text;
}
