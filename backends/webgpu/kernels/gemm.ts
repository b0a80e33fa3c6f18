/**
 * One register-tiled matrix product whose operands are gathered, for the three passes of conv2d and for matmul:
 *
 *     out[z][m, j] = sum over k of A[z][k, m] * B[z][base(j) + offset(k)]
 *
 * k runs over three nested axes and j over three, each with run-time counts and strides, so a convolution is only an
 * address recipe: no im2col buffer exists. A lane keeps a tile of m x j in registers; for each k it loads the tile's
 * edges and adds their outer product. Operands are packed so that vec4s lie along m and along j; large ones that lie along k
 * are read where they are, a number a load.
 *
 * @module
 */

import { onCores } from "../cores.ts";
import { UNIFORM_ALIGNMENT, UNIFORM_BYTES } from "../shader.ts";
import { byteLength, type PlanValue } from "../values.ts";
import { gemmShader, TEAM } from "./gemm_registers.ts";
import { timesOf } from "./multiples.ts";
import type { Axes } from "./shapes.ts";
import { BLOCK, targetsOf } from "./splits.ts";
import type { Candidate, Emitter } from "./types.ts";

/** A product. Strides and starts of A and B count what is loaded, vec4s or along k numbers; those of out count elements. */
export interface GemmProblem {
  readonly a: PlanValue;
  readonly b: PlanValue;
  /** The axis along which neighbours lie. */
  readonly aAlong: "m" | "k";
  readonly bAlong: "j" | "k";
  /** Whether A has the tiles of all groups one behind the other, and ends after whole lots of 256 bytes if it is large. */
  readonly panels?: boolean;
  /** Products that share nothing: groups of a convolution, batches of a matmul. */
  readonly groups: number;
  /** Whether other products make the rest of the output: then k is not split, since splits are summed for all of it. */
  readonly part?: boolean;
  readonly rows: number;
  /** A lane's tile, as A was packed for. */
  readonly tile: Tile;
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
  readonly bStart?: number;
  readonly bStep: Axes;
  readonly bGroup: number;
  readonly bColumn: Axes;
  /** Along k only: from a column to the next. */
  readonly bLane?: number;
  readonly outStart?: number;
  readonly outColumn: Axes;
  /** From a column to its neighbour in the vec4. */
  readonly outComponent: number;
  readonly outRow: number;
  readonly outGroup: number;
  /** Also sums A's rows along k, [groups][rows]: the product with one more column, whose elements are ones. */
  readonly rowSums?: PlanValue;
}

