/**
 * `--plan`: describes one training step to a device that plans, and tells what it would do and cost.
 *
 * @module
 */

import type { PlannedEvaluation, PlanningBackend } from "../backends/planner.ts";
import type { StepPlan } from "../debug/plan_table.ts";
import { build, models } from "../nn/mod.ts";
import { type Device, randomKey } from "../tensor/mod.ts";
import { recordProvenance } from "../tensor/provenance.ts";
import { checkPrecision, type JobSettings, UsageError } from "./job.ts";
import { type Recipe, recipes } from "./recipes.ts";
import { SGD } from "./sgd.ts";
import { TrainingStep, type TrainPrecision } from "./step.ts";

/** A step that can be planned. */
export interface PlanJob {
  /** The name of the network. */
  readonly model: JobSettings["model"];
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
  { model, recipe, precision = "f32", ...settings }: JobSettings,
  unwanted: Readonly<Record<string, unknown>> = {},
): PlanJob {
  const others = {
    ...unwanted,
    "--data": settings.folder,
    "--epochs": recipe.epochs,
    "--steps": settings.steps,
    "--limit": settings.limit,
    "--eval-every": settings.evalEvery,
    "--trace-nan": settings.traceNaN,
    "--compare": settings.compare,
  };
  const [flag] = Object.entries(others).find(([, value]) => value) ?? [];
  if (flag) throw new UsageError(`--plan trains nothing: leave ${flag} out`);
  const given = Object.entries(recipe).filter(([, value]) => value !== undefined);
  return { model, recipe: { ...recipes[model], ...Object.fromEntries(given) }, precision };
}

/**
 * Plans a step of the job.
 *
 * @throws {UsageError} when the device cannot compute in the precision.
 */
export async function planStep(
  { model: name, recipe, precision }: PlanJob,
  device: Device,
  planner: PlanningBackend,
): Promise<StepPlan> {
  checkPrecision(precision, device);
  const key = randomKey(0, { device });
  const { batch } = recipe;
  const shape = models[name].input;
  const model = build(models[name], { ...recipe, key });
  const optimiser = new SGD(model.parameters().values(), recipe);
  const step = new TrainingStep({ model, optimiser, device, batch, shape, precision });
  await step.prepare();
  const images = new Uint8Array(batch * shape[0] * shape[1] * shape[2]);
  await recordProvenance(() => step.run(images, new Int32Array(batch), recipe.lr, key));
  const planned = planner.last!;
  return {
    event: "plan",
    model: name,
    batch,
    parameters: optimiser.parameters.reduce((sum, { size }) => sum + size, 0),
    device: device.description,
    memory: memoryOf(planned, optimiser),
    ...withoutStates(planned),
  };
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
