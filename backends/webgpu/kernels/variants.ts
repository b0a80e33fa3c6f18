/**
 * The variants of the matrix product, as data, and the guess at which is best where nobody has measured.
 *
 * @module
 */

import { onCores } from "../cores.ts";
import type { Emitter } from "./types.ts";

/** A variant: how an output is cut into tiles for workgroups, and a tile into parts for lanes. */
export interface Variant {
  readonly name: string;
  /**
   * Who shares a tile: nobody, a lane keeps its own in its registers (for cores; `gemm.ts` knows its numbers); a
   * workgroup, through its memory; a subgroup, whose lanes send each other the rows and load columns of their own; or
   * a workgroup of whose subgroups each multiplies matrices as a whole (`gemm_matrix.ts`): factors are f16 then.
   */
  readonly shares: "lane" | "workgroup" | "subgroup" | "matrix";
  /** Rows and columns of the tile. */
  readonly tile: readonly [number, number];
  /** Rows and columns of a lane's part, or with matrices of a subgroup's. */
  readonly part: readonly [number, number];
  /** How many k are loaded at once; by a subgroup, as many as its lanes can hold. */
  readonly kStep: number;
  /** Copies of the loaded tiles: with two of them, one is filled while the other is used, and one barrier is enough. */
  readonly stages: 1 | 2;
  /**
   * Whether the sums of 32 k are added up apart from the total: less rounding in a long sum, for twice the registers, which
   * only small parts have to spare. Others are exact enough too: the bound on rounding is that of a plain sum.
   */
  readonly blocks: boolean;
}

const by = (extents: readonly number[]) => extents.join("x");

/** So large a part leaves registers for the sums of blocks. */
const SMALL_PART = 16;

const shared = (
  tile: Variant["tile"],
  part: Variant["part"],
  kStep: number,
  stages: 1 | 2,
  blocks: boolean = part[0] * part[1] <= SMALL_PART,
): Variant => ({
  name: `${by(tile)} by ${by(part)}${stages === 2 ? " twice" : ""}${
    blocks && part[0] * part[1] > SMALL_PART ? " in blocks" : ""
  }`,
  shares: "workgroup",
  tile,
  part,
  kStep,
  stages,
  blocks,
});

const broadcast = (rows: number): Variant => ({
  name: `subgroup ${rows}x4`,
  shares: "subgroup",
  tile: [rows, 256],
  part: [rows, 4],
  kStep: 0,
  stages: 1,
  blocks: false,
});

/** Lanes of a subgroup that multiplies matrices, and rows, columns and k of a matrix. */
export const MATRIX_LANES = 32;
export const MATRIX = 16;

const matrix = (tile: Variant["tile"], part: Variant["part"]): Variant => ({
  name: `matrix ${by(tile)} by ${by(part)}`,
  shares: "matrix",
  tile,
  part,
  kStep: 32,
  stages: 1,
  blocks: false,
});

/** What gemm.ts, matmul.ts and conv2d.ts do by themselves. */
export const REGISTERS: Variant = {
  name: "registers",
  shares: "lane",
  tile: [0, 0],
  part: [0, 0],
  kStep: 1,
  stages: 1,
  blocks: true,
};

/** All variants. Of 96, 48 and 192 rows, as AlexNet's convolutions have them, tiles of 64 and 128 would waste a third. */
export const VARIANTS: readonly Variant[] = [
  REGISTERS,
  shared([256, 128], [16, 8], 8, 1),
  shared([128, 256], [8, 16], 8, 1),
  shared([128, 128], [8, 8], 8, 1),
  shared([128, 128], [8, 8], 16, 1, true),
  shared([128, 128], [8, 8], 8, 2),
  shared([128, 64], [8, 8], 16, 1),
  shared([64, 128], [8, 8], 16, 1),
  shared([128, 64], [8, 4], 16, 1),
  shared([96, 128], [12, 8], 8, 1),
  shared([96, 64], [12, 8], 8, 1),
  shared([48, 256], [12, 8], 8, 1),
  shared([64, 128], [4, 8], 16, 1),
  shared([64, 64], [8, 8], 8, 2),
  shared([64, 64], [4, 8], 16, 1),
  shared([32, 128], [4, 8], 16, 1),
  shared([16, 128], [4, 4], 16, 1),
  shared([32, 32], [4, 4], 16, 1),
  broadcast(16),
  broadcast(8),
  matrix([128, 128], [64, 32]),
  matrix([96, 128], [48, 32]),
  matrix([96, 128], [96, 32]),
  matrix([64, 128], [64, 32]),
  matrix([48, 128], [48, 32]),
  matrix([64, 64], [32, 32]),
  matrix([32, 128], [32, 32]),
  matrix([16, 128], [16, 32]),
];

/** How many lanes work on a tile. */
export function lanesOf({ tile, part, shares }: Variant): number {
  return tile[0] / part[0] * (tile[1] / part[1]) * (shares === "matrix" ? MATRIX_LANES : 1);
}

/** What a kernel may use of its adapter. */
export interface Abilities {
  /** Lanes of the smallest subgroup; 0 without the feature. */
  readonly subgroup: number;
  /** Whether subgroups, of 32 lanes, multiply matrices of 16 x 16 numbers in f16 and sum in f32. */
  readonly matrices: boolean;
  readonly workgroupBytes: number;
  readonly workgroupLanes: number;
}

