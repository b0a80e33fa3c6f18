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
   * Who shares what was loaded: nobody, a lane keeps a tile in its registers (for cores; `gemm.ts` knows its numbers); a
   * workgroup, through its memory; or a subgroup, whose lanes send each other the rows and load columns of their own.
   */
  readonly shares: "lane" | "workgroup" | "subgroup";
  /** Rows and columns of the tile. */
  readonly tile: readonly [number, number];
  /** Rows and columns of a lane's part. */
  readonly part: readonly [number, number];
  /** How many k are loaded at once; by a subgroup, as many as its lanes can hold. */
  readonly kStep: number;
  /** Copies of the loaded tiles: with two of them, one is filled while the other is used, and one barrier is enough. */
  readonly stages: 1 | 2;
}

const by = (extents: readonly number[]) => extents.join("x");

const shared = (
  tile: Variant["tile"],
  part: Variant["part"],
  kStep: number,
  stages: 1 | 2,
): Variant => ({
  name: `${by(tile)} by ${by(part)}${stages === 2 ? " twice" : ""}`,
  shares: "workgroup",
  tile,
  part,
  kStep,
  stages,
});

const broadcast = (rows: number): Variant => ({
  name: `subgroup ${rows}x4`,
  shares: "subgroup",
  tile: [rows, 256],
  part: [rows, 4],
  kStep: 0,
  stages: 1,
});

/** What gemm.ts, matmul.ts and conv2d.ts do by themselves. */
export const REGISTERS: Variant = {
  name: "registers",
  shares: "lane",
  tile: [0, 0],
  part: [0, 0],
  kStep: 1,
  stages: 1,
};

/** All variants. */
export const VARIANTS: readonly Variant[] = [
  REGISTERS,
  shared([128, 128], [8, 8], 16, 1),
  shared([128, 128], [8, 8], 8, 2),
  shared([128, 64], [8, 8], 16, 1),
  shared([128, 64], [8, 4], 16, 1),
  shared([64, 128], [4, 8], 16, 1),
  shared([64, 64], [8, 8], 8, 2),
  shared([64, 64], [4, 8], 16, 1),
  shared([32, 128], [4, 8], 16, 1),
  shared([16, 128], [4, 4], 16, 1),
  shared([32, 32], [4, 4], 16, 1),
  broadcast(16),
  broadcast(8),
];

/** How many lanes work on a tile. */
export function lanesOf({ tile, part }: Variant): number {
  return tile[0] / part[0] * (tile[1] / part[1]);
}

/** What a kernel may use of its adapter. */
export interface Abilities {
  /** Lanes of the smallest subgroup; 0 without the feature. */
  readonly subgroup: number;
  readonly workgroupBytes: number;
  readonly workgroupLanes: number;
}

/** The memory of a workgroup: a vec4 of rows or columns each, and one between two k so that banks do not collide. */
export function workgroupBytes({ shares, tile, kStep, stages }: Variant): number {
  return shares === "workgroup" ? stages * kStep * (tile[0] / 4 + tile[1] / 4 + 2) * 16 : 0;
}

/** Why the adapter cannot run a variant; null where it can. */
export function missing(variant: Variant, abilities: Abilities): string | null {
  if (variant.shares === "subgroup" && abilities.subgroup < variant.part[0] / 4) return "subgroups";
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
}

/** The fewest k that are worth a split of their own. */
const LEAST_K = 128;

/** How many times a tile's sum may be split, so that the adapter is busy. */
export function usefulSplits(
  { groups, rows, columns, depth }: Extents,
  variant: Variant,
  lanes: number,
): number {
  const [m, n] = variant.tile;
  const own = groups * Math.ceil(rows / m) * Math.ceil(columns / n) * lanesOf(variant);
  return Math.max(1, Math.min(Math.ceil(lanes / Math.max(1, own)), Math.floor(depth / LEAST_K)));
}

/** How dear it is to read a number from the memory of the workgroup, and from the cache of the GPU, in multiply-adds. */
const [SHARED, CACHED] = [1, 12];
/** A GPU that has few of its lanes at work is slowed down less than that: those have the memory for themselves. */
const MOST_IDLE = 8;

/** A guess at the time a GPU takes. */
function cost(extents: Extents, variant: Variant, parallelism: number): number {
  const { tile: [m, n], part: [tall, wide] } = variant;
  // Rows and columns that hang over the edge take as long as others.
  const tiles = extents.groups * Math.ceil(extents.rows / m) * Math.ceil(extents.columns / n);
  const lanes = tiles * lanesOf(variant) * usefulSplits(extents, variant, parallelism);
  const idle = Math.min(Math.ceil(lanes / parallelism) * parallelism / lanes, MOST_IDLE);
  return tiles * m * n * (1 + SHARED * (1 / tall + 1 / wide) + CACHED * (1 / m + 1 / n)) * idle;
}

/** What cores choose from, besides registers: the least that lanes can share. */
const SMALLEST = 32;

/** The variant for a product: what was measured or asked for, else registers for cores, and for a GPU the cheapest guess. */
export function pick(
  { choose, abilities, parallelism }: Pick<Emitter, "choose" | "abilities" | "parallelism">,
  extents: Extents,
): Variant {
  const able = candidates(abilities);
  if (onCores(parallelism)) {
    return choose("product", able.filter(({ tile }) => tile[0] <= SMALLEST), REGISTERS);
  }
  const guess = able.filter(({ shares }) => shares === "workgroup").reduce((best, each) =>
    cost(extents, each, parallelism) < cost(extents, best, parallelism) ? each : best
  );
  return choose("product", able, guess);
}
