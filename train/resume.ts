/**
 * The settings of a run that goes on from a checkpoint: the checkpoint's, and nothing that contradicts them. Only how long the
 * run is may change, where its schedule does not go by that.
 *
 * @module
 */

import { models } from "../nn/mod.ts";
import { type Variation, vary } from "../nn/tables.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { JobSettings } from "./job.ts";
import { goesByLength, PATIENCE } from "./schedule.ts";
import { UsageError } from "./usage_error.ts";

/** Settings that were given; those that were left out are the checkpoint's. */
export type GivenSettings = { readonly [K in keyof JobSettings]?: JobSettings[K] | undefined };

/** What may differ: where things are, and how a run is looked at. That the images are the same is checked by themselves. */
const FREE: ReadonlySet<string> = new Set(["folder", "full", "checkpoint", "traceNaN", "compare"]);

/**
 * The settings of the run that a checkpoint belongs to.
 *
 * @throws {UsageError} that names the first of the given settings that is another one there.
 */
export function resumedSettings(
  given: GivenSettings,
  from: Pick<Checkpoint, "path" | "folder" | "manifest">,
): JobSettings {
  const { path, folder } = from;
  const settings = ofLength(given, from);
  const others = { ...given, steps: undefined, recipe: { ...given.recipe, epochs: undefined } };
  const network = sameNetwork(settings, given.network) ? undefined : given.network;
  refuseOthers({ ...others, network }, spelledOut(settings) as unknown as Values, path);
  const { checkpoint, folder: images, full, traceNaN } = given;
  // One says where the images are now; both together are refused as in any other run.
  const moved = images !== undefined || full !== undefined ? { folder: images, full } : {};
  const { every, keep } = { ...settings.checkpoint, ...defined(checkpoint ?? {}) };
  return { ...settings, ...moved, traceNaN, checkpoint: { folder, every, keep } };
}

/** The settings with what they mean where they say nothing, which may be said of the run that goes on. */
function spelledOut({ recipe, evalCrops = 1, ...settings }: JobSettings): JobSettings {
  const { schedule, patience = schedule === "plateau" ? PATIENCE : undefined } = recipe;
  return { ...settings, evalCrops, recipe: { ...recipe, patience } };
}

/** Whether the network stays what it is with these pieces: `towers: 2` says what the paper's has anyway. */
function sameNetwork({ model, network = {} }: JobSettings, given: Variation = {}): boolean {
  const table = (variation: Variation) => JSON.stringify(vary(models[model], variation));
  try {
    return table({ ...network, ...given }) === table(network);
  } catch (error) {
    // It has no such piece to be without.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The settings with the length that is given, which stands for all that they say of it. */
function ofLength(
  { steps, recipe: { epochs } = {} }: GivenSettings,
  { path, manifest: { run, position } }: Pick<Checkpoint, "path" | "manifest">,
): JobSettings {
  const { settings, stepsPerEpoch } = run;
  const total = Math.min(steps ?? Infinity, (epochs ?? Infinity) * stepsPerEpoch);
  if (total === Infinity || total === run.steps) return settings;
  const flags = Object.entries({ steps, epochs }).flatMap(([name, value]) =>
    value ? `--${name}=${value}` : []
  );
  const what = `${flags.join(" ")} asks for ${total} steps in all`;
  const { schedule } = settings.recipe;
  if (schedule !== undefined && goesByLength(schedule)) {
    const why = `goes down over the ${run.steps} steps that its run was made for`;
    throw new UsageError(`${what}, but the ${schedule} schedule of ${path} ${why}: leave it out`);
  }
  if (total < position.step) {
    throw new UsageError(`${what}, but ${path} has made ${position.step}: go on from an earlier checkpoint`);
  }
  return { ...settings, steps, recipe: { ...settings.recipe, epochs } };
}

type Values = Readonly<Record<string, unknown>>;

function refuseOthers(given: Values, stored: Values, path: string): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || FREE.has(key)) continue;
    const wanted = stored[key];
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      refuseOthers(value as Values, (wanted ?? {}) as Values, path);
    } else if (JSON.stringify(value) !== JSON.stringify(wanted)) {
      const has = wanted === undefined ? "was made without this flag" : `has ${wanted}`;
      throw new UsageError(`${flagOf(key, value)} contradicts ${path}, which ${has}: leave it out`);
    }
  }
}

function flagOf(key: string, value: unknown): string {
  const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return value === false ? `--no-${name}` : `--${name}=${value}`;
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