/**
 * The memory of a workgroup: a vec4 of rows or columns each, and one between two k so that banks do not collide, or with
 * matrices two; and there a row of matrices of each subgroup, on its way out.
 */
export function workgroupBytes(variant: Variant): number {
  const { shares, tile: [height, width], part, kStep, stages } = variant;
  if (shares === "workgroup") return stages * kStep * (height / 4 + width / 4 + 2) * 16;
  if (shares !== "matrix") return 0;
  return stages * kStep * (height / 4 + width / 4 + 4) * 8 +
    lanesOf(variant) / MATRIX_LANES * MATRIX * part[1] * 4;
}

/** Why the adapter cannot run a variant; null where it can. */
export function missing(variant: Variant, abilities: Abilities): string | null {
  if (variant.shares === "subgroup" && abilities.subgroup < variant.part[0] / 4) return "subgroups";
  if (variant.shares === "matrix" && !abilities.matrices) return "matrices in subgroups";
  const bytes = workgroupBytes(variant);
  if (bytes > abilities.workgroupBytes) return `${bytes} bytes of workgroup memory`;
  const lanes = variant.shares === "lane" ? 0 : lanesOf(variant);
  return lanes > abilities.workgroupLanes ? `workgroups of ${lanes}` : null;
}

/** The variants that an adapter can run. */
export function candidates(abilities: Abilities): Variant[] {
  return VARIANTS.filter((each) => missing(each, abilities) === null);
}

/** The size of a product. */
export interface Extents {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Whether both operands are f16. */
  readonly halves: boolean;
}

/** The fewest k that are worth a split of their own. */
const LEAST_K = 128;

/**
 * What things cost a GPU, in multiply-adds: a number read from the memory of the workgroup, or from the cache; one written
 * to memory and read again; for each of its lanes, another dispatch.
 */
const [SHARED, CACHED, FAR, DISPATCH] = [4, 12, 56, 1000];
/** Of larger parts than 8 by 8 fewer find room in the registers. */
const CROWDED = 1.1;
/** So many multiply-adds of matrices take as long as one of a lane's. */
const MATRIX_SPEED = 8;
/** At the end the last lanes are waited for: as long as a part of the time that a GPU takes that is filled once. */
const TAIL = 0.2;

/** A guess at the time a GPU takes when sums are split so many times. */
function cost(extents: Extents, variant: Variant, parallelism: number, splits: number): number {
  const { groups, rows, columns, depth } = extents;
  const { tile: [m, n], part: [tall, wide] } = variant;
  const multiplyAdd = variant.shares === "matrix" ? 1 / MATRIX_SPEED : 1;
  const numbers = SHARED * (1 / tall + 1 / wide) + CACHED * (1 / m + 1 / n);
  const own = m * n / lanesOf(variant);
  const crowded = own > 64 ? CROWDED : 1;
  // Rows and columns that hang over the edge take as long as others.
  const lanes = ownLanes(extents, variant) * splits + TAIL * parallelism;
  return lanes * own * (multiplyAdd + numbers) * crowded * Math.ceil(depth / splits) +
    (splits > 1 ? FAR * groups * rows * columns * splits + DISPATCH * parallelism : 0);
}

function ownLanes({ groups, rows, columns }: Extents, variant: Variant): number {
  const [m, n] = variant.tile;
  return Math.max(1, groups * Math.ceil(rows / m) * Math.ceil(columns / n)) * lanesOf(variant);
}

/** How many times a tile's sum is best split, and what it costs then. */
function bestSplits(
  extents: Extents,
  variant: Variant,
  parallelism: number,
): { readonly splits: number; readonly time: number } {
  // More than what fills the GPU once would have to wait for the rest.
  const most = Math.min(
    Math.floor(parallelism / ownLanes(extents, variant)),
    Math.floor(extents.depth / LEAST_K),
  );
  let best = { splits: 1, time: cost(extents, variant, parallelism, 1) };
  for (let splits = 2; splits <= most; splits++) {
    const time = cost(extents, variant, parallelism, splits);
    if (time < best.time) best = { splits, time };
  }
  return best;
}

/** How many times a tile's sum is split, so that the adapter is busy. */
export function usefulSplits(extents: Extents, variant: Variant, parallelism: number): number {
  return bestSplits(extents, variant, parallelism).splits;
}

/** What cores choose from, besides registers: the least that lanes can share. */
const SMALLEST = 32;

/** The variant for a product: what was measured or asked for, else registers for cores, and for a GPU the cheapest guess. */
export function pick(
  { choose, abilities, parallelism }: Pick<Emitter, "choose" | "abilities" | "parallelism">,
  extents: Extents,
): Variant {
  const cores = onCores(parallelism);
  const able = candidates(abilities).filter(({ shares }) =>
    shares !== "matrix" || (extents.halves && !cores)
  );
  if (cores) return choose("product", able.filter(({ tile }) => tile[0] <= SMALLEST), REGISTERS);
  const time = (variant: Variant) => bestSplits(extents, variant, parallelism).time;
  const guess = able.filter(({ shares }) => shares === "workgroup" || shares === "matrix")
    .reduce((best, each) => time(each) < time(best) ? each : best);
  return choose("product", able, guess);
}
