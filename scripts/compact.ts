// What a page does not need is taken out of the sources before they are bundled: the sentences that say what an op means,
// and the comments and the indentation of shaders. And a backend that is imported on demand is imported at once: in one file
// nothing is spared by waiting, and a bundler has to wrap every module that is to run later.

import { parse } from "@babel/parser";

/** A node of the syntax tree, of which only what all have in common is known. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Replaces text[start, end). */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What goes from a file, given all of its nodes. */
type Rule = (nodes: readonly Node[], source: string) => readonly Edit[];

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const [key, value] of Object.entries(node)) {
    if (key === "loc" || key.endsWith("Comments")) continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* nodesOf(child);
  }
}

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

/** A shader's text between two insertions. Its first and its last line may go on there: they stay lines of their own. */
const shaders: Rule = (nodes, source) =>
  nodes.flatMap(({ type, start, end }) => {
    const text = source.slice(start, end);
    if (type !== "TemplateElement" || !text.includes("\n")) return [];
    const bare = text.replaceAll(/ *\/\/[^\n]*(?=\n)/g, "").replaceAll(/\n\s+/g, "\n");
    return [{ start, end, text: bare.replaceAll(/(?<=[{};,(])\n(?!$)/g, "") }];
  });

/** The minifier gives a private name one short name in all classes: where all call theirs the same, there are few. */
const privates: Rule = (nodes) => {
  const found = nodes.filter(({ type }) => type === "PrivateName");
  const nameOf = (node: Node) => String((node.id as Node).name);
  const counts = new Map<string, number>();
  for (const node of found) counts.set(nameOf(node), (counts.get(nameOf(node)) ?? 0) + 1);
  const order = [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
  return found.map((node) => ({
    start: node.start,
    end: node.end,
    text: `#private${order.indexOf(nameOf(node))}`,
  }));
};

const PLACES: readonly (readonly [RegExp, Rule])[] = [
  [/^/, privates],
  [/^tensor\/ops\//, sentences],
  [/^backends\/webgpu\/(kernels\/|(access|fused|shader)\.ts$)/, shaders],
];

/** The source of a file, made compact. `file` is its path in the repository, with slashes. */
export function compact(file: string, source: string): string {
  if (file === "backends/mod.ts") return importedAtOnce(file, source, 2);
  if (file === "backends/webgpu/reference.ts") return importedAtOnce(file, source, 1);
  const tree = parse(source, { sourceType: "module", plugins: ["typescript"] }).program as unknown as Node;
  const nodes = [...nodesOf(tree)];
  const edits = PLACES.flatMap(([place, rule]) => place.test(file) ? rule(nodes, source) : []);
  return edits.sort((a, b) => b.start - a.start).reduce(
    (text, edit) => text.slice(0, edit.start) + edit.text + text.slice(edit.end),
    source,
  );
}

/** `(await import("./cpu/mod.ts")).cpuDevice(...)` with a static import. */
function importedAtOnce(file: string, source: string, count: number): string {
  const imports: string[] = [];
  const text = source.replaceAll(/\(await import\(("[^"]+")\)\)/g, (_, path) => {
    imports.push(`import * as backend${imports.length} from ${path};\n`);
    return `backend${imports.length - 1}`;
  });
  if (imports.length !== count) {
    throw new Error(`${file} imports ${imports.length} backends on demand`);
  }
  return imports.join("") + text;
}
