/**
 * Writes the shader of the product that lanes work on together: load a tile of each side, share it, multiply; at the end,
 * store (`gemm_shared_stores.ts`). What differs between variants is who shares, in `throughMemory` and `throughSubgroup`, and
 * who multiplies: lanes here, subgroups in `gemm_matrix.ts`.
 *
 * @module
 */

import type { Dispatch } from "../shader.ts";
import { DIRECTIVES, matrixFunctions, matrixPlaces, matrixProducts, matrixStores } from "./gemm_matrix.ts";
import { origins, stores } from "./gemm_shared_stores.ts";
import { bindingOf, freeText, type Side, sideFunctions } from "./operand.ts";
import { type Loaders, type Loading, loading } from "./operand_loading.ts";
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
  /** Whether it is for a processor's cores, whose drivers compile long shaders for seconds. */
  readonly cores: boolean;
}

/**
 * How many k are written out in the shader: on a GPU loads of the next are then in flight while lanes multiply. More are in
 * a loop with run-time bounds: Mesa would unroll one that it sees the end of, and take seconds.
 */
const UNROLLED = { cores: 4, gpu: 8 };
/** As many rows of tiles are worked on together: their columns are read from the cache. */
const BAND = 8;

/** The shader of a layout. */
export function productShader(
  layout: Layout,
  { sink, sums: rowSums }: Targets,
): Pick<Dispatch, "directives" | "bindings" | "functions" | "body"> {
  const { variant, a, b, columns, outColumns, loadA, loadB } = layout;
  const [height, width] = variant.tile;
  const [tallPart, widePart] = variant.part;
  const matrices = variant.shares === "matrix";
  const shared = variant.shares !== "subgroup";
  const fromA = loading(a, loadA, `rowTile * ${height}u`, "p.rows");
  const fromB = loading(b, loadB, `columnTile * ${width}u`, "p.columns", rowSums !== null);
  const { kStep } = loadA;
  const sums = matrices ? [] : range(tallPart).flatMap((m) => range(widePart / 4).map((t) => `${m}_${t}`));
  const work = shared
    ? throughMemory(layout, fromA, fromB)
    : `\n    ${fromA.fetch}\n    ${fromB.fetch}\n    ${throughSubgroup(layout, fromA, fromB)}`;
  return {
    directives: matrices ? DIRECTIVES : "",
    bindings: [bindingOf(a), bindingOf(b), ...sink.bindings, ...(rowSums?.bindings ?? [])],
    functions: [
      memory(variant, fromA, fromB),
      sideFunctions(a, [1, 1, 1]),
      sideFunctions(b, columns),
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
  ${
      variant.blocks
        ? inBlocks(sums, kStep, work)
        : `for (var k = kFirst; k < kEnd; k += ${kStep}u) {${work}\n  }`
    }
  ${origins(rowSums !== null)}
  ${matrices ? matrixStores(layout, rowSums !== null) : stores(layout, sink, rowSums !== null)}`,
  };
}

/** Declares the memory that a workgroup's lanes share. */
function memory(variant: Variant, fromA: Loading, fromB: Loading): string {
  const { shares, stages, kStep } = variant;
  if (shares === "matrix") return matrixFunctions(variant, fromA, fromB);
  const tile = (name: string, { stride }: Loading) =>
    `var<workgroup> ${name}_tile: array<vec4<f32>, ${stages * kStep * stride}>;`;
  return shares === "workgroup" ? `${tile("a", fromA)}\n${tile("b", fromB)}` : "";
}

/** In f32 the rounding of a long sum grows with its length: sums of a block are added up apart from the total. */
function inBlocks(sums: readonly string[], kStep: number, work: string): string {
  return `for (var k = kFirst; k < kEnd; ) {
    ${sums.map((at) => `var c${at} = vec4<f32>();`).join("\n    ")}
    for (let end = min(k + ${BLOCK}u, kEnd); k < end; k += ${kStep}u) {${work}
    }
    ${sums.map((at) => `sum${at} += c${at};`).join("\n    ")}
  }`;
}

/**
 * Where a lane's part is. A subgroup's lanes are 8 by 4 parts, or as near to that as the tile allows, so that they read few
 * different vec4s of either side.
 */
function places(variant: Variant, { lanes }: Loaders): string {
  const { shares, tile, part } = variant;
  if (shares === "matrix") return matrixPlaces(variant);
  if (shares === "subgroup") {
    return `let laneX = lane;\n  let laneY = 0u;\n  let holder = subgroupLane % ${lanes}u;`;
  }
  const across = tile[1] / part[1];
  return `let laneX = lane % 8u + lane / 32u % ${across / 8}u * 8u;
  let laneY = lane / 8u % 4u + lane / ${4 * across}u * 4u;`;
}

/** Adds a b^T to the sums, for a lane's vec4s of a and b at one k. */
function outerProduct(
  { part: [tall, wide], blocks }: Variant,
  a: (q: number) => string,
  b: (t: number) => string,
): string {
  const sum = blocks ? "c" : "sum";
  const lines = [
    ...range(tall / 4).map((q) => `let a_v${q} = ${a(q)};`),
    ...range(wide / 4).map((t) => `let b_v${t} = ${b(t)};`),
    ...range(tall).flatMap((m) =>
      range(wide / 4).map((t) =>
        `${sum}${m}_${t} = fma(vec4<f32>(a_v${m >> 2}.${"xyzw"[m & 3]}), b_v${t}, ${sum}${m}_${t});`
      )
    ),
  ];
  return `{ ${lines.join("\n      ")} }`;
}

/** Shares the fetched tiles, fetches the next ones meanwhile, and multiplies. */
function throughMemory(layout: Layout, fromA: Loading, fromB: Loading): string {
  const { variant: { stages }, loadA } = layout;
  const { kStep } = loadA;
  const stage = (name: string, stride: number) =>
    `let ${name}_stage = ${stages === 1 ? "0u" : `k / ${kStep}u % 2u * ${kStep * stride}u`};`;
  return `
    ${stage("a", fromA.stride)}
    ${stage("b", fromB.stride)}
    ${stages === 1 ? "workgroupBarrier();" : ""}
    ${fromA.keep}
    ${fromB.keep}
    workgroupBarrier();
    ${loadA.whole ? `if (k + ${kStep}u < kEnd) {` : ""}
    ${fromA.fetch}
    ${fromB.fetch}
    ${loadA.whole ? "}" : ""}
    ${multiplied(layout, fromA, fromB)}`;
}

/** Multiplies the tiles that lie at `a_stage` and `b_stage`. */
function multiplied(layout: Layout, fromA: Loading, fromB: Loading): string {
  const { variant, loadA: { kStep }, cores } = layout;
  const { part, tile, shares } = variant;
  if (shares === "matrix") return matrixProducts(layout, fromA, fromB);
  const unrolled = cores ? UNROLLED.cores : UNROLLED.gpu;
  const [down, across] = [tile[0] / part[0], tile[1] / part[1]];
  const one = (s: number) =>
    outerProduct(
      variant,
      (q) => `a_tile[a_at_k + ${s * fromA.stride + q * down}u]`,
      (t) => `b_tile[b_at_k + ${s * fromB.stride + t * across}u]`,
    );
  const steps = `
      let a_at_k = a_stage + s * ${fromA.stride}u + laneY;
      let b_at_k = b_stage + s * ${fromB.stride}u + laneX;
      ${range(unrolled).map(one).join("\n      ")}
    `;
  return unrolled === kStep
    ? `{ let s = 0u; ${steps} }`
    : `for (var s = 0u; s < ${kStep}u * p.one; s += ${unrolled}u) {${steps}}`;
}

/** Broadcasts rows from the lanes that hold them; columns are a lane's own. */
function throughSubgroup({ variant, a, loadA }: Layout, fromA: Loading, fromB: Loading): string {
  const vectors = variant.part[0] / 4;
  const holder = (q: number, s: number) => a.order.startsWith("k") ? q * loadA.kStep + s : s * vectors + q;
  const one = (s: number) =>
    outerProduct(
      variant,
      (q) => `subgroupBroadcast(${fromA.registers[0]}, ${holder(q, s)}u)`,
      () => fromB.registers[s]!,
    );
  return range(loadA.kStep).map(one).join("\n    ");
}
