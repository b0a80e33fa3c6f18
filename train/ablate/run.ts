/**
 * One run of an ablation: a way to train and a seed, from fresh weights to its errors.
 *
 * @module
 */

import {
  type Dataset,
  type EvalCrops,
  ImageInput,
  type ImageStatistics,
  type Split,
  take,
} from "../../data/mod.ts";
import { build, models, type ModelTable } from "../../nn/mod.ts";
import { vary } from "../../nn/tables.ts";
import { type Device, foldIn, randomKey } from "../../tensor/mod.ts";
import { Evaluator } from "../evaluate.ts";
import type { TrainEvent } from "../events.ts";
import { train } from "../loop.ts";
import { makeSchedule } from "../schedule.ts";
import { SGD } from "../sgd.ts";
import { USUAL_RATE, type Variant } from "./variants.ts";

/** How much is trained and measured, the same in all runs that are compared. */
export interface AblationSettings {
  /** How many training images, the first ones. */
  readonly images: number;
  /** Passes over them. */
  readonly epochs: number;
  /** How many test images, the first ones. */
  readonly testImages: number;
}

/** What an epoch came to. */
export interface EpochResult {
  /** The mean training error of its steps, as a fraction. */
  readonly trainError: number;
  /** The mean training loss of its steps. */
  readonly trainLoss: number;
}

/** Errors, as fractions. */
export interface Errors {
  /** The class has not the largest score. */
  readonly top1: number;
  /** The class is not among the five largest scores. */
  readonly top5: number;
}

/** What a run came to. */
export interface RunResult {
  /** The hardware and driver. */
  readonly device: string;
  /** How many numbers were learnt. */
  readonly parameters: number;
  /** Epoch by epoch. */
  readonly epochs: readonly EpochResult[];
  /** On the test images, by the part in the middle. */
  readonly test: Errors;
  /** On the test images, averaged over ten parts; null where it was not asked for. */
  readonly tenCrops: Errors | null;
  /** On training images, measured as the test images are: without dropout, by the part in the middle. */
  readonly seen: Errors;
  /** How long it took. */
  readonly seconds: number;
}

/** Images a step. */
const BATCH = 32;
/** How many of the training images the error on them is measured with at the end. */
const SEEN = 2000;

/**
 * The small AlexNet on 23x23 pixels of the 28x28, as the paper's on 224x224 of 256x256. In 23 pixels windows of pooling
 * that overlap (3 wide, 2 apart) and those that do not (2 and 2) fit equally often, all three times: 11, 5 and 2.
 */
const table: ModelTable = { ...models.alexnet_mini, input: [1, 23, 23] };

/** What is run, besides the way to train. */
export interface RunOptions {
  /** How much. */
  readonly settings: AblationSettings;
  /** All that is random comes from it; the weights of runs with the same seed start alike, as far as the networks agree. */
  readonly seed: number;
  /** Whether to measure with ten crops too, which takes ten times as long. */
  readonly tenCrops: boolean;
  /** Ends the run. */
  readonly signal?: AbortSignal;
}

/** Trains a network one way and measures it; null when the signal ended it, since half a run says nothing. */
export async function runVariant(
  variant: Variant,
  { settings: { images, epochs, testImages }, seed, tenCrops, signal }: RunOptions,
  all: Dataset,
  device: Device,
): Promise<RunResult | null> {
  const began = performance.now();
  const { network = {}, dropout = 0.5, augment = "crop", lr = USUAL_RATE, init = "he" } = variant;
  const { shape, classes } = all;
  // The loop measures after each epoch, which nobody asks about here: a batch costs little.
  const dataset = { ...all, train: take(all.train, images), test: take(all.test, BATCH) };
  const key = randomKey(seed, { device });
  const model = build(vary(table, network), { key: foldIn(key, 0), init, dropout });
  const statistics = variant.raw ? blackMean(shape) : undefined;
  const input = new ImageInput({ images: shape, input: table.input, statistics, augment, device });
  const parameters = [...model.parameters().values()];
  const history = new History();
  const { interrupted } = await train({
    device,
    model,
    dataset,
    optimiser: new SGD(parameters),
    schedule: makeSchedule("linear", lr),
    batch: BATCH,
    steps: epochs * Math.floor(dataset.train.count / BATCH),
    input,
    stepKey: foldIn(key, 1),
    shuffleKey: foldIn(key, 2),
    report: (event) => history.add(event),
    signal,
  });
  const measure = async (split: Split, crops: EvalCrops): Promise<Errors> => {
    const evaluator = new Evaluator({ model, device, split, shape, classes, batch: 100, input, crops });
    const { accuracy, top5Error } = await evaluator.run();
    evaluator.dispose();
    return { top1: 1 - accuracy, top5: top5Error! };
  };
  const test = take(all.test, testImages);
  const result = interrupted ? null : {
    device: device.description,
    parameters: parameters.reduce((sum, { size }) => sum + size, 0),
    epochs: history.epochs,
    test: await measure(test, 1),
    tenCrops: tenCrops ? await measure(test, 10) : null,
    seen: await measure(take(dataset.train, SEEN), 1),
    seconds: (performance.now() - began) / 1000,
  };
  input.dispose();
  return result;
}

/** A mean image of zeros: minus it, bytes stay as they are. */
function blackMean([channels, height, width]: Dataset["shape"]): ImageStatistics {
  return { mean: new Float32Array(channels * height * width), eigenvalues: [], eigenvectors: [] };
}

/** Collects what a run tells, epoch by epoch. */
class History {
  /** The epochs that are over. */
  readonly epochs: EpochResult[] = [];
  #sums = { steps: 0, error: 0, loss: 0 };

  /** Takes note of an event. */
  add(event: TrainEvent): void {
    if (event.event === "step") {
      this.#sums.steps++;
      this.#sums.error += 1 - event.accuracy;
      this.#sums.loss += event.loss;
    } else if (event.event === "eval") {
      const { steps, error, loss } = this.#sums;
      this.epochs.push({ trainError: error / steps, trainLoss: loss / steps });
      this.#sums = { steps: 0, error: 0, loss: 0 };
    }
  }
}
