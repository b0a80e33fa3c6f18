// The syntax tree of a source file, as far as `compact.ts` and `names.ts` want to know it, and edits of its text.

import { parse } from "@babel/parser";

/** A node of the syntax tree, of which only what all have in common is known. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  /** An identifier's. */
  readonly name?: string;
  readonly [key: string]: unknown;
}

/** Replaces text[start, end). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The tree of a source. */
export function parsed(source: string): Node {
  return parse(source, { sourceType: "module", plugins: ["typescript"] }).program as unknown as Node;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

/** A node and all below it, but for those that are not wanted, and what is below them. */
export function* nodesOf(node: Node, wanted: (node: Node) => boolean = () => true): Generator<Node> {
  if (!wanted(node)) return;
  yield node;
  for (const [key, value] of Object.entries(node)) {
    if (key === "loc" || key.endsWith("Comments")) continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* nodesOf(child, wanted);
    }
  }
}

/** The text with its edits, which do not overlap. */
export function edited(source: string, edits: readonly Edit[]): string {
  return [...edits].sort((a, b) => b.start - a.start).reduce(
    (text, edit) => text.slice(0, edit.start) + edit.text + text.slice(edit.end),
    source,
  );
}

/** A node that is no code, though what is in it may be. */
export const TYPE: RegExp = /^TS(?!\w+Expression)/;
/** What declares a member. */
export const MEMBER: RegExp = /^(TSPropertySignature|TSMethodSignature|ClassProperty|ClassMethod)$/;
const KEYED = /^(ObjectProperty|ObjectMethod|ClassProperty|ClassMethod)$/;

/** The identifier by which a node calls a property. */
export function propertyOf(node: Node): Node | null {
  const key = KEYED.test(node.type) || node.type.startsWith("TS")
    ? node.key
    : /^(Optional)?MemberExpression$/.test(node.type)
    ? node.property
    : null;
  return key && !node.computed && (key as Node).type === "Identifier" ? key as Node : null;
}

/** Where a node is. */
export const placeOf = ({ start, end }: Node): { readonly start: number; readonly end: number } => ({
  start,
  end,
});
