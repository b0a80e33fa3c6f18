// The faults of calls in TypeScript: the wrong op, a dropped op, the wrong end of a list.

import type { Edit, Operator } from "./edit.ts";
import { nameOf, type Node, type Place } from "./typescript.ts";

/** Functions and methods that are taken for each other. */
const SWAPPED: Readonly<Record<string, readonly [string, Operator]>> = {
  mul: ["add", "swapped-op"],
  add: ["sub", "swapped-op"],
  sub: ["add", "swapped-op"],
  div: ["mul", "swapped-op"],
  less: ["greater", "swapped-op"],
  greater: ["less", "swapped-op"],
  sqrt: ["square", "swapped-op"],
  rsqrt: ["sqrt", "swapped-op"],
  some: ["every", "boolean"],
  every: ["some", "boolean"],
  maximum: ["minimum", "min-max"],
  minimum: ["maximum", "min-max"],
  argmax: ["argmin", "min-max"],
  argmin: ["argmax", "min-max"],
  max: ["min", "min-max"],
  min: ["max", "min-max"],
  ceil: ["floor", "rounding"],
  floor: ["ceil", "rounding"],
  push: ["unshift", "wrong-element"],
  unshift: ["push", "wrong-element"],
  find: ["findLast", "wrong-element"],
  indexOf: ["lastIndexOf", "wrong-element"],
};

/** Calls that leave their operand something of the same type: dropped, they give the operand. */
const DROPPED =
  /^(neg|transpose|flip|detach|square|sqrt|sigmoid|tanh|relu|reverse|sort|filter|slice|ceil|floor|trunc|round|fround|abs)$/;
/** Ops of two operands, of which the first remains. */
const BINARY = /^(mul|div|add|sub)$/;

/** In the code that gives out memory a wrong element is a wrong slot. */
const named = (operator: Operator, { file }: Place): Operator =>
  operator === "wrong-element" && /webgpu\/(compile|plan)\.ts$/.test(file) ? "wrong-slot" : operator;

/** What may go wrong at a call. */
export function callFaults(node: Node, place: Place): Edit[] {
  const callee = node.callee as Node;
  const args = node.arguments as readonly Node[];
  const name = nameOf(callee);
  if (name === "" || node.type !== "CallExpression") return [];
  const method = callee.type === "MemberExpression" && (callee.object as Node).name !== "Math";
  const math = callee.type === "MemberExpression" && !method;
  const edits: Edit[] = [];
  const swapped = Object.hasOwn(SWAPPED, name) ? SWAPPED[name]! : null;
  if (swapped && (callee.type === "MemberExpression" || place.names.has(swapped[0]))) {
    const end = callee.end;
    edits.push({ start: end - name.length, end, text: swapped[0], operator: named(swapped[1], place) });
  }
  const operand = method ? callee.object as Node : args[0];
  if (operand && (DROPPED.test(name) || BINARY.test(name) && args.length === (method ? 1 : 2))) {
    const text = place.text.slice(operand.start, operand.end);
    edits.push({ start: node.start, end: node.end, text, operator: "dropped-op" });
  }
  if (math && /^(min|max)$/.test(name)) {
    for (const arg of args.filter(({ type }) => type !== "SpreadElement")) {
      const text = place.text.slice(arg.start, arg.end);
      edits.push({ start: node.start, end: node.end, text, operator: "skipped-check" });
    }
  }
  if (name === "at" && args[0]?.type === "UnaryExpression") {
    edits.push({
      start: args[0].start,
      end: args[0].end,
      text: "0",
      operator: named("wrong-element", place),
    });
  }
  return edits;
}
