/**
 * Writes the shader of the product that lanes work on together: load a tile of each side, share it, multiply; at the end,
 * store. What differs between variants is who shares, in `throughMemory` and `throughSubgroup`.
 *
 * @module
 */

import type { Dispatch } from "../shader.ts";
import {
  bindingOf,
  freeFunction,
  freeText,
  type Loaders,
  type Loading,
  loading,
  type Side,
} from "./operand.ts";
import { type Axes, range } from "./shapes.ts";
import { BLOCK, type Targets } from "./splits.ts";
import type { Variant } from "./variants.ts";

/** A product with all that its shader depends on. */
export interface Layout {
  readonly variant: Variant;
  readonly a: Side;
  readonly b: Side;
  readonly k: Axes;
  readonly loadA: Loaders;
  readonly loadB: Loaders;
  readonly columns: Axes;
  readonly outColumns: Axes;
  readonly storeWidth: 1 | 4;
}

/** How many k are written out in the shader: Mesa would unroll a loop that it sees the end of, and take seconds. */
const UNROLLED = 4;
/** As many rows of tiles are worked on together: their columns are read from the cache. */
const BAND = 8;

/** The shader of a layout. */
export function productShader(
  layout: Layout,
  { sink, sums: rowSums }: Targets,
): Pick<Dispatch, "bindings" | "functions" | "body"> {
  const { variant, a, b, columns, outColumns, loadA, loadB } = layout;
  const [height, width] = variant.tile;
  const [tallPart, widePart] = variant.part;
  const shared = variant.shares === "workgroup";
  const fromA = loading(a, loadA, `rowTile * ${height}u`, "p.rows");
  const fromB = loading(b, loadB, `columnTile * ${width}u`, "p.columns", rowSums !== null);
  const { kStep } = loadA;
  const sums = range(tallPart).flatMap((m) => range(widePart / 4).map((t) => `${m}_${t}`));
  const memory = (name: string, stride: number) =>
    `var<workgroup> ${name}_tile: array<vec4<f32>, ${variant.stages * kStep * stride}>;`;
  return {
    bindings: [bindingOf(a), bindingOf(b), ...sink.bindings, ...(rowSums?.bindings ?? [])],
    functions: [
      ...(shared ? [memory("a", fromA.stride), memory("b", fromB.stride)] : []),
      freeFunction(a, [1, 1, 1]),
      freeFunction(b, columns),
      freeText("out_at", (axis) => `p.out_${axis}`, outColumns),
      sink.functions,
      rowSums?.functions ?? "",
    ].join("\n"),
    body: `
  let tiles = p.rowTiles * p.columnTiles;
  let group = number / tiles / p.splits;
  let split = number / tiles % p.splits;
  // Bands of rows of tiles, down and then to the right.
  let inBand = number % tiles % (${BAND}u * p.columnTiles);
  let firstRow = number % tiles / (${BAND}u * p.columnTiles) * ${BAND}u;
  let bandRows = min(${BAND}u, p.rowTiles - firstRow);
  let rowTile = firstRow + inBand % bandRows;
  let columnTile = inBand / bandRows;
  let kFirst = split * p.kPerSplit;
  let kEnd = min(kFirst + p.kPerSplit, p.depth);
  ${places(variant, loadA)}
  ${fromA.before}
  ${fromB.before}
  ${sums.map((at) => `var sum${at} = vec4<f32>();`).join("\n  ")}
  ${shared ? `${fromA.fetch}\n    ${fromB.fetch}` : ""}
  // Sums of a block are added up apart from the total: in f32 the rounding of a long sum grows with its length.
  for (var k = kFirst; k < kEnd; ) {
    ${sums.map((at) => `var c${at} = vec4<f32>();`).join("\n    ")}
    for (let end = min(k + ${BLOCK}u, kEnd); k < end; k += ${kStep}u) {
    ${
      shared
        ? throughMemory(layout, fromA, fromB)
        : `${fromA.fetch}\n    ${fromB.fetch}\n    ${throughSubgroup(layout, fromA, fromB)}`
    }
    }
    ${sums.map((at) => `sum${at} += c${at};`).join("\n    ")}
  }
  ${stores(layout, rowSums !== null)}`,
  };
}

/** Where a lane's part is. A subgroup's lanes are 8 by 4 parts, so that they read few different vec4s of either side. */
function places({ shares, tile, part }: Variant, { lanes }: Loaders): string {
  if (shares === "subgroup") {
    return `let laneX = lane;\n  let laneY = 0u;\n  let holder = subgroupLane % ${lanes}u;`;
  }
  const across = tile[1] / part[1] / 8;
  return `let laneX = lane % 8u + lane / 32u % ${across}u * 8u;
  let laneY = lane / 8u % 4u + lane / ${32 * across}u * 4u;`;
}

