/**
 * A whole run, from a few settings: which network, which images, how. The settings and the files are checked before a
 * device is opened.
 *
 * @module
 */

import {
  type AugmentName,
  type Dataset,
  type EvalCrops,
  type FetchOptions,
  ImageInput,
} from "../data/mod.ts";
import { build, forClasses, type ModelName, models, type ModelTable, type Sequential } from "../nn/mod.ts";
import { type Variation, vary } from "../nn/tables.ts";
import { type Device, foldIn, randomKey, type Tensor } from "../tensor/mod.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { CheckpointOptions } from "./checkpoints.ts";
import { compareSteps } from "./comparison.ts";
import { type Reporter, type StartEvent, type Subject, tellAll } from "./events.ts";
import { imagesOf } from "./images.ts";
import { inFolder, keepCheckpoints, makeFolderFor } from "./keep.ts";
import { train, type TrainResult } from "./loop.ts";
import { type Recipe, recipes } from "./recipes.ts";
import { makeSchedule } from "./schedule.ts";
import { SGD } from "./sgd.ts";
import { startOf } from "./start_event.ts";
import type { TrainPrecision } from "./step.ts";
import { UsageError } from "./usage_error.ts";

/** A dataset of the house. */
export type DatasetName = "fashion-mnist" | "synthetic";

/** What a run is made from; what is left out comes from the network's recipe. */
export interface JobSettings {
  /** The network. */
  readonly model: ModelName;
  /** The images. */
  readonly dataset: DatasetName;
  /** The folder with Fashion-MNIST's published files, or with shards; default: the embedded subset. */
  readonly folder?: string | undefined;
  /** Fetch the whole of Fashion-MNIST, and how. */
  readonly full?: FetchOptions | undefined;
  /** Everything random comes from it. */
  readonly seed: number;
  /** What the network computes in, default `f32`. */
  readonly precision?: TrainPrecision | undefined;
  /** What the network has instead of what was published. */
  readonly network?: Variation | undefined;
  /** How training images are varied; default: parts of those that are larger than the network's input, and their colours. */
  readonly augment?: AugmentName | undefined;
  /** How many parts of a test image are averaged over, default 1. */
  readonly evalCrops?: EvalCrops | undefined;
  /** What differs from the network's recipe. */
  readonly recipe: { readonly [K in keyof Recipe]?: Recipe[K] | undefined };
  /** Ends the run after this many steps, in as many epochs as that takes unless the recipe says how many. */
  readonly steps?: number | undefined;
  /** Use only the first training images; of a check of gradients, the elements of each parameter. */
  readonly limit?: number | undefined;
  /** Measure after this many steps too. */
  readonly evalEvery?: number | undefined;
  /** Name the op that makes a number NaN or infinite; slow. */
  readonly traceNaN?: boolean | undefined;
  /** Compares every op with the CPU backend, in one step unless `steps` says how many. */
  readonly compare?: boolean | undefined;
  /** Keep checkpoints, and where; a run that goes on from one goes on in its folder. */
  readonly checkpoint?: CheckpointOptions | undefined;
}

/** A run that is ready to go. */
export interface Job {
  /** As they were given. */
  readonly settings: JobSettings;
  /** The network's recipe with what was given. */
  readonly recipe: Recipe;
  /** The images; made-up ones are drawn from the key. */
  readonly load: (key: Tensor) => Promise<Dataset>;
  /** The checkpoint that it goes on from. */
  readonly from?: Checkpoint | undefined;
  /** How its device chooses kernels: for whoever looks at the run. */
  readonly tune?: StartEvent["tune"];
}

/** The seed's parts. Numbers for different purposes are drawn from different keys, so none depends on another. */
const PURPOSE = { init: 0, step: 1, shuffle: 2, synthetic: 3 } as const;

/** The keys of a run, by what is drawn from them. */
function keysOf(seed: number, device: Device): (purpose: keyof typeof PURPOSE) => Tensor {
  const seedKey = randomKey(seed, { device });
  return (purpose) => foldIn(seedKey, PURPOSE[purpose]);
}

/**
 * Checks the settings and reads the images.
 *
 * @param from goes on from there; the settings are what `resumedSettings` made of it
 * @throws {UsageError} when the settings do not go together.
 * @throws {DataError} when a file is missing or damaged.
 */
export async function prepareJob(settings: JobSettings, from?: Checkpoint): Promise<Job> {
  const table = tableOf(settings);
  const { compare, evalEvery, evalCrops, traceNaN, checkpoint } = settings;
  const measuring = { "--eval-every": evalEvery, "--eval-crops": evalCrops };
  const others = {
    ...measuring,
    "--epochs": settings.recipe.epochs,
    "--trace-nan": traceNaN,
    "--checkpoint": checkpoint,
  };
  const [flag] = Object.entries(others).find(([, value]) => value) ?? [];
  if (compare && flag) {
    throw new UsageError(`--compare looks at single steps, as many as --steps says: leave ${flag} out`);
  }
  const given = Object.entries(settings.recipe).filter(([, value]) => value !== undefined);
  const recipe: Recipe = { ...recipes[settings.model], ...Object.fromEntries(given) };
  if (recipe.patience !== undefined && recipe.schedule !== "plateau") {
    throw new UsageError("--patience is what --schedule=plateau has: use both");
  }
  // A run that goes on has what it always had.
  if (!from) checkDropout(table, recipe);
  if (settings.augment === "crop+pca" && table.input[0] !== 3) {
    throw new UsageError(`--augment=crop+pca: ${table.name} takes grey images, use --augment=crop`);
  }
  const load = await imagesOf(settings, table, recipe.batch);
  if (checkpoint && !from) await makeFolderFor(checkpoint.folder);
  return { settings, recipe, load, from };
}

