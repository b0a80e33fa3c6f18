/**
 * One register-tiled matrix product whose operands are gathered, for the three passes of conv2d and for matmul:
 *
 *     out[z][m, j] = sum over k of A[z][k, m] * B[z][base(j) + offset(k)]
 *
 * k runs over three nested axes and j over three, each with run-time counts and strides, so a convolution is only an
 * address recipe: no im2col buffer exists. A lane keeps a tile of m x j in registers; for each k it loads the tile's
 * edges as vec4 and adds their outer product. Operands are packed so that vec4s lie along m and along j, or along k.
 *
 * @module
 */

import type { Dispatch } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import type { Emitter, Sink } from "./types.ts";

/** Three nested axes, outermost first. */
export type Axes = readonly [number, number, number];

/** A product. Strides and starts of A and B count vec4s, those of out count elements. */
export interface GemmProblem {
  readonly a: PlanValue;
  readonly b: PlanValue;
  /** The axis along which the vec4s lie; along "k" the last k axis counts vec4s. */
  readonly aAlong: "m" | "k";
  readonly bAlong: "j" | "k";
  /** Products that share nothing: groups of a convolution, batches of a matmul. */
  readonly groups: number;
  /** Whether other products make the rest of the output: then k is not split, since splits are summed for all of it. */
  readonly part?: boolean;
  readonly rows: number;
  /** Rows of a lane's tile, as A was packed for. */
  readonly tileRows: number;
  /** Counts of column vectors (four neighbours along the last axis). */
  readonly columns: Axes;
  /** Columns along the last axis, which need not be a multiple of four. */
  readonly columnExtent: number;
  readonly k: Axes;
  /** A lies in the order of k: from one k to the next. */
  readonly aStep: number;
  readonly aGroup: number;
  /** From a tile of rows to the next; along k: from a row to the next. */
  readonly aRow: number;
  /** Along m only while B lies along k: from one k to the next. */
  readonly aSub?: number;
  readonly bStart?: number;
  readonly bStep: Axes;
  readonly bGroup: number;
  readonly bColumn: Axes;
  /** Along k only: from a column to the next. */
  readonly bLane?: number;
  /** Along j only while A lies along k: from one k to the next. */
  readonly bSub?: number;
  readonly outStart?: number;
  readonly outColumn: Axes;
  /** From a column to its neighbour in the vec4. */
  readonly outComponent: number;
  readonly outRow: number;
  readonly outGroup: number;
}

