/**
 * A check of a network's gradients, from the settings of a run: nothing is trained.
 *
 * @module
 */

import { batches, shuffledOrder } from "../data/mod.ts";
import { training } from "../nn/mod.ts";
import { crossEntropy, type Device, foldIn, tensor } from "../tensor/mod.ts";
import { countSlopes, type GradientEvent, networkGradients, wrongGradients } from "./gradient_check.ts";
import { type CheckReporter, summariseCheck } from "./gradient_report.ts";
import { type Job, type JobSettings, prepareJob, setUp } from "./job.ts";
import { UsageError } from "./usage_error.ts";

const DEFAULT_BATCH = 2;
const DEFAULT_ELEMENTS = 8;

/**
 * Checks the settings and reads the images. `limit` counts elements of each parameter, not images.
 *
 * @throws {UsageError} when the settings do not go together.
 * @throws {DataError} when a file is missing or damaged.
 */
export async function prepareCheck(settings: JobSettings): Promise<Job> {
  const { recipe, steps, evalEvery, evalCrops, traceNaN, compare, precision, checkpoint } = settings;
  const others = {
    "--epochs": recipe.epochs,
    "--steps": steps,
    "--lr": recipe.lr,
    "--schedule": recipe.schedule,
    "--patience": recipe.patience,
    "--momentum": recipe.momentum,
    "--weight-decay": recipe.weightDecay,
    "--eval-every": evalEvery,
    "--eval-crops": evalCrops,
    "--trace-nan": traceNaN,
    "--compare": compare,
    "--checkpoint": checkpoint,
    "--precision": precision === "f16",
  };
  // An option that is off, or that was left out, is no contradiction; a momentum of 0 is.
  const [flag] = Object.entries(others).find(([, value]) => value !== undefined && value !== false) ?? [];
  if (flag) throw new UsageError(`--check-gradients trains nothing: leave ${flag} out`);
  const batch = recipe.batch ?? DEFAULT_BATCH;
  const job = await prepareJob({ ...settings, limit: undefined, recipe: { ...recipe, batch } });
  return { ...job, settings };
}

/**
 * Compares the gradients of the loss of the first batch with its central differences.
 *
 * @param device a CPU device with f64
 * @throws {Error} naming the worst parameter and element, when gradients are wrong; or that the signal ended it early.
 */
export async function runCheck(
  job: Job,
  device: Device,
  report: CheckReporter,
  signal?: AbortSignal,
): Promise<void> {
  const began = performance.now();
  const { settings, recipe } = job;
  const { seed, limit = DEFAULT_ELEMENTS } = settings;
  const { keyFor, dataset, model, input } = await setUp(job, device);
  const order = await shuffledOrder(keyFor("shuffle"), 1, dataset.train.count);
  const { batch } = recipe;
  const reading = batches(dataset.train, dataset.shape, { batch, order, last: "drop", ahead: 0 });
  const first = (await reading.next()).value!;
  const stepKey = foldIn(keyFor("step"), 1);
  const x = input.train(tensor(first.images, { shape: [batch, ...dataset.shape], device }), stepKey);
  const labels = tensor(first.labels, { device });
  const loss = () => crossEntropy(model.forward(x, training(stepKey)), labels);
  const parameters = [...model.parameters()];
  report({
    event: "start",
    model: settings.model,
    parameters: parameters.reduce((sum, [, { size }]) => sum + size, 0),
    dataset: dataset.name,
    batch,
    loss: await loss().item(),
    shapes: Object.fromEntries(parameters.map(([name, { shape }]) => [name, shape])),
    seed,
  });
  const slopes: GradientEvent[] = [];
  const check = { model, loss, limit, seed };
  const planned = countSlopes(check);
  let interrupted = false;
  for await (const slope of networkGradients(check)) {
    // Not after the last: then nothing is missing.
    if (signal?.aborted) {
      interrupted = true;
      break;
    }
    slopes.push(slope);
    report(slope);
    // The CPU computes on this thread: Ctrl-C gets its turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  report(summariseCheck(slopes, { planned, seconds: (performance.now() - began) / 1000 }, interrupted));
  if (slopes.some(({ agrees }) => !agrees)) throw new Error(wrongGradients(model, slopes));
  if (interrupted) throw new Error(`interrupted after ${slopes.length} of ${planned} gradients`);
}
