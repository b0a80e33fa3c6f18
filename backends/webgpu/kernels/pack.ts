/**
 * Copies an operand into the layout that the matrix product loads from: vec4s along the axis that its lanes tile, zeros
 * around images and behind the last row, so that the product's inner loop has no bounds to test.
 *
 * @module
 */

import { onCores } from "../cores.ts";
import { UNIFORM_ALIGNMENT, UNIFORM_BYTES } from "../shader.ts";
import type { PlanValue, View } from "../values.ts";
import type { Emitter } from "./types.ts";

/** One axis of the packed array: its extent, and the distance of neighbours in the source. */
export interface PackAxis {
  readonly count: number;
  readonly stride: number;
}

/** An axis of an image: source index = packed index - before; outside 0..extent-1 are zeros. */
export interface PackSpace extends PackAxis {
  readonly before: number;
  readonly extent: number;
}

/** An axis along which the rows of a vec4 move too. */
export interface PackWindow extends PackSpace {
  /** Source indices from a packed index to the next; 1 where left out. */
  readonly step?: number;
  /** Source indices from a row to the next; 0 where left out. */
  readonly slide?: number;
}

/** The packed array is [z][t][y][x][u][v], v counting vec4s; left-out axes have one element. */
export interface PackLayout {
  readonly z?: PackAxis;
  /** Tiles of `tile` rows: tile t starts at row t * tile. */
  readonly t?: PackAxis & { readonly tile: number };
  readonly y?: PackSpace;
  readonly x?: PackWindow;
  readonly u?: PackAxis;
  /** Vec4s along the rows; their stride is four `component`s. */
  readonly v: number;
  /** The distance in the source from a row to the next, and how many rows there are. */
  readonly component: number;
  readonly rows: number;
  /** Where in the source row 0 stands. */
  readonly start?: number;
}

const ONE: PackWindow = { count: 1, stride: 0, before: 0, extent: 1 };

/** An axis without a border. */
export function plainAxis(count: number, stride: number): PackSpace {
  return { count, stride, before: 0, extent: count };
}

/** Emits the copy of `source` and returns it; f16 stays f16, half the bytes. */
export function pack(
  emitter: Emitter,
  source: Pick<View, "value" | "offset">,
  layout: PackLayout,
): PlanValue {
  const {
    z = ONE,
    t = { ...ONE, tile: 0 },
    y = ONE,
    x = ONE,
    u = ONE,
    v,
    component,
    rows,
    start = 0,
  } = layout;
  // A lane walks a run along x: the division that finds its place is dear. A GPU would rather have more lanes.
  const run = onCores(emitter.parallelism) ? 32 : 4;
  const runs = Math.ceil(x.count / run);
  const element = source.value.dtype === "f16" ? "f16" : "f32";
  const length = z.count * t.count * y.count * x.count * u.count * v * 4;
  // Large ones end where the window of a uniform buffer can.
  const lot = length * 4 < UNIFORM_BYTES ? 1 : UNIFORM_ALIGNMENT / 4;
  const packed = emitter.temporary(element, Math.ceil(length / lot) * lot);
  emitter.dispatch({
    bindings: [
      { name: "source", value: source.value, element, access: "read" },
      { name: "packed", value: packed, element: `vec4<${element}>`, access: "write" },
    ],
    params: {
      run,
      runs,
      tCount: t.count,
      yCount: y.count,
      xCount: x.count,
      uCount: u.count,
      vCount: v,
      zStride: z.stride,
      tStride: t.stride,
      yStride: y.stride,
      xStride: x.stride,
      uStride: u.stride,
      yBefore: y.before,
      yExtent: y.extent,
      xBefore: x.before,
      xExtent: x.extent,
      xStep: x.step ?? 1,
      xSlide: x.slide ?? 0,
      tile: t.tile,
      component,
      rows,
      start: source.offset + start,
    },
    functions: `
fn pick(at: u32, inside: bool) -> ${element} {
  return select(0.0, source(at), inside);
}`,
    body: `
  var q = i;
  let v = q % p.vCount;
  q /= p.vCount;
  let u = q % p.uCount;
  q /= p.uCount;
  let first = q % p.runs * p.run;
  q /= p.runs;
  let y = q % p.yCount;
  q /= p.yCount;
  let t = q % p.tCount;
  let z = q / p.tCount;
  let sourceY = y - p.yBefore;
  // How many of the four rows exist; before the first and behind the last line of the image none does.
  let row = t * p.tile + 4u * v;
  let existing = select(0u, p.rows - min(p.rows, row), sourceY < p.yExtent);
  let pixel = first * p.xStep - p.xBefore;
  var sourceX = pixel + 4u * v * p.xSlide;
  var at = p.start + z * p.zStride + t * p.tStride + sourceY * p.yStride + pixel * p.xStride + u * p.uStride +
    4u * v * p.component;
  var to = ((((z * p.tCount + t) * p.yCount + y) * p.xCount + first) * p.uCount + u) * p.vCount + v;
  for (var n = min(p.run, p.xCount - first); n > 0u; n--) {
    set_packed(to, vec4<${element}>(
      pick(at, existing > 0u && sourceX < p.xExtent),
      pick(at + p.component, existing > 1u && sourceX + p.xSlide < p.xExtent),
      pick(at + 2u * p.component, existing > 2u && sourceX + 2u * p.xSlide < p.xExtent),
      pick(at + 3u * p.component, existing > 3u && sourceX + 3u * p.xSlide < p.xExtent),
    ));
    sourceX += p.xStep;
    at += p.xStep * p.xStride;
    to += p.uCount * p.vCount;
  }`,
    invocations: z.count * t.count * y.count * runs * u.count * v,
  });
  return packed;
}
