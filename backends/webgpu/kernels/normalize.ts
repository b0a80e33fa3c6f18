/**
 * Local response normalisation in one pass forward and one backward, where the composition would take dozens. An
 * invocation slides over a run of maps at one pixel, some maps a turn: each value is loaded once for all the windows that
 * it is in.
 *
 * @module
 */

import type { LocalResponseNormAttributes } from "../../../tensor/ops/normalize.ts";
import { onCores } from "../cores.ts";
import type { Binding } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<LocalResponseNormAttributes>;

/** How many maps a turn of the loop normalises. */
const TURN = 8;

/** x^beta for positive x; the paper's 3/4 from two roots, which are exact within rounding where a power is not. */
function power(beta: number): string {
  const body = beta === 0.75 ? "let r = sqrt(x);\n  return r * sqrt(r);" : "return exp2(p.beta * log2(x));";
  return `fn power(x: f32) -> f32 {\n  ${body}\n}`;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const name = (prefix: string, map: number) => `${prefix}${map < 0 ? `_${-map}` : map}`;

/** What differs between the passes. */
interface Pass {
  readonly bindings: readonly Binding[];
  readonly params?: Readonly<Record<string, number>>;
  readonly floats: Readonly<Record<string, number>>;
  readonly functions: string;
  /** Whether windows are reversed, as a gradient's are. */
  readonly reversed: boolean;
  /** What is kept of a map while windows hold it; the element is `at`. */
  readonly load: readonly (readonly [variable: string, value: string])[];
  /** What a window sums of a map. */
  readonly term: (map: number) => string;
  /** Stores a map's element `at`, given the sum of its window. */
  readonly store: (map: number, sum: string) => string;
}

/** How many maps an invocation slides over: all of a tower, if that leaves enough invocations. */
function runOf(maps: number, lanes: number, parallelism: number): number {
  const turns = Math.ceil(maps / TURN);
  const runs = Math.min(turns, Math.ceil((onCores(parallelism) ? 4 : 1) * parallelism / Math.max(1, lanes)));
  return Math.ceil(turns / Math.max(1, runs)) * TURN;
}

/** Neighbouring lanes take neighbouring pixels. Maps are numbered from the first one that a turn stores. */
function emit({ attributes: { size, groups }, shapes, parallelism, dispatch }: Context, pass: Pass): void {
  const [batch, channels, height, width] = shapes[0]! as readonly [number, number, number, number];
  const [long, short] = [Math.floor(size / 2), size - 1 - Math.floor(size / 2)];
  const [before, after] = pass.reversed ? [short, long] : [long, short];
  const [pixels, maps] = [height * width, channels / groups];
  const run = runOf(maps, batch * groups * pixels, parallelism);
  const runs = Math.ceil(maps / run);
  const kept = pass.load.map(([variable]) => variable);
  // Before the tower's first map, the number wraps round to a large one.
  const load = (map: number) => `
    ${kept.map((variable) => `var ${name(variable, map)} = 0.0;`).join(" ")}
    if (map + ${map >>> 0}u < p.maps) {
      let at = origin + (map + ${map >>> 0}u) * p.pixels;
      ${pass.load.map(([variable, value]) => `let ${variable} = ${value};`).join("\n      ")}
      ${kept.map((variable) => `${name(variable, map)} = ${variable};`).join(" ")}
    }`;
  const store = (map: number) => `
    if (map + ${map}u < end) {
      let at = origin + (map + ${map}u) * p.pixels;
      ${pass.store(map, range(map - before, map + after + 1).map(pass.term).join(" + "))}
    }`;
  const slide = (map: number) =>
    kept.map((variable) => `${name(variable, map)} = ${name(variable, map + TURN)};`).join(" ");
  dispatch({
    bindings: pass.bindings,
    params: { pixels, maps, run, runs, ...pass.params },
    floats: pass.floats,
    functions: pass.functions,
    body: `
  let line = i / p.pixels;
  let tower = line / p.runs;
  let origin = tower * p.maps * p.pixels + i - line * p.pixels;
  var map = (line - tower * p.runs) * p.run;
  let end = min(map + p.run, p.maps);
  ${range(-before, after).map(load).join("")}
  for (; map < end; map += ${TURN}u) {
    ${range(after, after + TURN).map(load).join("")}
    ${range(0, TURN).map(store).join("")}
    ${range(-before, after).map(slide).join("\n    ")}
  }`,
    invocations: batch * groups * runs * pixels,
  });
}

const read = (binding: string, value: PlanValue) =>
  ({ name: binding, value, element: elementOf(value), access: "read" }) as const;

function emitForward(context: Context): void {
  const { alpha, beta, k } = context.attributes;
  const x = context.contiguous(context.inputs[0]!);
  const [y, scale] = context.outputs;
  const element = elementOf(x);
  emit(context, {
    bindings: [
      read("x", x),
      { name: "y", value: y!, element, access: "write" },
      { name: "scale", value: scale!, element, access: "write" },
    ],
    floats: { alpha, beta, k },
    functions: power(beta),
    reversed: false,
    load: [["x_at", "f32(x(at))"]],
    term: (map) => `${name("x_at", map)} * ${name("x_at", map)}`,
    store: (map, sum) => `
      let scale = p.k + p.alpha * (${sum});
      set_scale(at, ${element}(scale));
      set_y(at, ${element}(${name("x_at", map)} / power(scale)));`,
  });
}

function emitGradient(context: Context): void {
  const { alpha, beta } = context.attributes;
  const [dy, x, scale] = context.inputs.map((view) => context.contiguous(view));
  const sink = context.sink();
  emit(context, {
    bindings: [read("dy", dy!), read("x", x!), read("scale", scale!), ...sink.bindings],
    params: sink.params,
    floats: { beta, factor: 2 * alpha * beta },
    functions: `${power(beta)}\n${sink.functions}`,
    reversed: true,
    load: [
      ["inverse", "1.0 / f32(scale(at))"],
      ["x_at", "f32(x(at))"],
      // dy scale^-beta, and what the map sends to its neighbours.
      ["direct", "f32(dy(at)) * power(inverse)"],
      ["share", "direct * x_at * inverse"],
    ],
    term: (map) => name("share", map),
    store: (map, sum) => `store(at, ${name("direct", map)} - p.factor * ${name("x_at", map)} * (${sum}));`,
  });
}

function elementOf({ dtype }: PlanValue): "f16" | "f32" {
  return dtype === "f16" ? "f16" : "f32";
}

/** The table of the family. */
export const normalizeKernels: KernelsOf<typeof import("../../../tensor/ops/normalize.ts")> = {
  localResponseNorm: { kind: "dispatch", emit: emitForward } as DispatchKernel<LocalResponseNormAttributes>,
  localResponseNormGradient: {
    kind: "dispatch",
    fuses: true,
    emit: emitGradient,
  } as DispatchKernel<LocalResponseNormAttributes>,
};
