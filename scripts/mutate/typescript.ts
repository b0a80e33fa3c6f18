// Finds faults to plant in TypeScript: the parser's tree is walked in whole, and `faults.ts` says what may go wrong at a
// node. Types, imports, comments and the texts of errors are left alone; they compute nothing.

import { parse } from "@babel/parser";
import { applyEdit, type Edit } from "./edit.ts";
import { FAULTS } from "./faults.ts";
import { shaderEdits } from "./wgsl.ts";

/** A node of the syntax tree, of which only what all have in common is known. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Where a node stands. */
export interface Place {
  readonly text: string;
  readonly file: string;
  /** Every identifier of the file: a fault that names something else would not run at all. */
  readonly names: ReadonlySet<string>;
  /** Those of the function, or other statement of the module, that the node is in. */
  readonly near: ReadonlySet<string>;
  readonly parent: Node | null;
  /** The parent's field that holds the node. */
  readonly key: string;
  /** Whether the node is declared here, or assigned to by destructuring. */
  readonly pattern: boolean;
}

/** The syntax tree; throws for what is no module, also for names that are declared twice. */
function treeOf(text: string): Node {
  const tree = parse(text, {
    sourceType: "module",
    plugins: ["typescript"],
    createParenthesizedExpressions: true,
  });
  return tree.program as unknown as Node;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

function* children(node: Node): Generator<[string, Node]> {
  for (const [key, value] of Object.entries(node)) {
    if (key.endsWith("Comments") || key === "loc" || key === "extra") continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield [key, child];
  }
}

/** The fields that hold types. */
const TYPES = new Set([
  "typeAnnotation",
  "returnType",
  "typeParameters",
  "typeArguments",
  "superTypeParameters",
  "implements",
]);
/** Expressions that carry a type with them. */
const TYPED = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression"]);

/** Whether the node computes nothing that a test could see: types, imports, texts for people. */
function isSilent(node: Node, key: string): boolean {
  if (TYPES.has(key) || node.type.startsWith("TS") && !TYPED.has(node.type)) return true;
  if (node.type === "ThrowStatement" || node.type === "ImportDeclaration") return true;
  if (node.type === "ExportAllDeclaration") return true;
  if (node.type === "NewExpression") return nameOf(node.callee as Node).endsWith("Error");
  const named = node.type === "ObjectProperty" ? nameOf(node.key as Node) : "";
  return named === "doc" || named === "label";
}

/** The name of an identifier, or of the member that an expression ends in. */
export function nameOf(node: Node): string {
  if (node.type === "MemberExpression") return node.computed ? "" : nameOf(node.property as Node);
  return node.type === "Identifier" ? String(node.name) : "";
}

/** Methods whose text arguments are no shaders. */
const NO_SHADER = /^(join|split|startsWith|endsWith|includes|replace|replaceAll|has|get)$/;

function isShaderText(node: Node, parent: Node | null, key: string): boolean {
  if (node.type !== "TemplateLiteral" && node.type !== "StringLiteral") return false;
  if (key === "key" || key === "property") return false;
  return !(parent?.type === "CallExpression" && NO_SHADER.test(nameOf(parent.callee as Node)));
}

function visit(node: Node, place: Place, found: Edit[]): void {
  if (isSilent(node, place.key)) return;
  found.push(...FAULTS[node.type]?.(node, place) ?? []);
  if (place.file.includes("webgpu") && isShaderText(node, place.parent, place.key)) {
    found.push(...shaderEdits(place.text, node));
  }
  const pattern = node.type === "ArrayPattern" || node.type === "ObjectPattern";
  for (const [key, child] of children(node)) {
    if (TYPED.has(node.type) && key !== "expression") continue;
    visit(
      child,
      { ...place, parent: node, key, pattern: pattern || place.pattern && key !== "right" },
      found,
    );
  }
}

function identifiers(node: Node, into: Set<string>): Set<string> {
  if (node.type === "Identifier") into.add(String(node.name));
  for (const [, child] of children(node)) identifiers(child, into);
  return into;
}

/** Every fault of a file that leaves it a module. */
export function editsOf(file: string, text: string): Edit[] {
  const tree = treeOf(text);
  const names = identifiers(tree, new Set());
  const found: Edit[] = [];
  for (const [key, statement] of children(tree)) {
    const near = identifiers(statement, new Set());
    visit(statement, { text, file, names, near, parent: tree, key, pattern: false }, found);
  }
  return found.filter((edit) => text.slice(edit.start, edit.end) !== edit.text);
}

/** Whether the text with the edit is still a module. */
export function parses(text: string, edit: Edit): boolean {
  try {
    treeOf(applyEdit(text, edit));
    return true;
  } catch {
    return false;
  }
}
