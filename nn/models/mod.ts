/**
 * The networks, by name, and what is done with their tables.
 *
 * @module
 */

import { alexnet } from "./alexnet.ts";
import { alexnet_mini } from "./alexnet_mini.ts";
import { lenet5 } from "./lenet5.ts";
import type { ModelTable } from "./table.ts";

/** A network of the house. */
export type ModelName = "alexnet" | "alexnet_mini" | "lenet5";

/** The tables of the networks. */
export const models: Readonly<Record<ModelName, ModelTable>> = { alexnet, alexnet_mini, lenet5 };

export { build, type BuildOptions, type InitName } from "./build.ts";
export { formatSummary, type LayerSummary, type ModelSummary, summarise } from "./summary.ts";
export type { ConvRow, LinearRow, ModelTable, PoolRow, Row } from "./table.ts";
