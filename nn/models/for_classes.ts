/**
 * Networks for another number of classes.
 *
 * @module
 */

import type { ModelTable } from "./table.ts";

/**
 * The table of the network for another number of classes: its last layer gets as many outputs.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 *
 * const { classes, rows } = nn.forClasses(nn.models.alexnet, 10);
 * assert.equal(classes, 10);
 * assert.deepEqual(rows.at(-1), { layer: "linear", name: "fc8", outputs: 10, bias: 0 });
 * ```
 *
 * @throws {TypeError} when the last layer is not a fully connected one.
 */
export function forClasses(table: ModelTable, classes: number): ModelTable {
  if (classes === table.classes) return table;
  const last = table.rows.at(-1);
  if (last?.layer !== "linear") {
    throw new TypeError(`forClasses: ${table.name} ends with ${last?.layer ?? "nothing"}, not with scores`);
  }
  return { ...table, classes, rows: [...table.rows.slice(0, -1), { ...last, outputs: classes }] };
}
