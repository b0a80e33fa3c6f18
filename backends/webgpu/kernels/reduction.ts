/**
 * Reductions in stages: partial results, then those of the partial results, in their order. No atomics: the same bits
 * every time.
 *
 * @module
 */

import type { ReduceAttributes } from "../../../tensor/ops/reduction.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import { onCores } from "../cores.ts";
import { ELEMENT } from "../shader.ts";
import { type PlanValue, simplify, type View } from "../values.ts";
import { timesOf } from "./multiples.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

/** How a reduction starts and goes on; `T` is the type it is computed in. */
interface Rule {
  readonly start: (T: string) => string;
  readonly combine: (T: string) => string;
  /** Whether the result is the place of the winner, not its value. */
  readonly index?: boolean;
}

const extreme = (operator: string, index: boolean): Rule => ({
  start: (T) => `${T}(0)`,
  // place < 0 marks that nothing was seen; an equal value wins only from an earlier place.
  combine: () =>
    `if (place < 0 || value ${operator} result || (value == result && at < place)) { result = value; place = at; }`,
  index,
});

const RULES: Readonly<Record<"sum" | "prod" | "max" | "min" | "argmax" | "argmin", Rule>> = {
  sum: { start: (T) => `${T}(0)`, combine: () => "result += value;" },
  prod: { start: (T) => `${T}(1)`, combine: () => "result *= value;" },
  max: extreme(">", false),
  min: extreme("<", false),
  argmax: extreme(">", true),
  argmin: extreme("<", true),
};

/** The fewest elements that are worth a partial result of their own. */
const LEAST_ELEMENTS = 32;
/**
 * Above so many elements there are as many partials as each has elements: the rounding of a sum grows with its length, and
 * Mesa before 23 leaves a loop after 65,535 turns.
 */
const LONG = 1024;
/** A processor's core adds up so many partials sooner than it starts another dispatch, a GPU only few. */
const FEW = 64;

/** What is left to reduce. */
interface Stage {
  readonly value: PlanValue;
  readonly offset: number;
  /** The axes of the results, and those that are reduced. */
  readonly outer: View;
  readonly inner: View;
  /** Where partial winners stood, from the stage before. */
  readonly places?: PlanValue;
}

function emitReduction(context: KernelContext<ReduceAttributes>, rule: Rule): void {
  const input = context.inputs[0]!;
  const { shape, strides, value, offset } = input;
  const part = (reduced: boolean): View => {
    const kept = [...shape.keys()].filter((axis) => context.attributes.axes.includes(axis) === reduced);
    return { ...input, shape: kept.map((axis) => shape[axis]!), strides: kept.map((axis) => strides[axis]!) };
  };
  emitStages(context, rule, { value, offset, outer: part(false), inner: part(true) });
}

/** Emits a stage, and those that reduce its partial results. */
function emitStages(context: KernelContext<ReduceAttributes>, rule: Rule, stage: Stage): void {
  const { parallelism } = context;
  const cores = onCores(parallelism);
  const outputs = context.outputs[0]!.length;
  const elements = sizeOf(stage.inner.shape);
  const first = stage.value === context.inputs[0]!.value;
  const useful = Math.min(
    Math.ceil(parallelism / Math.max(1, outputs)),
    Math.floor(elements / LEAST_ELEMENTS),
    cores ? 256 : Infinity,
  );
  const guess = first || (!cores && elements > FEW)
    ? Math.max(1, useful, elements > LONG ? Math.ceil(Math.sqrt(elements)) : 1)
    : 1;
  const wanted = guess === 1 ? 1 : Math.ceil(guess * timesOf(context, "partials"));
  // Neighbouring lanes read neighbours: of one result, or of results beside each other where those are closer.
  const step = (view: View) => Math.abs(simplify(view).strides.at(-1) ?? Infinity);
  const beside = step(stage.outer) < step(stage.inner);
  // A lane of a core is alone with its cache lines, and has a part of its own.
  const chunked = cores || beside;
  const chunk = Math.max(1, Math.ceil(elements / wanted));
  const partials = chunked ? Math.max(1, Math.ceil(elements / chunk)) : wanted;
  const spread = { outputs, elements, partials, chunk, beside, chunked };
  if (partials === 1) {
    emitStage(context, rule, stage, spread, context.outputs[0]!);
    return;
  }
  const { dtype } = stage.value;
  const value = context.temporary(dtype === "f16" ? "f32" : dtype, outputs * partials);
  const places = rule.index ? context.temporary("i32", outputs * partials) : undefined;
  emitStage(context, rule, stage, spread, value, places);
  emitStages(context, rule, {
    value,
    offset: 0,
    outer: { value, shape: [outputs], strides: [1], offset: 0 },
    inner: { value, shape: [partials], strides: [outputs], offset: 0 },
    ...(places && { places }),
  });
}