/**
 * Throws unless there are layers for the dropout that was asked for.
 *
 * @throws {UsageError} for a network without.
 */
export function checkDropout({ name, rows }: ModelTable, { dropout = 0 }: JobSettings["recipe"]): void {
  if (dropout === 0 || rows.some(({ layer }) => layer === "dropout")) return;
  throw new UsageError(`--dropout=${dropout}: ${name} has no dropout, leave the flag out`);
}

/**
 * The network that the settings ask for.
 *
 * @throws {UsageError} for a piece that it does not have.
 */
export function tableOf({ model, network = {} }: Pick<JobSettings, "model" | "network">): ModelTable {
  try {
    return vary(models[model], network);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${error.message}: leave the flag out`);
    throw error;
  }
}

/**
 * How images are varied unless it is said: images that are larger than the network's input by parts of them, colours where
 * it is known how they vary.
 *
 * @throws {UsageError} for colours where it is not.
 */
function augmentOf(
  asked: AugmentName | undefined,
  { name, shape, statistics }: Dataset,
  { input }: ModelTable,
) {
  const colours = statistics !== undefined && shape[0] === 3;
  if (asked === "crop+pca" && !colours) {
    const missing = statistics ? "colours" : "statistics of its colours";
    throw new UsageError(`--augment=crop+pca: ${name} has no ${missing}, use --augment=crop`);
  }
  const larger = shape.some((extent, axis) => extent > input[axis]!);
  return asked ?? (larger ? colours ? "crop+pca" : "crop" : "none");
}

/** Makes what a job needs on a device: the keys of all that is random, the images, the network and what it sees. */
export async function setUp(
  { settings, recipe, load }: Job,
  device: Device,
): Promise<{ keyFor: ReturnType<typeof keysOf>; dataset: Dataset; model: Sequential; input: ImageInput }> {
  const keyFor = keysOf(settings.seed, device);
  const dataset = await load(keyFor("synthetic"));
  const table = forClasses(tableOf(settings), dataset.classes);
  const augment = augmentOf(settings.augment, dataset, table);
  const { shape: images, statistics } = dataset;
  const input = new ImageInput({ images, input: table.input, statistics, augment, device });
  return { keyFor, dataset, model: build(table, { ...recipe, key: keyFor("init") }), input };
}

/**
 * Throws unless the device can compute in the precision.
 *
 * @throws {UsageError} that says what is missing, and what to do.
 */
export function checkPrecision(precision: TrainPrecision, device: Device): void {
  if (device.supports(precision)) return;
  const what =
    `--precision=${precision} wants a WebGPU adapter with shader-f16, which ${device.description} has not`;
  throw new UsageError(`${what}: leave it out, or take another adapter or --backend=cpu`);
}

/**
 * Runs a job on a device: builds the network, trains it and tells the reporter.
 *
 * @param watch makes a second reporter, which may look at what is trained
 * @throws {UsageError} when the device cannot compute in the precision, or another process has the checkpoints' folder.
 */
export async function runJob(
  job: Job,
  device: Device,
  reporter: Reporter,
  signal?: AbortSignal,
  watch?: (subject: Subject) => Reporter,
): Promise<TrainResult> {
  return await inFolder(job, () => run(job, device, reporter, signal, watch));
}

async function run(
  ...[job, device, reporter, signal, watch]: Parameters<typeof runJob>
): Promise<TrainResult> {
  const began = performance.now();
  const { settings, recipe } = job;
  const { evalEvery, evalCrops, traceNaN, precision = "f32" } = settings;
  checkPrecision(precision, device);
  const { keyFor, dataset, model, input } = await setUp(job, device);
  const parameters = [...model.parameters().values()];
  const stepsPerEpoch = Math.floor(dataset.train.count / recipe.batch);
  // `--steps` alone goes on for as many epochs as it takes; with `--epochs` the shorter one counts.
  const epochSteps = settings.steps !== undefined && settings.recipe.epochs === undefined
    ? Infinity
    : recipe.epochs * stepsPerEpoch;
  const steps = settings.compare ? settings.steps ?? 1 : Math.min(settings.steps ?? Infinity, epochSteps);
  const checkpoints = await keepCheckpoints(job, {
    device,
    dataset,
    augment: input.augment,
    steps,
    stepsPerEpoch,
  });
  const report = tellAll([
    reporter,
    ...checkpoints ? [checkpoints.record] : [],
    ...watch ? [watch({ device, model, dataset, input, precision, signal })] : [],
  ]);
  await report(startOf(job, {
    parameters: parameters.reduce((sum, parameter) => sum + parameter.size, 0),
    dataset: dataset.name,
    trainImages: dataset.train.count,
    testImages: dataset.test.count,
    backend: device.name,
    device: device.description,
    stepsPerEpoch,
    augment: input.augment,
    steps,
  }));
  const result = await (settings.compare ? compareSteps : train)({
    device,
    model,
    dataset,
    optimiser: new SGD(parameters, recipe),
    schedule: makeSchedule(recipe.schedule, recipe.lr, recipe.patience),
    batch: recipe.batch,
    precision,
    steps,
    input,
    evalEvery,
    evalCrops,
    traceNaN,
    stepKey: keyFor("step"),
    shuffleKey: keyFor("shuffle"),
    keeper: checkpoints?.keeper,
    from: checkpoints?.from,
    report,
    signal,
  }).finally(() => checkpoints?.keeper.settle());
  await report({
    event: "done",
    interrupted: result.interrupted,
    steps: result.steps,
    accuracy: result.evaluation?.accuracy ?? null,
    loss: result.evaluation?.loss ?? null,
    seconds: (performance.now() - began) / 1000,
  });
  input.dispose();
  await checkpoints?.keeper.end();
  return result;
}
