// The faults of TypeScript, by type of node.

import { ARITHMETIC, type Edit, type Operator, otherAxis, RELATIONAL } from "./edit.ts";
import { callFaults } from "./calls.ts";
import type { Node, Place } from "./typescript.ts";

type Fault = (node: Node, place: Place) => readonly Edit[];

const replaced = (node: Node, text: string, operator: Operator): Edit => ({
  start: node.start,
  end: node.end,
  text,
  operator,
});

const child = (node: Node, key: string): Node => node[key] as Node;
const textOf = (node: Node, { text }: Place): string => text.slice(node.start, node.end);

/** Whether `+` joins texts here. */
function isText(node: Node): boolean {
  if (node.type === "StringLiteral" || node.type === "TemplateLiteral") return true;
  return node.type === "BinaryExpression" && (isText(child(node, "left")) || isText(child(node, "right")));
}

/** Where the operator between two operands stands. */
function operatorAt(node: Node, { text }: Place): { start: number; end: number } {
  const start = text.indexOf(String(node.operator), child(node, "left").end);
  return { start, end: start + String(node.operator).length };
}

function binary(node: Node, place: Place): Edit[] {
  const [left, right] = [child(node, "left"), child(node, "right")];
  const operator = String(node.operator);
  if (isText(node) && operator === "+") return [];
  const at = operatorAt(node, place);
  const edits = (ARITHMETIC[operator] ?? []).map((text): Edit => ({ ...at, text, operator: "arithmetic" }));
  const other = RELATIONAL[operator];
  if (other) edits.push({ ...at, text: other, operator: "relational" });
  if (operator === "+" || operator === "-") {
    edits.push({ start: left.end, end: right.end, text: "", operator: "dropped-term" });
  }
  if (operator === "+") {
    edits.push({ start: left.start, end: right.start, text: "", operator: "dropped-term" });
  }
  return edits;
}

function logical(node: Node, place: Place): Edit[] {
  const operator = String(node.operator);
  if (operator === "??") return [];
  const [left, right] = [child(node, "left"), child(node, "right")];
  return [
    { ...operatorAt(node, place), text: operator === "&&" ? "||" : "&&", operator: "boolean" },
    { start: left.end, end: right.end, text: "", operator: "skipped-check" },
    { start: left.start, end: right.start, text: "", operator: "skipped-check" },
  ];
}

function unary(node: Node, place: Place): Edit[] {
  const argument = child(node, "argument");
  const inside = textOf(argument, place);
  if (node.operator === "!") return [replaced(node, inside, "boolean")];
  if (node.operator === "-" && argument.type !== "NumericLiteral") {
    return [replaced(node, inside, "arithmetic")];
  }
  return [];
}

function conditional(node: Node, place: Place): Edit[] {
  const [yes, no] = [child(node, "consequent"), child(node, "alternate")];
  const between = place.text.slice(yes.end, no.start);
  const text = textOf(no, place) + between + textOf(yes, place);
  return [{ start: yes.start, end: no.end, text, operator: "boolean" }];
}

function number(node: Node, place: Place): Edit[] {
  const value = Number(node.value);
  if (place.key === "key") return [];
  const raw = textOf(node, place);
  const { parent } = place;
  const indexed = parent?.type === "MemberExpression" && parent.computed && place.key === "property";
  if (indexed && value <= 3) return [replaced(node, `${value ^ 1}`, "swapped-axis")];
  if (!Number.isInteger(value)) return [replaced(node, `(${raw} + 1)`, "constant")];
  return [replaced(node, /^\d+$/.test(raw) ? `${value + 1}` : `(${raw} + 1)`, "off-by-one")];
}

/** Tables are indexed by names, which have no neighbour. */
const NAMED = /type|name|kind|key|operator|family/i;

function member(node: Node, place: Place): Edit[] {
  const property = child(node, "property");
  if (!node.computed || property.type === "NumericLiteral" || property.type === "StringLiteral") return [];
  const index = textOf(property, place);
  if (NAMED.test(index) || property.type === "UnaryExpression") return [];
  return [replaced(property, `${index} + 1`, "off-by-one")];
}

/** Fields under which an identifier is declared or only names a field. */
const DECLARES = new Set(["id", "params", "label", "local", "imported", "param"]);

function identifier(node: Node, place: Place): Edit[] {
  if (place.pattern || DECLARES.has(place.key)) return [];
  const { parent } = place;
  if (place.key === "key" || parent?.shorthand === true) return [];
  const other = otherAxis(String(node.name));
  if (other === null || !place.near.has(other)) return [];
  return [{
    start: node.start,
    end: node.start + String(node.name).length,
    text: other,
    operator: "swapped-axis",
  }];
}

/** Neighbours in a list change places. */
function neighbours(node: Node, place: Place): Edit[] {
  const elements = node.elements as readonly (Node | null)[];
  return elements.slice(1).flatMap((after, i): Edit[] => {
    const before = elements[i]!;
    if (
      !before || !after ||
      [before, after].some(({ type }) => type === "SpreadElement" || type === "RestElement")
    ) {
      return [];
    }
    const text = textOf(after, place) + place.text.slice(before.end, after.start) + textOf(before, place);
    return [{ start: before.start, end: after.end, text, operator: "swapped-axis" }];
  });
}

const DOES_SOMETHING = new Set(["AssignmentExpression", "UpdateExpression", "CallExpression"]);

function statement(node: Node): Edit[] {
  const expression = child(node, "expression");
  if (!DOES_SOMETHING.has(expression.type)) return [];
  if (expression.type === "CallExpression" && child(expression, "callee").type === "Super") return [];
  return [replaced(node, ";", "dropped-statement")];
}

function assignment(node: Node, place: Place): Edit[] {
  const at = operatorAt(node, place);
  return (ARITHMETIC[String(node.operator)] ?? []).map((text) => ({ ...at, text, operator: "arithmetic" }));
}

/** What may go wrong at a node. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  BinaryExpression: binary,
  LogicalExpression: logical,
  UnaryExpression: unary,
  ConditionalExpression: conditional,
  IfStatement: (node) => [
    replaced(child(node, "test"), "true", "skipped-check"),
    replaced(child(node, "test"), "false", "skipped-check"),
  ],
  NumericLiteral: number,
  BooleanLiteral: (node) => [replaced(node, `${!node.value}`, "boolean")],
  MemberExpression: member,
  Identifier: identifier,
  ArrayPattern: neighbours,
  ArrayExpression: neighbours,
  CallExpression: callFaults,
  ExpressionStatement: statement,
  AssignmentExpression: assignment,
};