/** What a lane computes at once. */
export interface Tile {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

const tiles = (names: string): Tile[] =>
  names.split(" ").map((name) => {
    const [rows, columns] = name.split("x").map(Number) as [number, number];
    return { name, rows, columns };
  });

/** Tiles. A GPU has registers for 8 x 8; on cores what counts is how often a loaded number is used. */
export const TILES: readonly Tile[] = tiles("4x8 4x16 8x8 8x16 16x8 16x16 32x8 48x8");

/** Tiles where an operand is read along k, where each number is a load. */
export const TILES_ALONG_K: readonly Tile[] = tiles("4x8 8x8");

/** What is best by experience, for few rows and for many: measured on software Vulkan, for a GPU a guess. */
const USUAL = {
  small: TILES_ALONG_K,
  cores: tiles("4x16 8x16 16x16"),
  sends: tiles("4x16 8x16 16x8 32x8 48x8 32x8"),
};

/**
 * Whether lanes that have the same rows send each other what each has loaded of them: a core is quick at that, but tests
 * bounds for every lane that loads.
 */
function sendsRows({ parallelism, abilities }: Emitter): boolean {
  return onCores(parallelism) && abilities.subgroup >= TEAM;
}

/** A lane's tile: the first of the usual ones that has all rows, or the last. */
export function tileFor(rows: number, emitter: Emitter, alongK = false): Tile {
  const usual =
    USUAL[alongK || !onCores(emitter.parallelism) ? "small" : sendsRows(emitter) ? "sends" : "cores"];
  const guess = usual.find((tile) => tile.rows >= rows) ?? usual.at(-1)!;
  return alongK ? emitter.choose("tile along k", TILES_ALONG_K, guess) : emitter.choose("tile", TILES, guess);
}

/**
 * How A is read. Of a storage buffer a software driver tests the bounds of each number for each lane; of a uniform buffer it
 * does not, which takes a fifth of the time from short convolutions. What lanes send each other is tested once in either.
 */
const [IN_STORAGE, AS_UNIFORM] = [{ name: "storage" }, { name: "uniform" }];
export const PANELS: readonly Candidate[] = [IN_STORAGE, AS_UNIFORM];

/** How many neighbouring lanes take turns along k: what they load together is contiguous. */
const TURNS = { cores: 8, gpu: 32 };
/** The fewest k that are worth a turn. */
const LEAST_K_A_TURN = 16;

/** The fewest k that are worth a split of their own. */
const LEAST_K = 64;
/** The most k of a split: Mesa before 23 leaves a loop after 65,535 turns. */
const MOST_K = 1 << 20;

/** Emits the product into the emitter's sink; where the output is small and k is long, in splits that are summed after. */
export function emitGemm(emitter: Emitter, problem: GemmProblem): void {
  const { groups, rows, tile, rowSums, panels, columns: [high, wide, inner] } = problem;
  const cores = onCores(emitter.parallelism);
  const pixels = high * wide;
  const columns = pixels * inner;
  const rowTiles = Math.ceil(rows / tile.rows);
  const vectors = tile.columns / 4;
  const needed = Math.ceil((columns + (rowSums ? 1 : 0)) / vectors);
  // The lanes of a team have the same rows, and columns beyond the last one where these are no multiple.
  const sends = !usesK(problem) && sendsRows(emitter) && 2 * needed > TEAM;
  const columnTiles = sends ? Math.ceil(needed / TEAM) * TEAM : needed;
  const split = splitOf(emitter, problem, groups * rowTiles * columnTiles);
  const { splits } = split;
  const outLength = emitter.outputs[0]!.length;

  const width4 = storesFour(problem) && outLength % 4 === 0 ? 4 : 1;
  const targets = targetsOf(emitter, splits, width4, {
    ...problem,
    out: { group: problem.outGroup, row: problem.outRow },
  });
  const { bindings: [a, ...others], ...shader } = gemmShader(problem, targets, width4, cores, sends);
  const total = groups * rowTiles * splits;
  const inWindow = splits === 1 ? panelsInWindow(emitter, problem, columnTiles) : 0;
  // As many windows as it takes, with as many panels in each.
  const together = Math.ceil(total / Math.ceil(total / (inWindow || total)));
  for (let first = 0; first < total; first += together) {
    const count = Math.min(together, total - first);
    const byteOffset = inWindow ? windowStart(problem, first) : 0;
    const window = inWindow ? { part: { byteOffset, byteLength: UNIFORM_BYTES }, uniform: true } : {};
    const elements = count / total * groups * rows * pixels * problem.columnExtent;
    emitter.dispatch({
      ...shader,
      bindings: [{ ...a!, ...window }, ...others],
      params: {
        ...targets.sink.params,
        rows,
        rowTiles,
        columns,
        columnTiles,
        // A core's lane takes the same images at neighbouring pixels: their windows share most of what they load, and a line
        // of memory that is stored to is still in its cache then.
        apart: cores && panels && pixels % vectors === 0 ? inner : columnTiles,
        ...split,
        outSplit: outLength,
        sumsSplit: targets.sumsSplit,
        firstLane: first * columnTiles,
        aStart: -byteOffset / 16,
        ...parameters(problem, split.kTurn),
      },
      flops: 2 * elements * depthOf(problem),
      share: elements / outLength,
      invocations: count * columnTiles,
      // Cores share out workgroups: few large ones would leave one of them idle at the end.
      workgroupSize: sends ? TEAM : (cores ? 8 : 32) * timesOf(emitter, "lanes"),
    });
  }
  targets.finish();
}

/**
 * How many panels a dispatch reads as a uniform buffer; 0 where A is better read as a storage buffer, or has to be, or where
 * so few panels would keep few lanes busy.
 */
function panelsInWindow(emitter: Emitter, { a, aRow, panels }: GemmProblem, columnTiles: number): number {
  const { parallelism } = emitter;
  const fit = Math.floor((UNIFORM_BYTES - UNIFORM_ALIGNMENT) / (aRow * 16));
  if (!panels || fit * columnTiles < parallelism || a.dtype !== "f32" || byteLength(a) < UNIFORM_BYTES) {
    return 0;
  }
  const guess = onCores(parallelism) && !sendsRows(emitter) ? AS_UNIFORM : IN_STORAGE;
  return emitter.choose("panels", PANELS, guess!) === AS_UNIFORM ? fit : 0;
}

/** Where in A the window starts that has a panel and those after it, in bytes. */
function windowStart({ a, aRow }: GemmProblem, first: number): number {
  const before = first * aRow * 16;
  return Math.min(before - before % UNIFORM_ALIGNMENT, byteLength(a) - UNIFORM_BYTES);
}

/** How k is divided among lanes. */
interface Split extends Record<string, number> {
  readonly splits: number;
  /** Lanes from a split to the next of the same tile, and from a tile to the next of the same split. */
  readonly splitEvery: number;
  readonly tileEvery: number;
  /** A split starts at its number times this, takes every `kTurn`-th k, and `kMost` of them at most. */
  readonly kStart: number;
  readonly kTurn: number;
  readonly kMost: number;
}

/**
 * Splits k where there are too few tiles to keep the adapter busy. Matrices that lie along k, whose rows are far apart,
 * are read by lanes that take turns: neighbours read neighbours, and a row is one stream through memory, not many.
 */
function splitOf(emitter: Emitter, problem: GemmProblem, tiles: number): Split {
  const { parallelism } = emitter;
  const { k, part, groups } = problem;
  const alongK = usesK(problem);
  const turns = onCores(parallelism) ? TURNS.cores : TURNS.gpu;
  if (alongK && !part && k[1] * k[2] === 1 && k[0] >= LEAST_K_A_TURN * turns) {
    return {
      splits: turns,
      splitEvery: 1,
      tileEvery: turns,
      kStart: 1,
      kTurn: turns,
      kMost: Math.ceil(k[0] / turns),
    };
  }
  const depth = depthOf(problem);
  const most = Math.ceil(depth / LEAST_K);
  const guess = Math.min(Math.ceil(parallelism / tiles), most);
  const useful = Math.min(Math.ceil(guess * timesOf(emitter, "splits")), most);
  const wanted = part ? 1 : Math.min(Math.max(useful, Math.ceil(depth / MOST_K)), k[0]);
  const kMost = Math.max(1, Math.ceil(k[0] / Math.max(1, wanted)));
  const splits = Math.max(1, Math.ceil(k[0] / kMost));
  return { splits, splitEvery: tiles / groups, tileEvery: 1, kStart: kMost, kTurn: 1, kMost };
}

/** How many products make a sum. */
function depthOf(problem: GemmProblem): number {
  const { k } = problem;
  return k[0] * k[1] * k[2];
}

function usesK({ aAlong, bAlong }: GemmProblem): boolean {
  return aAlong === "k" || bAlong === "k";
}

/** Whether the four columns of a vec4 are neighbours in the output too, and every vec4 is complete. */
function storesFour(problem: GemmProblem): boolean {
  const { outStart = 0, outColumn, outComponent, outRow, outGroup, columnExtent } = problem;
  return outComponent === 1 &&
    [outStart, ...outColumn, outRow, outGroup, columnExtent].every((n) => n % 4 === 0);
}

function parameters(problem: GemmProblem, turn: number): Record<string, number> {
  const { k, columns, bColumn, outColumn } = problem;
  const aStep = problem.aStep * turn;
  const bStep = problem.bStep.map((step) => step * turn) as unknown as Axes;
  // A step that carries into an outer axis also takes back what the inner axes added.
  const wrap = ([s0, s1, s2]: Axes) => [s0 - (k[1] - 1) * s1 - (k[2] - 1) * s2, s1 - (k[2] - 1) * s2, s2];
  const [b0, b1, b2] = wrap(bStep);
  return {
    k0: k[0],
    k1: k[1],
    k2: k[2],
    aStep,
    aFirst: problem.aStep,
    aRow: problem.aRow,
    aGroup: problem.aGroup,
    bCarry0: b0!,
    bCarry1: b1!,
    bCarry2: b2!,
    bFirst: problem.bStep[0],
    bStart: problem.bStart ?? 0,
    bGroup: problem.bGroup,
    bLane: problem.bLane ?? 0,
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
    block: BLOCK,
    one: 1,
    zero: 0,
  };
}
