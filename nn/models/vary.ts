/**
 * Networks without one of AlexNet's pieces, so that its worth can be measured: transformations of a table.
 *
 * @module
 */

import type { ModelTable, Row } from "./table.ts";

/**
 * What a network has instead of the paper's; what is left out stays as the table has it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { type Variation, vary } from "@fermi/fermi/tables";
 *
 * const saturating: Variation = { activation: "tanh", lrn: false };
 * const layers = vary(nn.models.alexnet, saturating).rows.map(({ layer }) => layer);
 * assert.ok(layers.includes("tanh") && !layers.includes("relu") && !layers.includes("localResponseNorm"));
 * ```
 */
export interface Variation {
  /** `false` leaves local response normalisation (section 3.3) out. */
  readonly lrn?: boolean | undefined;
  /** `plain` makes the windows of pooling as wide as their step, so that they do not overlap (section 3.4). */
  readonly pool?: "overlapping" | "plain" | undefined;
  /** What stands behind each layer with weights (section 3.1). */
  readonly activation?: "relu" | "tanh" | undefined;
  /** 1: the net that the paper trained on one GPU (section 3.2), with half the maps. */
  readonly towers?: 1 | 2 | undefined;
}

/**
 * The table of the network that differs from another one in this.
 *
 * With `towers: 1` every convolution but the last has half its maps and no groups. The last one and the fully connected
 * layers stay as they are: "the one-GPU net actually has the same number of kernels as the two-GPU net in the final
 * convolutional layer", so that the two have about as many parameters (section 3.2, footnote).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise, vary } from "@fermi/fermi/tables";
 *
 * const oneTower = vary(nn.models.alexnet, { towers: 1 });
 * const maps = oneTower.rows.flatMap((row) => row.layer === "conv2d" ? [row.outputs] : []);
 * assert.deepEqual(maps, [48, 128, 192, 192, 256]);
 * assert.equal(summarise(oneTower).parameters, 59_798_312);
 * assert.deepEqual(vary(nn.models.alexnet, {}), nn.models.alexnet);
 * assert.throws(() => vary(nn.models.lenet5, { towers: 1 }), RangeError); // which has none
 * ```
 *
 * @throws {RangeError} for a piece that the network does not have, or has already that way.
 */
export function vary(table: ModelTable, { lrn, pool, activation, towers }: Variation): ModelTable {
  let rows = table.rows;
  const change = (what: string, next: readonly Row[]) => {
    if (next.every((row, i) => row === rows[i]) && next.length === rows.length) {
      throw new RangeError(`${table.name} has no ${what}`);
    }
    rows = next;
  };
  if (lrn === false) {
    change("local response normalisation", rows.filter(({ layer }) => layer !== "localResponseNorm"));
  }
  if (pool === "plain") change("pooling that overlaps", rows.map(plain));
  if (activation === "tanh") change("ReLU", rows.map((row) => renamed(row, "relu", "tanh")));
  if (activation === "relu" && rows.some(({ layer }) => layer === "tanh")) {
    rows = rows.map((row) => renamed(row, "tanh", "relu"));
  }
  if (towers === 1) change("towers", halved(rows));
  return rows === table.rows ? table : { ...table, rows };
}

/** Windows that touch: as many of them, since 3 / 2 and 2 / 2 fit equally often into an odd extent. */
function plain(row: Row): Row {
  const overlaps = (row.layer === "maxPool2d" || row.layer === "avgPool2d") && row.window > row.stride;
  return overlaps ? { ...row, window: row.stride } : row;
}

function renamed(row: Row, from: "relu" | "tanh", to: "relu" | "tanh"): Row {
  return row.layer === from ? { layer: to, name: row.name.replace(from, to) } : row;
}

/** One tower of two. A network without groups has no towers. */
function halved(rows: readonly Row[]): readonly Row[] {
  if (!rows.some((row) => row.layer === "conv2d" && (row.groups ?? 1) > 1)) return rows;
  const last = rows.findLast(({ layer }) => layer === "conv2d");
  return rows.map((row) => {
    if (row.layer === "localResponseNorm") return { ...row, groups: 1 };
    if (row.layer !== "conv2d") return row;
    return { ...row, groups: 1, outputs: row === last ? row.outputs : row.outputs / 2 };
  });
}
