/**
 * Reductions in two stages: partial results, then those of the partial results, in their order. No atomics: the same bits
 * every time. A GPU's lanes share theirs (`reduction_shared.ts`); here each is on its own.
 *
 * @module
 */

import type { ReduceAttributes } from "../../../tensor/ops/reduction.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import { ELEMENT } from "../shader.ts";
import type { PlanValue, View } from "../values.ts";
import { timesOf } from "./multiples.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";
import { indexFunction, liesBeside, type Stage, stageBindings, walkOver } from "./walk.ts";

/** How a reduction starts and goes on; `T` is the type it is computed in. */
export interface Rule {
  readonly start: (T: string) => string;
  readonly combine: (T: string) => string;
  /** Whether the result is the place of the winner, not its value; undefined where nothing wins. */
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
/** The most partials of a result: a core adds up so many sooner than it starts another dispatch. */
const MOST_PARTIALS = 256;

function emitReduction(context: KernelContext<ReduceAttributes>, rule: Rule): void {
  const input = context.inputs[0]!;
  const { shape, strides, value, offset } = input;
  const part = (reduced: boolean): View => {
    const kept = [...shape.keys()].filter((axis) => context.attributes.axes.includes(axis) === reduced);
    return { ...input, shape: kept.map((axis) => shape[axis]!), strides: kept.map((axis) => strides[axis]!) };
  };
  const stage = { value, offset, outer: part(false), inner: part(true) };
  if (!context.gpu?.sharedReduction(context, rule, stage)) emitStages(context, rule, stage);
}

/** Emits a stage, and those that reduce its partial results. */
function emitStages(context: KernelContext<ReduceAttributes>, rule: Rule, stage: Stage): void {
  const outputs = context.outputs[0]!.length;
  const elements = sizeOf(stage.inner.shape);
  const useful = Math.min(
    Math.ceil(context.parallelism / Math.max(1, outputs)),
    Math.floor(elements / LEAST_ELEMENTS),
    MOST_PARTIALS,
  );
  const guess = stage.value === context.inputs[0]!.value
    ? Math.max(1, useful, elements > LONG ? Math.ceil(Math.sqrt(elements)) : 1)
    : 1;
  const wanted = guess === 1 ? 1 : Math.ceil(guess * timesOf(context, "partials"));
  const chunk = Math.max(1, Math.ceil(elements / wanted));
  const partials = Math.max(1, Math.ceil(elements / chunk));
  // Where a part starts, how far it goes, and from one element of it to the next.
  const spread = {
    elements,
    outputs,
    partials,
    offset: stage.offset,
    start: chunk,
    span: chunk,
    step: 1,
  };
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

function emitStage(
  context: KernelContext<ReduceAttributes>,
  rule: Rule,
  stage: Stage,
  params: Record<"outputs" | "partials", number> & Record<string, number>,
  target: PlanValue,
  places?: PlanValue,
): void {
  const { value } = stage;
  const beside = liesBeside(stage.outer, stage.inner);
  const element = ELEMENT[value.dtype];
  const type = element === "f16" ? "f32" : element;
  const outer = indexFunction("outer_at", stage.outer, params);
  const walk = walkOver(stage.inner, 1, params);
  const from = stage.places;
  const result = rule.index && target === context.outputs[0] ? "place" : "result";
  context.dispatch({
    bindings: stageBindings(stage, target, places),
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
    invocations: params.outputs * params.partials,
  });
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
