/**
 * The ablation: what each piece of the paper is worth here, and how the runs of it are kept and told.
 *
 * @module
 */

export { plotsOf } from "./plots.ts";
export { checkSame, readAblation, writeAblation } from "./file.ts";
export { type Ablation, FORMAT, keyOf, runsOf } from "./results.ts";
export { type AblationSettings, type RunResult, runVariant } from "./run.ts";
export { textOf, withTables } from "./tables.ts";
export { type Variant, type VariantName, variants } from "./variants.ts";