/** c += a b^T for a lane's vec4s of a and b at one k. */
function outerProduct(
  [tall, wide]: readonly [number, number],
  a: (q: number) => string,
  b: (t: number) => string,
): string {
  const lines = [
    ...range(tall / 4).map((q) => `let a_v${q} = ${a(q)};`),
    ...range(wide / 4).map((t) => `let b_v${t} = ${b(t)};`),
    ...range(tall).flatMap((m) =>
      range(wide / 4).map((t) =>
        `c${m}_${t} = fma(vec4<f32>(a_v${m >> 2}.${"xyzw"[m & 3]}), b_v${t}, c${m}_${t});`
      )
    ),
  ];
  return `{ ${lines.join("\n      ")} }`;
}

/** Shares the fetched tiles, fetches the next ones meanwhile, and multiplies. */
function throughMemory({ variant, loadA }: Layout, fromA: Loading, fromB: Loading): string {
  const { part, stages } = variant;
  const { kStep } = loadA;
  const [down, across] = [variant.tile[0] / part[0], variant.tile[1] / part[1]];
  const stage = (name: string, stride: number) =>
    `let ${name}_stage = ${stages === 1 ? "0u" : `k / ${kStep}u % 2u * ${kStep * stride}u`};`;
  const one = (s: number) =>
    outerProduct(
      part,
      (q) => `a_tile[a_at_k + ${s * fromA.stride + q * down}u]`,
      (t) => `b_tile[b_at_k + ${s * fromB.stride + t * across}u]`,
    );
  return `
    ${stage("a", fromA.stride)}
    ${stage("b", fromB.stride)}
    ${stages === 1 ? "workgroupBarrier();" : ""}
    ${fromA.keep}
    ${fromB.keep}
    workgroupBarrier();
    ${fromA.fetch}
    ${fromB.fetch}
    for (var s = 0u; s < ${kStep}u * p.one; s += ${UNROLLED}u) {
      let a_at_k = a_stage + s * ${fromA.stride}u + laneY;
      let b_at_k = b_stage + s * ${fromB.stride}u + laneX;
      ${range(UNROLLED).map(one).join("\n      ")}
    }`;
}

/** Broadcasts rows from the lanes that hold them; columns are a lane's own. */
function throughSubgroup({ variant, a, loadA }: Layout, fromA: Loading, fromB: Loading): string {
  const vectors = variant.part[0] / 4;
  const holder = (q: number, s: number) => a.order.startsWith("k") ? q * loadA.kStep + s : s * vectors + q;
  const one = (s: number) =>
    outerProduct(
      variant.part,
      (q) => `subgroupBroadcast(${fromA.registers[0]}, ${holder(q, s)}u)`,
      () => fromB.registers[s]!,
    );
  return range(loadA.kStep).map(one).join("\n    ");
}

/**
 * The tile goes through a local array so that a loop with run-time bounds stores it: a driver that unrolled its guarded
 * stores would compile for seconds.
 */
function stores({ variant, a, b, storeWidth }: Layout, rowSums: boolean): string {
  const [height, width] = variant.tile;
  const [tall, wide] = variant.part;
  const [down, across] = [height / tall, width / wide];
  const row = `let v = laneY + (m >> 2u) * ${down}u;
      let row = rowTile * ${height}u + ${
    a.adjacent ? "4u * v + (m & 3u)" : `v + (m & 3u) * ${height / 4}u`
  };`;
  const column = (c: number) =>
    `columnTile * ${width}u + ${
      b.adjacent ? `4u * (laneX + t * ${across}u) + ${c}u` : `laneX + t * ${across}u + ${c * width / 4}u`
    }`;
  const columns = range(storeWidth === 4 ? 1 : 4);
  const each = columns.map((c) => {
    const put = storeWidth === 4
      ? "store_four((at + to0) / 4u, value)"
      : `store(at + to${c}, value.${"xyzw"[c]})`;
    const putSum = `if (j${c} == p.columns) { store_sum(sums_origin + row, value.${"xyzw"[c]}); }`;
    return `if (j${c} < p.columns) { ${put}; }${rowSums ? ` ${putSum}` : ""}`;
  });
  return `
  var results: array<vec4<f32>, ${tall * wide / 4}>;
  ${
    range(tall).flatMap((m) => range(wide / 4).map((t) => `results[${t * tall + m}] = sum${m}_${t};`)).join(
      "\n  ",
    )
  }
  ${rowSums ? "let sums_origin = split * p.sums_split + group * p.rows;" : ""}
  let origin = p.out_start + group * p.out_group + split * p.out_split;
  for (var t = 0u; t < ${wide / 4}u * p.one; t++) {
    ${columns.map((c) => `let j${c} = ${column(c)};\n    let to${c} = out_at(j${c});`).join("\n    ")}
    for (var m = 0u; m < ${tall}u * p.one; m++) {
      ${row}
      if (row >= p.rows) { continue; }
      let at = origin + row * p.out_row;
      let value = results[t * ${tall}u + m];
      ${each.join("\n      ")}
    }
  }`;
}
