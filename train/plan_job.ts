/**
 * `--plan`: describes one training step to a device that plans, and tells what it would do and cost.
 *
 * @module
 */

import type { PlannedEvaluation, PlanningBackend } from "../backends/planner.ts";
import type { StepPlan } from "../debug/plan_table.ts";
import { recordProvenance } from "../debug/record.ts";
import { type AugmentName, ImageInput, type ImageInputOptions } from "../data/mod.ts";
import { build, type ModelTable } from "../nn/mod.ts";
import { type Device, randomKey } from "../tensor/mod.ts";
import { checkDropout, checkPrecision, type JobSettings, tableOf } from "./job.ts";
import { type Recipe, recipes } from "./recipes.ts";
import { SGD } from "./sgd.ts";
import { TrainingStep, type TrainPrecision } from "./step.ts";
import { UsageError } from "./usage_error.ts";

/** A step that can be planned. */
export interface PlanJob {
  /** The network. */
  readonly table: ModelTable;
  /** How training images are varied. */
  readonly augment: AugmentName;
  /** The network's recipe with what was given. */
  readonly recipe: Recipe;
  readonly precision: TrainPrecision;
}

/**
 * Checks the settings.
 *
 * @param unwanted flags that are no settings and must not be given either, by name
 * @throws {UsageError} when some say how to train, or on what.
 */
export function preparePlan(
  { recipe, precision = "f32", augment = "none", ...settings }: JobSettings,
  unwanted: Readonly<Record<string, unknown>> = {},
): PlanJob {
  const others = {
    ...unwanted,
    "--data": settings.folder,
    "--epochs": recipe.epochs,
    "--steps": settings.steps,
    "--limit": settings.limit,
    "--eval-every": settings.evalEvery,
    "--eval-crops": settings.evalCrops,
    "--trace-nan": settings.traceNaN,
    "--compare": settings.compare,
  };
  const [flag] = Object.entries(others).find(([, value]) => value) ?? [];
  if (flag) throw new UsageError(`--plan trains nothing: leave ${flag} out`);
  const given = Object.entries(recipe).filter(([, value]) => value !== undefined);
  const table = tableOf(settings);
  checkDropout(table, recipe);
  if (augment === "crop+pca" && table.input[0] !== 3) {
    throw new UsageError(`--augment=crop+pca: ${table.name} takes grey images, use --augment=crop`);
  }
  return { table, augment, recipe: { ...recipes[settings.model], ...Object.fromEntries(given) }, precision };
}

/**
 * Plans a step of the job.
 *
 * @throws {UsageError} when the device cannot compute in the precision.
 */
export async function planStep(
  { table, augment, recipe, precision }: PlanJob,
  device: Device,
  planner: PlanningBackend,
): Promise<StepPlan> {
  checkPrecision(precision, device);
  const key = randomKey(0, { device });
  const { batch } = recipe;
  const input = new ImageInput({ ...imagesOf(table, augment), input: table.input, augment, device });
  const shape = imagesOf(table, augment).images;
  const model = build(table, { ...recipe, key });
  const optimiser = new SGD(model.parameters().values(), recipe);
  const step = new TrainingStep({ model, optimiser, device, batch, shape, input, precision });
  await step.prepare();
  const images = new Uint8Array(batch * shape[0] * shape[1] * shape[2]);
  await recordProvenance(() => step.run(images, new Int32Array(batch), recipe.lr, key));
  const planned = planner.last!;
  return {
    event: "plan",
    model: table.name,
    batch,
    parameters: optimiser.parameters.reduce((sum, { size }) => sum + size, 0),
    device: device.description,
    memory: memoryOf(planned, optimiser),
    ...withoutStates(planned),
  };
}

/** The extents of the images in shards, of which networks see parts. */
const SHARD_EXTENT = 256;

/** Images as the network would meet them: parts are cut out of those of shards, where it takes nearly as large ones. */
function imagesOf(
  { input }: ModelTable,
  augment: AugmentName,
): Pick<ImageInputOptions, "images" | "statistics"> {
  const [channels, height, width] = input;
  const cut = augment !== "none" && height === 224 && width === 224;
  const images = cut ? [channels, SHARD_EXTENT, SHARD_EXTENT] as const : input;
  if (augment !== "crop+pca") return { images };
  const none = [0, 0, 0];
  const mean = new Float32Array(images[0] * images[1] * images[2]);
  return { images, statistics: { mean, eigenvalues: none, eigenvectors: [none, none, none] } };
}

function withoutStates({ states: _, ...plan }: PlannedEvaluation) {
  return plan;
}

function memoryOf(
  { states, inputBytes, slots }: PlannedEvaluation,
  { parameters, velocities }: SGD,
): StepPlan["memory"] {
  const total = (bytes: readonly number[]) => bytes.reduce((sum, each) => sum + each, 0);
  const of = (wanted: (state: unknown) => boolean) =>
    total(states.flatMap(({ state, bytes }) => wanted(state) ? [bytes] : []));
  const learnt = new Set<unknown>(parameters);
  const moving = new Set<unknown>(velocities);
  const memory = {
    parameters: of((state) => learnt.has(state)),
    momentum: of((state) => moving.has(state)),
    batch: of((state) => !learnt.has(state) && !moving.has(state)) + inputBytes,
    workspace: total(slots),
  };
  return { ...memory, total: total(Object.values(memory)) };
}
