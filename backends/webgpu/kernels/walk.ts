/**
 * How reductions find the elements of views: what a stage of one reads and writes, and in which order.
 *
 * @module
 */

import { type Binding, readOf, writeOf } from "../shader.ts";
import { type PlanValue, simplify, type View } from "../values.ts";

/** What is left to reduce. */
export interface Stage {
  readonly value: PlanValue;
  readonly offset: number;
  /** The axes of the results, and those that are reduced. */
  readonly outer: View;
  readonly inner: View;
  /** Where partial winners stood, from the stage before. */
  readonly places?: PlanValue;
}

/** The arrays of a stage, which puts its results into `target`, and the places of winners into `places` where others ask for them. */
export function stageBindings(
  { value, places: from }: Stage,
  target: PlanValue,
  places: PlanValue | undefined,
): Binding[] {
  return [
    readOf("x", value),
    writeOf("y", target),
    ...places ? [writeOf("places", places)] : [],
    ...from ? [readOf("from_place", from)] : [],
  ];
}

/** Whether results are closer together in memory than what one is made of: then neighbouring lanes have those beside each other. */
export function liesBeside(outer: View, inner: View): boolean {
  const step = (view: View) => Math.abs(simplify(view).strides.at(-1) ?? Infinity);
  return step(outer) < step(inner);
}

/**
 * Code that walks `element` over a view from number `n` on, so many numbers a step: a division an element would cost more
 * than the element. The step is added axis by axis, and what leaves an axis is carried to the one outside of it.
 */
export function walkOver(
  view: View,
  step: number,
  params: Record<string, number>,
): { readonly start: string; readonly step: string } {
  const { shape, strides } = simplify(view);
  const start = ["var rest = n;"];
  const lines = ["var carry = 0u;"];
  let rest = step;
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const [extent, stride, move] = ["extent", "stride", "move"].map((name) => `${name}${axis}`);
    params[extent!] = shape[axis]!;
    params[stride!] = strides[axis]!;
    params[move!] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    start.push(
      `var c${axis} = rest % p.${extent};`,
      `rest /= p.${extent};`,
      `element += c${axis} * p.${stride};`,
    );
    lines.push(
      `let was${axis} = c${axis};`,
      `c${axis} += p.${move} + carry;`,
      `carry = select(0u, 1u, c${axis} >= p.${extent});`,
      `c${axis} -= carry * p.${extent};`,
      `element += (c${axis} - was${axis}) * p.${stride};`,
    );
  }
  params.stride0 = strides[0] ?? 0;
  params.move0 = rest;
  start.push("element += rest * p.stride0;");
  lines.push("element += (p.move0 + carry) * p.stride0;");
  return { start: start.join("\n  "), step: lines.join("\n    ") };
}

/** Declares the function from a row-major number to the place in memory, the offset left out. */
export function indexFunction(name: string, view: View, params: Record<string, number>): string {
  const { shape, strides } = simplify(view);
  const lines = ["  var rest = n;", "  var at = 0u;"];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    params[`${name}_stride${axis}`] = strides[axis]!;
    if (axis > 0) {
      params[`${name}_extent${axis}`] = shape[axis]!;
      lines.push(
        `  at += rest % p.${name}_extent${axis} * p.${name}_stride${axis};`,
        `  rest /= p.${name}_extent${axis};`,
      );
    } else lines.push(`  at += rest * p.${name}_stride0;`);
  }
  return `fn ${name}(n: u32) -> u32 {\n${lines.join("\n")}\n  return at;\n}`;
}
