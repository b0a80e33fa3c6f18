/**
 * Local response normalisation in one pass forward and one backward, where the composition would take dozens. An
 * invocation takes a run of maps at one pixel: each value is loaded once for all the windows that it is in.
 *
 * @module
 */

import type { LocalResponseNormAttributes } from "../../../tensor/ops/normalize.ts";
import type { PlanValue } from "../values.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<LocalResponseNormAttributes>;

/** How many maps an invocation normalises. */
const RUN = 8;

/** x^beta for positive x; the paper's 3/4 from two roots, which are exact within rounding where a power is not. */
function power(beta: number): string {
  const body = beta === 0.75 ? "let r = sqrt(x);\n  return r * sqrt(r);" : "return exp2(p.beta * log2(x));";
  return `fn power(x: f32) -> f32 {\n  ${body}\n}`;
}

interface Plan {
  readonly params: Record<string, number>;
  readonly invocations: number;
  /** Maps that are loaded: the run and its neighbours, numbered from -before. */
  readonly loaded: readonly number[];
  /** The maps of the window of map m of the run. */
  readonly window: (m: number) => readonly number[];
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Lays out the runs; for the gradient the window is reversed. */
function plan({ attributes: { size, groups }, shapes }: Context, reversed: boolean): Plan {
  const [batch, channels, height, width] = shapes[0]! as readonly [number, number, number, number];
  const [long, short] = [Math.floor(size / 2), size - 1 - Math.floor(size / 2)];
  const [before, after] = reversed ? [short, long] : [long, short];
  const maps = channels / groups;
  const runs = Math.ceil(maps / RUN);
  return {
    params: { pixels: height * width, maps, runs },
    invocations: batch * groups * runs * height * width,
    loaded: range(-before, RUN + after),
    window: (m) => range(m - before, m + after + 1),
  };
}

/** Which maps an invocation has; neighbouring lanes take neighbouring pixels. */
const PLACE = `
  let pixel = i % p.pixels;
  let run = i / p.pixels;
  let first = run % p.runs * ${RUN}u;
  let tower = run / p.runs * p.maps * p.pixels;
  let base = tower + first * p.pixels + pixel;`;

/** Whether a map is in the tower; before its first map, the number wraps round to a large one. */
const exists = (map: number) => `first + ${map >>> 0}u < p.maps`;
const at = (map: number) => `base + ${map >>> 0}u * p.pixels`;
const name = (prefix: string, map: number) => `${prefix}${map < 0 ? `_${-map}` : map}`;
const sum = (terms: readonly string[]) => terms.join(" + ");

/** Loads a map and squares it; what is not there is 0. */
function loadSquare(map: number): string {
  const [x, square] = [name("x", map), name("s", map)];
  return `
  var ${x} = 0.0;
  if (${exists(map)}) { ${x} = f32(x(${at(map)})); }
  let ${square} = ${x} * ${x};`;
}

/** The scale of the map with this window. */
function scaleOf(window: readonly number[]): string {
  return `(p.k + p.alpha * (${sum(window.map((map) => name("s", map)))}))`;
}

function emitForward(context: Context): void {
  const { alpha, beta, k } = context.attributes;
  const x = context.contiguous(context.inputs[0]!);
  const y = context.outputs[0]!;
  const { params, invocations, loaded, window } = plan(context, false);
  const element = elementOf(x);
  const stores = range(0, RUN).map((m) => `
  if (${exists(m)}) { set_y(${at(m)}, ${element}(${name("x", m)} / power(${scaleOf(window(m))}))); }`);
  context.dispatch({
    bindings: [
      { name: "x", value: x, element, access: "read" },
      { name: "y", value: y, element, access: "write" },
    ],
    params,
    floats: { alpha, beta, k },
    functions: power(beta),
    body: [PLACE, ...loaded.map(loadSquare), ...stores].join(""),
    invocations,
  });
}

function emitGradient(context: Context): void {
  const { alpha, beta, k } = context.attributes;
  const [dy, x] = context.inputs.map((view) => context.contiguous(view));
  const { params, invocations, loaded, window } = plan(context, true);
  const read = (binding: string, value: PlanValue) =>
    ({ name: binding, value, element: elementOf(value), access: "read" }) as const;
  // The scales of the neighbours are made again, from their own neighbours: loading them would take longer.
  const { window: scaled } = plan(context, false);
  const squares = range(scaled(loaded[0]!)[0]!, scaled(loaded.at(-1)!).at(-1)! + 1).map(loadSquare);
  // direct: dy scale^-beta; share: what the map sends to its neighbours, direct x / scale.
  const lines = loaded.map((map) => {
    const [a, direct, share] = ["x", "direct", "share"].map((prefix) => name(prefix, map));
    return `
  var ${direct} = 0.0;
  var ${share} = 0.0;
  if (${exists(map)}) {
    let scale = ${scaleOf(scaled(map))};
    ${direct} = f32(dy(${at(map)})) / power(scale);
    ${share} = ${direct} * ${a} / scale;
  }`;
  });
  const stores = range(0, RUN).map((m) => `
  if (${exists(m)}) { store(${at(m)}, ${name("direct", m)} - p.factor * ${name("x", m)} * (${
    sum(window(m).map((map) => name("share", map)))
  })); }`);
  const sink = context.sink();
  context.dispatch({
    bindings: [read("dy", dy!), read("x", x!), ...sink.bindings],
    params: { ...params, ...sink.params },
    floats: { alpha, beta, k, factor: 2 * alpha * beta },
    functions: `${power(beta)}\n${sink.functions}`,
    body: [PLACE, ...squares, ...lines, ...stores].join(""),
    invocations,
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
