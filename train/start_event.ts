/**
 * What a run was started with, as the first event tells it.
 *
 * @module
 */

import { KEEP } from "./checkpoints.ts";
import type { StartEvent } from "./events.ts";
import type { Job } from "./job.ts";

/** What is known once a job has its device, its images and its network. */
export type Measured = Pick<
  StartEvent,
  | "parameters"
  | "dataset"
  | "trainImages"
  | "testImages"
  | "backend"
  | "device"
  | "augment"
  | "stepsPerEpoch"
  | "steps"
>;

/** The event: all that a user may have said, and what was chosen where nothing was; what is off is left out. */
export function startOf({ settings, recipe, from, tune }: Job, measured: Measured): StartEvent {
  const { model, seed, precision = "f32", evalCrops = 1, evalEvery, limit, folder, full, traceNaN } =
    settings;
  const { network, checkpoint } = settings;
  return {
    event: "start",
    model,
    ...measured,
    seed,
    precision,
    ...recipe,
    // What this network's table has where others have their paper's.
    ...model === "alexnet_owt" && recipe.init === "paper" && { init: "pytorch" },
    ...network && { network },
    epochs: Math.ceil(measured.steps / measured.stepsPerEpoch),
    evalCrops,
    ...evalEvery && { evalEvery },
    ...limit && { limit },
    ...folder !== undefined && { data: folder },
    ...full && { full: true },
    ...tune && measured.backend === "webgpu" && { tune },
    ...traceNaN && { traceNaN },
    ...checkpoint && { checkpoint: checkpointOf(checkpoint) },
    ...from && { resumedAt: from.manifest.position.step },
  };
}

function checkpointOf(
  { folder, every, keep = KEEP }: NonNullable<Job["settings"]["checkpoint"]>,
): NonNullable<StartEvent["checkpoint"]> {
  return { folder, ...every && { every }, keep };
}
