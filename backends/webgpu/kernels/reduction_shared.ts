/**
 * Reductions for GPUs: the lanes of a workgroup read neighbours, and what they have is put together in the workgroup's
 * memory, as a tree: the same bits every time. What one workgroup a result would be too slow for is reduced in parts by
 * many, and the parts by one.
 *
 * @module
 */

import type { ReduceAttributes } from "../../../tensor/ops/reduction.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import { onCores } from "../cores.ts";
import { ELEMENT } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import { timesOf } from "./multiples.ts";
import type { Rule } from "./reduction.ts";
import { LANES } from "./shapes.ts";
import type { KernelContext } from "./types.ts";
import { indexFunction, liesBeside, type Stage, stageBindings, walkOver } from "./walk.ts";

/** The fewest elements that are worth a lane, and of a part those that are worth it for each of its lanes. */
const [LEAST_A_LANE, LEAST_A_PART] = [4, 16];
/** What waits for memory, and for nothing else, takes so many times as many lanes as keep the adapter busy. */
const WAITING = 4;
/** So many results beside each other are read together. */
const BESIDE = 32;

/** The least power of two that is not less. */
const powerOfTwo = (n: number) => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** Emits the reduction. False: left to lanes on their own. */
export function sharedReduction(
  context: KernelContext<ReduceAttributes>,
  rule: Rule,
  stage: Stage,
): boolean {
  const { parallelism, outputs: [output] } = context;
  if (onCores(parallelism)) return false;
  const outputs = output!.length;
  const elements = sizeOf(stage.inner.shape);
  const beside = liesBeside(stage.outer, stage.inner);
  const most = beside ? LANES / Math.min(BESIDE, powerOfTwo(outputs)) : LANES;
  const team = Math.min(most, powerOfTwo(elements / LEAST_A_LANE));
  const groups = Math.ceil(outputs / (LANES / team));
  const useful = Math.min(
    WAITING * parallelism / LANES / Math.max(1, groups),
    elements / team / LEAST_A_PART,
  );
  const first = stage.value === context.inputs[0]!.value;
  const wanted = first && useful >= 2 ? Math.ceil(Math.floor(useful) * timesOf(context, "partials")) : 1;
  const span = Math.max(1, Math.ceil(elements / wanted / team)) * team;
  // No part is without elements: it would not know what is less than all others.
  const parts = Math.max(1, Math.ceil(elements / span));
  const teams = { outputs, elements, beside, team, groups, span, parts };
  if (parts === 1) {
    emitTeams(context, rule, stage, teams, output!);
    return true;
  }
  const { dtype } = stage.value;
  const value = context.temporary(dtype === "f16" ? "f32" : dtype, outputs * parts);
  const places = rule.index ? context.temporary("i32", outputs * parts) : undefined;
  emitTeams(context, rule, stage, teams, value, places);
  return sharedReduction(context, rule, {
    value,
    offset: 0,
    outer: { value, shape: [outputs], strides: [parts], offset: 0 },
    inner: { value, shape: [parts], strides: [1], offset: 0 },
    ...(places && { places }),
  });
}

/** How a stage's elements are shared out. */
interface Teams {
  readonly outputs: number;
  readonly elements: number;
  /** Whether neighbouring lanes work for neighbouring results, or for one. */
  readonly beside: boolean;
  /** How many lanes of a workgroup work for one result. */
  readonly team: number;
  /** How many workgroups have all results, and into how many parts, for a workgroup each, a result is cut. */
  readonly groups: number;
  readonly parts: number;
  /** Elements of a part, but for the last. */
  readonly span: number;
}

function emitTeams(
  context: KernelContext<ReduceAttributes>,
  rule: Rule,
  stage: Stage,
  { outputs, elements, beside, team, groups, span, parts }: Teams,
  target: PlanValue,
  places?: PlanValue,
): void {
  const { value, offset, places: from } = stage;
  const element = ELEMENT[value.dtype];
  const type = element === "f16" ? "f32" : element;
  const together = LANES / team;
  const params: Record<string, number> = { elements, outputs, parts, offset, span, team, together };
  const outer = indexFunction("outer_at", stage.outer, params);
  const walk = walkOver(stage.inner, team, params);
  const wins = rule.index !== undefined;
  const result = rule.index && target === context.outputs[0] ? "place" : "result";
  context.dispatch({
    bindings: stageBindings(stage, target, places),
    params,
    functions: `${outer}
var<workgroup> team_result: array<${type}, ${LANES}>;
${wins ? `var<workgroup> team_place: array<i32, ${LANES}>;` : ""}`,
    body: `
  let own = ${beside ? "lane / p.together" : "lane % p.team"};
  let output = number / p.parts * p.together + ${beside ? "lane % p.together" : "lane / p.team"};
  let part = number % p.parts;
  var result = ${rule.start(type)};
  var place = -1;
  if (output < p.outputs) {
    var n = part * p.span + own;
    var element = p.offset + outer_at(output);
    ${walk.start}
    for (let end = min((part + 1u) * p.span, p.elements); n < end; n += p.team) {
      let value = ${type}(x(element));
      let at = ${from ? "from_place(element)" : "i32(n)"};
      ${rule.combine(type)}
      ${walk.step}
    }
  }
  team_result[lane] = result;
  ${wins ? "team_place[lane] = place;" : ""}
  for (var half = p.team / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (own < half) {
      let other = lane + half${beside ? " * p.together" : ""};
      let value = team_result[other];
      ${
      wins
        ? `let at = team_place[other];
      // Who saw nothing has nothing to say.
      if (at >= 0) { ${rule.combine(type)} }
      team_place[lane] = place;`
        : rule.combine(type)
    }
      team_result[lane] = result;
    }
  }
  if (own == 0u && output < p.outputs) {
    set_y(output * p.parts + part, ${ELEMENT[target.dtype]}(${result}));
    ${places ? "set_places(output * p.parts + part, place);" : ""}
  }`,
    invocations: groups * parts * LANES,
    workgroupSize: LANES,
    together: "workgroup",
  });
}
