/**
 * Reductions in two stages: partial results over interleaved elements, so that neighbouring lanes read neighbours, then
 * the partials in their order. No atomics: the same bits every time.
 *
 * @module
 */

import type { ReduceAttributes } from "../../../tensor/ops/reduction.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import { ELEMENT } from "../shader.ts";
import { type PlanValue, simplify, type View } from "../values.ts";
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

function emitReduction(context: KernelContext<ReduceAttributes>, rule: Rule): void {
  const { axes } = context.attributes;
  const input = context.inputs[0]!;
  const { shape, strides } = input;
  const part = (wanted: (axis: number) => boolean): View => {
    const kept = [...shape.keys()].filter(wanted);
    return { ...input, shape: kept.map((axis) => shape[axis]!), strides: kept.map((axis) => strides[axis]!) };
  };
  const outer = part((axis) => !axes.includes(axis));
  const inner = part((axis) => axes.includes(axis));
  const outputs = context.outputs[0]!.length;
  const elements = sizeOf(inner.shape);
  const wanted = Math.ceil(context.parallelism / Math.max(1, outputs));
  const useful = Math.min(wanted, Math.floor(elements / LEAST_ELEMENTS), 256);
  const partials = Math.max(useful, elements > LONG ? Math.ceil(Math.sqrt(elements)) : 1);
  const { dtype } = input.value;

  if (partials === 1) {
    emitStage(context, rule, {
      input,
      outer,
      inner,
      outputs,
      elements,
      partials,
      target: context.outputs[0]!,
      final: true,
    });
    return;
  }
  const values = context.temporary(dtype === "f16" ? "f32" : dtype, outputs * partials);
  const places = rule.index ? context.temporary("i32", outputs * partials) : undefined;
  emitStage(context, rule, {
    input,
    outer,
    inner,
    outputs,
    elements,
    partials,
    target: values,
    places,
    final: false,
  });
  const row = (value: PlanValue, offset: number): View => ({
    value,
    shape: [partials],
    strides: [1],
    offset,
  });
  const rows: View = { value: values, shape: [outputs], strides: [partials], offset: 0 };
  emitStage(context, rule, {
    input: row(values, 0),
    outer: rows,
    inner: row(values, 0),
    outputs,
    elements: partials,
    partials: 1,
    target: context.outputs[0]!,
    from: places,
    final: true,
  });
}

interface Stage {
  readonly input: View;
  readonly outer: View;
  readonly inner: View;
  readonly outputs: number;
  readonly elements: number;
  readonly partials: number;
  readonly target: PlanValue;
  /** Where partial winners stood: written by the first stage, read by the second. */
  readonly places?: PlanValue | undefined;
  readonly from?: PlanValue | undefined;
  readonly final: boolean;
}

function emitStage(context: KernelContext<ReduceAttributes>, rule: Rule, stage: Stage): void {
  const { input, outputs, elements, partials, target, places, from, final } = stage;
  const element = ELEMENT[input.value.dtype];
  const type = element === "f16" ? "f32" : element;
  const params: Record<string, number> = { elements, partials, offset: input.offset };
  const functions = [
    indexFunction("outer_at", stage.outer, params),
    indexFunction("inner_at", stage.inner, params),
  ];
  const place = from ? "from_place(from_at + n)" : "i32(n)";
  const result = final && rule.index ? "place" : "result";
  context.dispatch({
    bindings: [
      { name: "x", value: input.value, element, access: "read" },
      { name: "y", value: target, element: ELEMENT[target.dtype], access: "write" },
      ...(places ? [{ name: "places", value: places, element: "i32", access: "write" } as const] : []),
      ...(from ? [{ name: "from_place", value: from, element: "i32", access: "read" } as const] : []),
    ],
    params,
    functions: functions.join("\n"),
    body: `
  let output = i / p.partials;
  let base = p.offset + outer_at(output);
  let from_at = output * p.elements;
  var result = ${rule.start(type)};
  var place = -1;
  for (var n = i % p.partials; n < p.elements; n += p.partials) {
    let value = ${type}(x(base + inner_at(n)));
    let at = ${place};
    ${rule.combine(type)}
  }
  set_y(i, ${ELEMENT[target.dtype]}(${result}));
  ${places ? "set_places(i, place);" : ""}`,
    invocations: outputs * partials,
  });
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
