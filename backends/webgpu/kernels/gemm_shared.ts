/**
 * The matrix product for GPUs: whatever was loaded from storage is shared by many lanes, through the memory of a
 * workgroup or by broadcasts in a subgroup. It is the product of `gemm.ts`,
 *
 *     out[z][m, j] = sum over k of A[z][k, m] * B[z][k, j],
 *
 * over operands that are views (`operand.ts`): a convolution is an address recipe, and no operand is packed.
 *
 * Sizes are run-time parameters; a pipeline depends on the variant (`variants.ts`) and on how the operands lie. The sum is
 * in splits that are added up in their order, with some variants in blocks of 32 k: the same bits every time.
 *
 * @module
 */

import { onCores } from "../cores.ts";
import { type Layout, productShader } from "./gemm_shared_shader.ts";
import { timesOf } from "./multiples.ts";
import { byFour, mergeK, nests, type Operand, sideOf, volume } from "./operand.ts";
import { operandParams } from "./operand_loading.ts";
import type { Axes } from "./shapes.ts";
import { BLOCK, targetsOf } from "./splits.ts";
import type { PlanValue } from "../values.ts";
import type { Emitter } from "./types.ts";
import { type Extents, lanesOf, pick, usefulSplits, type Variant } from "./variants.ts";

/** A product. All strides count elements. */
export interface Product {
  /** Products that share nothing: groups of a convolution, batches of a matmul. */
  readonly groups: number;
  readonly rows: number;
  /** Counts of the columns' axes. */
  readonly columns: Axes;
  /** Counts of the axes of the sum. */
  readonly k: Axes;
  readonly a: Operand;
  readonly b: Operand;
  readonly out: {
    readonly start: number;
    readonly group: number;
    readonly row: number;
    readonly column: Axes;
  };
  /** Whether other products make the rest of the output: then k is not split, since splits are summed for all of it. */
  readonly part?: boolean;
  /** Also sums A's rows along k, [groups][rows]: the product with one more column, whose elements are ones. */
  readonly rowSums?: PlanValue;
}

/** The most k of a split: Mesa before 23 leaves a loop after 65,535 turns. */
const MOST_K = 1 << 20;
/** Subgroups may be large: so many lanes hold what is broadcast, the others load it for nothing. */
const MOST_HOLDERS = 16;

/** The size of a product. */
export function extentsOf(
  { groups, rows, columns, k }: Pick<Product, "groups" | "rows" | "columns" | "k">,
  ...operands: readonly PlanValue[]
): Extents {
  const halves = operands.every(({ dtype }) => dtype === "f16");
  return { groups, rows, columns: volume(columns), depth: volume(k), halves };
}

/** Emits the product by the best variant. False: each lane is better off alone. */
export function sharedProduct(emitter: Emitter, product: Product): boolean {
  const variant = pick(emitter, extentsOf(product, product.a.value, product.b.value));
  if (variant.shares === "lane") return false;
  emitProduct(emitter, product, variant);
  return true;
}

/** Emits the product into the emitter's sink; where the output is small and k is long, in splits that are summed after. */
export function emitProduct(emitter: Emitter, product: Product, variant: Variant): void {
  const { rows, columns, out, groups } = product;
  const extents = extentsOf(product, product.a.value, product.b.value);
  const outLength = emitter.outputs[0]!.length;
  const layout = layoutOf(emitter, product, variant);
  const { depth } = extents;
  const useful = usefulSplits(extents, variant, emitter.parallelism) * timesOf(emitter, "splits");
  const wanted = Math.max(Math.ceil(useful), Math.ceil(depth / MOST_K));
  const kPerSplit = Math.max(1, Math.ceil(depth / (product.part ? 1 : wanted) / BLOCK)) * BLOCK;
  const splits = Math.max(1, Math.ceil(depth / kPerSplit));
  const targets = targetsOf(emitter, splits, layout.storeWidth, product);
  const rowTiles = Math.ceil(rows / variant.tile[0]);
  const columnTiles = Math.ceil((extents.columns + (product.rowSums ? 1 : 0)) / variant.tile[1]);
  const lanes = lanesOf(variant);
  emitter.dispatch({
    ...productShader(layout, targets),
    params: {
      ...targets.sink.params,
      sums_split: targets.sumsSplit,
      rows,
      columns: extents.columns,
      rowTiles,
      columnTiles,
      splits,
      kPerSplit,
      depth,
      k1: layout.k[1],
      k2: layout.k[2],
      f1: columns[1],
      f2: columns[2],
      ...operandParams(layout.a, layout.k, layout.loadA),
      ...operandParams(layout.b, layout.k, layout.loadB),
      out_start: out.start,
      out_group: out.group,
      out_row: out.row,
      out_0: out.column[0],
      out_1: out.column[1],
      out_2: out.column[2],
      out_split: outLength,
      one: 1,
    },
    flops: 2 * groups * rows * extents.columns * depth,
    share: groups * rows * extents.columns / outLength,
    together: variant.shares === "subgroup" ? "subgroup" : "workgroup",
    invocations: groups * splits * rowTiles * columnTiles * lanes,
    workgroupSize: lanes,
  });
  targets.finish();
}

function layoutOf(emitter: Emitter, product: Product, variant: Variant): Layout {
  const { rows, columns, out } = product;
  // Edges are found by the digits of k. Where nothing is summed there is nothing to be found.
  const plain = !product.b.edges || volume(product.k) === 0;
  const { counts: k, a, b } = plain
    ? mergeK(product.k, product.a, { ...product.b, edges: undefined })
    : { ...product, counts: product.k };
  // Columns that lie in a row in the output are one axis there.
  const outColumns = nests(columns, out.column) ? [1, 1, volume(columns)] as const : columns;
  const four = out.column[2] === 1 && byFour([
    outColumns[2],
    ...(outColumns === columns ? out.column.slice(0, 2) : []),
    ...[out.start, out.group, out.row, emitter.outputs[0]!.length],
  ]);
  const inSubgroup = variant.shares === "subgroup";
  // Without memory to go through, who loads a column keeps it; and a lane holds one vec4 of rows.
  const never = inSubgroup ? { a: ["k4"], b: ["k", "k4"] } as const : { a: [], b: [] };
  const scalar = variant.shares === "matrix" ? "f16" : "f32";
  const sideA = sideOf("a", a, [1, 1, rows], k, { never: never.a, neighbours: false, scalar });
  const sideB = sideOf("b", b, columns, k, { never: never.b, neighbours: four, scalar });
  const holders = Math.min(emitter.abilities.subgroup, MOST_HOLDERS);
  const kStep = inSubgroup ? holders / (variant.tile[0] / 4) : variant.kStep;
  const lanes = lanesOf(variant);
  // Splits end at multiples of `BLOCK`. In f32 nothing is gained by it.
  const whole = scalar === "f16" && volume(k) > 0 && volume(k) % kStep === 0 && BLOCK % kStep === 0;
  return {
    variant,
    a: sideA,
    b: sideB,
    k,
    columns,
    outColumns,
    loadA: inSubgroup
      ? { lane: "holder", lanes: holders, extent: variant.tile[0], kStep, whole }
      : { lane: "lane", lanes, extent: variant.tile[0], kStep, whole },
    // Where half of the lanes are enough for a side, each side has its own half.
    loadB: {
      lane: inSubgroup ? "lane" : `(${lanes - 1}u - lane)`,
      lanes,
      extent: variant.tile[1],
      kStep,
      whole,
    },
    storeWidth: four && sideB.adjacent ? 4 : 1,
    cores: onCores(emitter.parallelism),
  };
}