/** What a lane computes at once: more accumulators need more registers than some adapter has to give. */
interface Tile {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** Tiles, by their rows. On software Vulkan 16 x 12 is best; on a GPU 8 x 8 leaves registers to spare. */
export const TILES: readonly Tile[] = [
  { name: "4x8", rows: 4, columns: 8 },
  { name: "8x8", rows: 8, columns: 8 },
  { name: "16x12", rows: 16, columns: 12 },
  { name: "24x8", rows: 24, columns: 8 },
];

/** Tiles where an operand is read along k, four k at once. */
export const TILES_ALONG_K: readonly Tile[] = [
  { name: "4x4", rows: 4, columns: 4 },
  { name: "8x4", rows: 8, columns: 4 },
];

function tileColumns(tileRows: number, alongK: boolean): number {
  return (alongK ? TILES_ALONG_K : TILES).find(({ rows }) => rows === tileRows)!.columns;
}

/** Rows of a lane's tile. */
export function tileRowsFor(rows: number, emitter: Emitter, alongK = false): number {
  const tiles = alongK ? TILES_ALONG_K : TILES;
  const largest = alongK || emitter.parallelism > MANY_LANES ? 8 : 16;
  const guess = tiles.find((tile) => tile.rows >= Math.min(rows, largest))!;
  return emitter.choose(alongK ? "tile along k" : "tile", tiles, guess).rows;
}

/** Above this parallelism the adapter is a GPU, not a few cores. */
const MANY_LANES = 4096;

/** The fewest k that are worth a split of their own. */
const LEAST_K = 64;
/** The most k of a split: Mesa before 23 leaves a loop after 65,535 turns. */
const MOST_K = 1 << 20;

/** How many k are summed before they are added to the total. */
const BLOCK = 32;

/** Emits the product into the emitter's sink; where the output is small and k is long, in splits that are summed after. */
export function emitGemm(emitter: Emitter, problem: GemmProblem): void {
  const { groups, rows, tileRows, k } = problem;
  const width = tileColumns(tileRows, usesK(problem));
  const columns = problem.columns[0] * problem.columns[1] * problem.columns[2];
  const rowTiles = Math.ceil(rows / tileRows);
  const columnTiles = Math.ceil(columns / (width / 4));
  const lanes = groups * rowTiles * columnTiles;
  const depth = k[0] * k[1] * k[2] * (usesK(problem) ? 4 : 1);
  const useful = Math.min(Math.ceil(emitter.parallelism / lanes), Math.ceil(depth / LEAST_K));
  const wanted = problem.part ? 1 : Math.min(Math.max(useful, Math.ceil(depth / MOST_K)), k[0]);
  const k0PerSplit = Math.max(1, Math.ceil(k[0] / Math.max(1, wanted)));
  const splits = Math.max(1, Math.ceil(k[0] / k0PerSplit));
  const outLength = emitter.outputs[0]!.length;

  const partial = splits > 1 ? emitter.temporary("f32", splits * outLength) : null;
  const width4 = storesFour(problem) && outLength % 4 === 0 ? 4 : 1;
  const sink = partial ? partialSink(partial, width4) : emitter.sink(width4);
  emitter.dispatch({
    ...gemmShader(problem, tileRows, width, sink, width4),
    params: {
      ...sink.params,
      rows,
      rowTiles,
      columns,
      columnTiles,
      splits,
      k0PerSplit,
      outSplit: outLength,
      ...parameters(problem),
    },
    invocations: lanes * splits,
    workgroupSize: 32,
  });
  if (partial) emitSum(emitter, partial, splits);
}

function usesK({ aAlong, bAlong }: GemmProblem): boolean {
  return aAlong === "k" || bAlong === "k";
}

/** Adds up the splits, in their order: the same bits every time. */
function emitSum(emitter: Emitter, partial: PlanValue, splits: number): void {
  const length = emitter.outputs[0]!.length;
  const sink = emitter.sink();
  emitter.dispatch({
    bindings: [{ name: "partial", value: partial, element: "f32", access: "read" }, ...sink.bindings],
    params: { ...sink.params, length, splits },
    functions: sink.functions,
    body: `
  var sum = 0.0;
  for (var s = 0u; s < p.splits; s++) { sum += partial(s * p.length + i); }
  store(i, sum);`,
    invocations: length,
  });
}

function partialSink(value: PlanValue, width: 1 | 4): Sink {
  return {
    bindings: [{ name: "partial", value, element: width === 4 ? "vec4<f32>" : "f32", access: "write" }],
    params: {},
    functions: width === 4
      ? "fn store_four(i: u32, v: vec4<f32>) { set_partial(i, v); }"
      : "fn store(e: u32, v: f32) { set_partial(e, v); }",
  };
}

/** Whether the four columns of a vec4 are neighbours in the output too, and every vec4 is complete. */
function storesFour(problem: GemmProblem): boolean {
  const { outStart = 0, outColumn, outComponent, outRow, outGroup, columnExtent } = problem;
  return outComponent === 1 &&
    [outStart, ...outColumn, outRow, outGroup, columnExtent].every((n) => n % 4 === 0);
}

function parameters(problem: GemmProblem): Record<string, number> {
  const { k, aStep, bStep, columns, bColumn, outColumn } = problem;
  // A step that carries into an outer axis also takes back what the inner axes added.
  const wrap = ([s0, s1, s2]: Axes) => [s0 - (k[1] - 1) * s1 - (k[2] - 1) * s2, s1 - (k[2] - 1) * s2, s2];
  const [b0, b1, b2] = wrap(bStep);
  const values = {
    k0: k[0],
    k1: k[1],
    k2: k[2],
    aStep,
    aRow: problem.aRow,
    aGroup: problem.aGroup,
    aSub: problem.aSub ?? 0,
    bCarry0: b0!,
    bCarry1: b1!,
    bCarry2: b2!,
    bK0: bStep[0],
    bStart: problem.bStart ?? 0,
    bGroup: problem.bGroup,
    bLane: problem.bLane ?? 0,
    bSub: problem.bSub ?? 0,
    j1: columns[1],
    j2: columns[2],
    columnExtent: problem.columnExtent,
    bColumn0: bColumn[0],
    bColumn1: bColumn[1],
    bColumn2: bColumn[2],
    outStart: problem.outStart ?? 0,
    outColumn0: outColumn[0],
    outColumn1: outColumn[1],
    outColumn2: outColumn[2],
    outComponent: problem.outComponent,
    outRow: problem.outRow,
    outGroup: problem.outGroup,
    block: usesK(problem) ? BLOCK / 4 : BLOCK,
    one: 1,
  };
  return values;
}

const STORE_EACH = `store(at, v.x);
        if (end > 1u) { store(at + p.outComponent, v.y); }
        if (end > 2u) { store(at + 2u * p.outComponent, v.z); }
        if (end > 3u) { store(at + 3u * p.outComponent, v.w); }`;

const range = (n: number) => [...Array(n).keys()];

/** The shader of a tile of `tm` x `tn`. */
function gemmShader(
  { a, b, aAlong, bAlong }: GemmProblem,
  tm: number,
  tn: number,
  sink: Sink,
  storeWidth: 1 | 4,
): Pick<Dispatch, "bindings" | "functions" | "body"> {
  const rows = range(tm);
  const vectors = range(tn / 4);
  const alongK = aAlong === "k" || bAlong === "k";
  const accumulators = rows.flatMap((m) => vectors.map((t) => `${m}_${t}`));

  // One k, or four where an operand lies along k. Loads stand next to their use to keep few values live.
  const step: string[] = [];
  if (aAlong === "k") { for (const m of rows) step.push(`let a${m} = a(a_at + aBase${m});`); }
  if (bAlong === "k") {
    for (const t of vectors) {
      for (const c of range(4)) step.push(`let b${t}_${c} = b(b_at + bBase${t}_${c});`);
    }
  }
  for (const s of range(alongK ? 4 : 1)) {
    const sub = (operand: string) => s === 0 ? "" : ` + ${s}u * p.${operand}Sub`;
    if (aAlong === "m") {
      for (const q of range(tm / 4)) step.push(`let a${q}_k${s} = a(a_at + ${q}u${sub("a")});`);
    }
    for (const t of vectors) {
      step.push(
        bAlong === "j"
          ? `let b${t}_k${s} = b(b_at + bBase${t}${sub("b")});`
          : `let b${t}_k${s} = vec4<f32>(${range(4).map((c) => `b${t}_${c}.${"xyzw"[s]}`).join(", ")});`,
      );
    }
    for (const m of rows) {
      const factor = aAlong === "m" ? `a${m >> 2}_k${s}.${"xyzw"[m & 3]}` : `a${m}.${"xyzw"[s]}`;
      for (const t of vectors) step.push(`c${m}_${t} += ${factor} * b${t}_k${s};`);
    }
  }

  const bases: string[] = [];
  // Tiles that hang over the edge read the last row or column again; what comes of it is not stored.
  if (aAlong === "k") {
    for (const m of rows) bases.push(`let aBase${m} = min(row + ${m}u, p.rows - 1u) * p.aRow;`);
  }
  for (const t of vectors) {
    bases.push(`let j_${t} = min(columnTile + ${t}u * p.columnTiles, p.columns - 1u);`);
    if (bAlong === "j") bases.push(`let bBase${t} = bAt(j_${t});`);
    else {for (const c of range(4)) {
        bases.push(`let bBase${t}_${c} = min(j_${t} * 4u + ${c}u, p.columnExtent - 1u) * p.bLane;`);
      }}
  }

  return {
    bindings: [
      { name: "a", value: a, element: "vec4<f32>", access: "read" },
      { name: "b", value: b, element: "vec4<f32>", access: "read" },
      ...sink.bindings,
    ],
    functions: `
fn bAt(j: u32) -> u32 {
  let j01 = j / p.j2;
  return j01 / p.j1 * p.bColumn0 + j01 % p.j1 * p.bColumn1 + j % p.j2 * p.bColumn2;
}
fn outAt(j: u32) -> u32 {
  let j01 = j / p.j2;
  return j01 / p.j1 * p.outColumn0 + j01 % p.j1 * p.outColumn1 + j % p.j2 * p.outColumn2;
}
${sink.functions}`,
    body: `
  // Neighbouring lanes take neighbouring columns: B is coalesced, and A is one address for most of a subgroup.
  let tiles = p.rowTiles * p.columnTiles;
  let z = i / tiles;
  let group = z / p.splits;
  let split = z % p.splits;
  let columnTile = i % tiles % p.columnTiles;
  let rowTile = i % tiles / p.columnTiles;
  let row = rowTile * ${tm}u;
  var a_at = group * p.aGroup + split * p.k0PerSplit * p.k1 * p.k2 * p.aStep${
      aAlong === "m" ? " + rowTile * p.aRow" : ""
    };
  var b_at = p.bStart + group * p.bGroup + split * p.k0PerSplit * p.bK0;
  ${bases.join("\n  ")}
  ${accumulators.map((at) => `var sum${at} = vec4<f32>();`).join("\n  ")}
  let kCount = min(p.k0PerSplit, p.k0 - split * p.k0PerSplit) * p.k1 * p.k2;
  var k1 = 0u;
  var k2 = 0u;
  // Sums of a block are added up apart from the total: in f32 the rounding of a long sum grows with its length.
  for (var k = 0u; k < kCount; ) {
    ${accumulators.map((at) => `var c${at} = vec4<f32>();`).join("\n    ")}
    // One loop; the carries between the k axes are selects, so lanes never diverge and the body exists once.
    for (let end = min(k + p.block, kCount); k < end; k++) {
      ${step.join("\n      ")}
      k2 += 1u;
      let carry2 = k2 == p.k2;
      k1 += select(0u, 1u, carry2);
      let carry1 = k1 == p.k1;
      k2 = select(k2, 0u, carry2);
      k1 = select(k1, 0u, carry1);
      a_at += p.aStep;
      b_at += select(p.bCarry2, select(p.bCarry1, p.bCarry0, carry1), carry2);
    }
    ${accumulators.map((at) => `sum${at} += c${at};`).join("\n    ")}
  }
  // The tile goes through a local array so that a loop with run-time bounds stores it: a driver that unrolled ${
      tm * tn
    }
  // guarded stores would compile for seconds.
  var tile: array<vec4<f32>, ${tm * tn / 4}>;
  ${rows.flatMap((m) => vectors.map((t) => `tile[${t * tm + m}] = sum${m}_${t};`)).join("\n  ")}
  let rowEnd = min(${tm}u, p.rows - row) * p.one;
  for (var t = 0u; t < ${vectors.length}u * p.one; t++) {
    let j = columnTile + t * p.columnTiles;
    if (j < p.columns) {
      var at = p.outStart + group * p.outGroup + split * p.outSplit + row * p.outRow + outAt(j);
      let end = p.columnExtent - j % p.j2 * 4u;
      for (var m = 0u; m < rowEnd; m++) {
        let v = tile[t * ${tm}u + m];
        ${storeWidth === 4 ? "store_four(at / 4u, v);" : STORE_EACH}
        at += p.outRow;
      }
    }
  }`,
  };
}
