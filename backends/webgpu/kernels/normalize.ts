/**
 * Local response normalisation in one pass forward and one backward, where the composition would take dozens. An
 * invocation slides over a run of maps at one pixel, some maps a turn: each value is loaded once for all the windows that
 * it is in.
 *
 * @module
 */

import type { LocalResponseNormAttributes } from "../../../tensor/ops/normalize.ts";
import { onCores } from "../cores.ts";
import { elementOf, readOf, writeOf } from "../shader.ts";
import { timesOf } from "./multiples.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<LocalResponseNormAttributes>;
type Kernel = DispatchKernel<LocalResponseNormAttributes>;

/** How many maps a turn of the loop normalises. */
const TURN = 8;

/** Windows of up to so many maps are written out, once for each map of a turn; a shader of larger ones would compile for long. */
const MOST_MAPS = 16;

/** x^beta for positive x; the paper's 3/4 from two roots, which are exact within rounding where a power is not. */
function power(beta: number): string {
  const body = beta === 0.75 ? "let r = sqrt(x);\n  return r * sqrt(r);" : "return exp2(p.beta * log2(x));";
  return `fn power(x: f32) -> f32 {\n  ${body}\n}`;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const name = (prefix: string, map: number) => `${prefix}${map < 0 ? `_${-map}` : map}`;

/** How many maps an invocation slides over: all of a tower, if that leaves enough invocations. */
function runOf(context: Context, maps: number, lanes: number): number {
  const { parallelism } = context;
  const turns = Math.ceil(maps / TURN);
  const guess = Math.min(turns, Math.ceil((onCores(parallelism) ? 4 : 1) * parallelism / Math.max(1, lanes)));
  const runs = Math.min(turns, Math.ceil(guess * timesOf(context, "maps")));
  return Math.ceil(turns / Math.max(1, runs)) * TURN;
}

/** What the passes share: the first three belong to the dispatch. */
interface Frame {
  readonly params: Readonly<Record<string, number>>;
  readonly floats: Readonly<Record<string, number>>;
  readonly invocations: number;
  /** A window has so many maps before its own, and after it. */
  readonly long: number;
  readonly short: number;
  /** Declares variables of a map: made of its element `at`, 0 where there is no such map. */
  readonly declare: (map: number, prefixes: readonly string[], lines: string) => string;
  /** Declares the variable x of a map: the element itself. */
  readonly load: (map: number) => string;
  /** The scale of a map, from the variables x of its window. */
  readonly scale: (map: number) => string;
  /** The body: what is known before the first turn, a turn, and which variables the next one knows by another name. */
  readonly body: (
    before: readonly string[],
    turn: readonly string[],
    known: Readonly<Record<string, readonly number[]>>,
  ) => string;
}

/** Neighbouring lanes take neighbouring pixels. Maps are numbered from the first one that a turn stores. */
function frame(context: Context): Frame {
  const { attributes: { size, groups, alpha, beta, k }, shapes } = context;
  const [batch, channels, height, width] = shapes[0]! as readonly [number, number, number, number];
  const [pixels, maps] = [height * width, channels / groups];
  const run = runOf(context, maps, batch * groups * pixels);
  const runs = Math.ceil(maps / run);
  const [long, short] = [Math.floor(size / 2), size - 1 - Math.floor(size / 2)];
  // Before the tower's first map, the number wraps round to a large one.
  const declare: Frame["declare"] = (map, prefixes, lines) => `
    ${prefixes.map((prefix) => `var ${name(prefix, map)} = 0.0;`).join(" ")}${atMap(map, "p.maps", lines)}`;
  return {
    params: { pixels, maps, run, runs },
    floats: { alpha, beta, k, factor: 2 * alpha * beta },
    invocations: batch * groups * runs * pixels,
    long,
    short,
    declare,
    load: (map) => declare(map, ["x"], `${name("x", map)} = f32(images(at));`),
    scale: (map) =>
      `p.k + p.alpha * (${
        range(map - long, map + short + 1).map((other) => `${name("x", other)} * ${name("x", other)}`).join(
          " + ",
        )
      })`,
    body: (before, turn, known) => `
  let line = i / p.pixels;
  let tower = line / p.runs;
  let origin = tower * p.maps * p.pixels + i - line * p.pixels;
  var map = (line - tower * p.runs) * p.run;
  let end = min(map + p.run, p.maps);
  ${before.join("")}
  for (; map < end; map += ${TURN}u) {
    ${turn.join("")}
    ${
      Object.entries(known).flatMap(([prefix, maps]) =>
        maps.map((map) => `${name(prefix, map)} = ${name(prefix, map + TURN)};`)
      ).join("\n    ")
    }
  }`,
  };
}

/** Lines about a map's element `at`, if there are so many maps. */
const atMap = (map: number, end: string, lines: string) => `
    if (map + ${map >>> 0}u < ${end}) {
      let at = origin + (map + ${map >>> 0}u) * p.pixels;
      ${lines}
    }`;

function emitForward(context: Context): void {
  const x = context.contiguous(context.inputs[0]!);
  const y = context.outputs[0]!;
  const element = elementOf(x);
  const { params, floats, invocations, long, short, load, scale, body } = frame(context);
  const known = range(-long, short);
  context.dispatch({
    bindings: [readOf("images", x), writeOf("y", y)],
    params,
    floats,
    functions: power(context.attributes.beta),
    body: body(known.map(load), [
      ...range(short, short + TURN).map(load),
      ...range(0, TURN).map((m) =>
        atMap(m, "end", `set_y(at, ${element}(${name("x", m)} / power(${scale(m)})));`)
      ),
    ], { x: known }),
    invocations,
  });
}

function emitGradient(context: Context): void {
  const [dy, x] = context.inputs.map((view) => context.contiguous(view));
  const { params, floats, invocations, long, short, declare, load, scale, body } = frame(context);
  const sink = context.sink();
  // direct: dy scale^-beta; share: what the map sends to its neighbours, direct x / scale.
  const send = (map: number) => {
    const [direct, share, x] = ["direct", "share", "x"].map((prefix) => name(prefix, map));
    return declare(
      map,
      ["direct", "share"],
      `let inverse = 1.0 / (${scale(map)});
      ${direct} = f32(dy(at)) * power(inverse);
      ${share} = ${direct} * ${x} * inverse;`,
    );
  };
  // The windows of a gradient are reversed.
  const shares = range(-short, long);
  const reach = long + short;
  context.dispatch({
    bindings: [readOf("dy", dy!), readOf("images", x!), ...sink.bindings],
    params: { ...params, ...sink.params },
    floats,
    functions: `${power(context.attributes.beta)}\n${sink.functions}`,
    body: body([...range(-reach, reach).map(load), ...shares.map(send)], [
      ...range(reach, reach + TURN).map(load),
      ...range(long, long + TURN).map(send),
      ...range(0, TURN).map((m) => {
        const sum = range(m - short, m + long + 1).map((map) => name("share", map)).join(" + ");
        return atMap(m, "end", `store(at, ${name("direct", m)} - p.factor * ${name("x", m)} * (${sum}));`);
      }),
    ], { x: range(0, reach), direct: range(0, long), share: shares }),
    invocations,
  });
}

/** Large windows are computed as sums of their own: by the definition. */
const takes = ({ size }: LocalResponseNormAttributes) => size <= MOST_MAPS;

/** The table of the family. */
export const normalizeKernels: KernelsOf<typeof import("../../../tensor/ops/normalize.ts")> = {
  localResponseNorm: { kind: "dispatch", takes, emit: emitForward } as Kernel,
  localResponseNormGradient: { kind: "dispatch", fuses: true, takes, emit: emitGradient } as Kernel,
};
