/**
 * The variants of the matrix product, as data, and the guess at which is best where nobody has measured.
 *
 * @module
 */

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

const shared = (
  name: string,
  tile: Variant["tile"],
  part: Variant["part"],
  kStep: number,
  stages: 1 | 2,
): Variant => ({ name, shares: "workgroup", tile, part, kStep, stages });

const broadcast = (name: string, tile: Variant["tile"]): Variant => ({
  name,
  shares: "subgroup",
  tile,
  part: [tile[0], 4],
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
  shared("128x128", [128, 128], [8, 8], 16, 1),
  shared("128x128 twice", [128, 128], [8, 8], 8, 2),
  shared("128x64", [128, 64], [8, 4], 16, 1),
  shared("64x128", [64, 128], [4, 8], 16, 1),
  shared("64x64", [64, 64], [4, 8], 16, 1),
  shared("64x64 twice", [64, 64], [4, 8], 8, 2),
  shared("32x128", [32, 128], [4, 8], 16, 1),
  shared("16x128", [16, 128], [4, 4], 16, 1),
  shared("32x32", [32, 32], [4, 4], 16, 1),
  broadcast("subgroup 16x4", [16, 256]),
  broadcast("subgroup 8x4", [8, 256]),
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

/** The variant of that name. */
export function named(name: string, abilities: Abilities): Variant {
  const found = VARIANTS.find((each) => each.name === name);
  if (!found) throw new RangeError(`webgpu: no variant is called ${name}`);
  const lacks = missing(found, abilities);
  if (lacks) {
    throw new RangeError(`webgpu: the variant ${name} takes ${lacks}, which this adapter does not have`);
  }
  return found;
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

/** Above this parallelism the adapter is a GPU, not a few cores. */
const MANY_LANES = 4096;
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

/**
 * The variant that is asked for; else registers for a few cores, and for a GPU the tile whose lanes have the least to do.
 * Against large tiles speak the rows and columns that hang over the edge and processors that get none, against small
 * ones how often each number is loaded.
 */
export function pick(
  { variant, abilities, parallelism }: Pick<Emitter, "variant" | "abilities" | "parallelism">,
  extents: Extents,
): Variant {
  if (variant) return variant;
  if (parallelism < MANY_LANES) return REGISTERS;
  const cost = (tile: Variant): number => {
    const [m, n] = tile.tile;
    const tiles = extents.groups * Math.ceil(extents.rows / m) * Math.ceil(extents.columns / n);
    const lanes = tiles * lanesOf(tile) * usefulSplits(extents, tile, parallelism);
    const idle = Math.ceil(lanes / parallelism) * parallelism / lanes;
    return tiles * m * n * (1 + 1 / tile.part[0] + 1 / tile.part[1]) * Math.min(idle, MOST_IDLE);
  };
  return candidates(abilities).filter(({ shares }) => shares === "workgroup")
    .reduce((best, each) => cost(each) < cost(best) ? each : best);
}

/** A GPU that has a tenth of its lanes at work is slowed down by less than ten times: those have the memory for themselves. */
const MOST_IDLE = 8;
