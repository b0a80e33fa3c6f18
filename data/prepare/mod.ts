/**
 * From images in files to shards. It needs a file system, so it is apart from `data/mod.ts`, which browsers load.
 *
 * @module
 */

export type { DecoderName } from "./decode/mod.ts";
export { prepare, type PrepareOptions, type PrepareProgress, type PrepareResult } from "./prepare.ts";
export { makePrepareLine, type PrepareLine } from "./progress.ts";