/** How a stage's elements are spread over lanes. */
interface Spread {
  readonly outputs: number;
  readonly elements: number;
  readonly partials: number;
  /** Elements of a partial result. */
  readonly chunk: number;
  /** Whether neighbouring lanes work for neighbouring results, or for parts of one. */
  readonly beside: boolean;
  /** Whether a part's elements are neighbours, or one from each row of as many as there are parts. */
  readonly chunked: boolean;
}

function emitStage(
  context: KernelContext<ReduceAttributes>,
  rule: Rule,
  stage: Stage,
  { outputs, elements, partials, chunk, beside, chunked }: Spread,
  target: PlanValue,
  places?: PlanValue,
): void {
  const { value, offset } = stage;
  const element = ELEMENT[value.dtype];
  const type = element === "f16" ? "f32" : element;
  const [start, span, step] = chunked ? [chunk, chunk, 1] : [1, elements, partials];
  const params: Record<string, number> = { elements, outputs, partials, offset, start, span, step };
  const outer = indexFunction("outer_at", stage.outer, params);
  const walk = walkOver(stage.inner, step, params);
  const from = stage.places;
  const result = rule.index && target === context.outputs[0] ? "place" : "result";
  context.dispatch({
    bindings: [
      { name: "x", value, element, access: "read" },
      { name: "y", value: target, element: ELEMENT[target.dtype], access: "write" },
      ...(places ? [{ name: "places", value: places, element: "i32", access: "write" } as const] : []),
      ...(from ? [{ name: "from_place", value: from, element: "i32", access: "read" } as const] : []),
    ],
    params,
    functions: outer,
    body: `
  let whole = i / ${beside ? "p.outputs" : "p.partials"};
  let rest_of_i = i - whole * ${beside ? "p.outputs" : "p.partials"};
  let output = ${beside ? "rest_of_i" : "whole"};
  let part = ${beside ? "whole" : "rest_of_i"};
  var result = ${rule.start(type)};
  var place = -1;
  var n = part * p.start;
  var element = p.offset + outer_at(output);
  ${walk.start}
  for (let end = min(n + p.span, p.elements); n < end; n += p.step) {
    let value = ${type}(x(element));
    let at = ${from ? "from_place(element)" : "i32(n)"};
    ${rule.combine(type)}
    ${walk.step}
  }
  set_y(part * p.outputs + output, ${ELEMENT[target.dtype]}(${result}));
  ${places ? "set_places(part * p.outputs + output, place);" : ""}`,
    invocations: outputs * partials,
  });
}

/**
 * Code that walks `element` over a view from number `n` on, so many numbers a step: a division an element would cost more
 * than the element. The step is added axis by axis, and what leaves an axis is carried to the one outside of it.
 */
function walkOver(
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
function indexFunction(name: string, view: View, params: Record<string, number>): string {
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

const kernel = (rule: Rule): DispatchKernel<ReduceAttributes> => ({
  kind: "dispatch",
  emit: (context) => emitReduction(context, rule),
});

/** The table of the family. */
export const reductionKernels: KernelsOf<typeof import("../../../tensor/ops/reduction.ts")> = {
  sum: kernel(RULES.sum),
  prod: kernel(RULES.prod),
  max: kernel(RULES.max),
  min: kernel(RULES.min),
  argmax: kernel(RULES.argmax),
  argmin: kernel(RULES.argmin),
};
