/**
 * The networks, by name, and what is done with their tables.
 *
 * @module
 */

import { alexnet } from "./alexnet.ts";
import { alexnet_mini } from "./alexnet_mini.ts";
import { alexnet_owt } from "./alexnet_owt.ts";
import { lenet5 } from "./lenet5.ts";
import type { ModelTable } from "./table.ts";

/**
 * A network of the house.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 *
 * const classes = (name: nn.ModelName) => nn.models[name].classes;
 * assert.equal(classes("alexnet"), 1000);
 * assert.equal(classes("lenet5"), 10);
 * ```
 */
export type ModelName = "alexnet" | "alexnet_mini" | "alexnet_owt" | "lenet5";

/**
 * The tables of the networks.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 *
 * assert.deepEqual(Object.keys(nn.models), ["alexnet", "alexnet_mini", "alexnet_owt", "lenet5"]);
 * const { input, rows } = nn.models.alexnet;
 * assert.deepEqual(input, [3, 224, 224]);
 * assert.equal(rows.filter(({ layer }) => layer === "conv2d" || layer === "linear").length, 8);
 * ```
 */
export const models: Readonly<Record<ModelName, ModelTable>> = {
  alexnet,
  alexnet_mini,
  alexnet_owt,
  lenet5,
};

// Whole files, not lists of names: the documentation of the namespace `nn` shows only what comes to it this way.
export * from "./build.ts";
export * from "./for_classes.ts";
export * from "./table.ts";
