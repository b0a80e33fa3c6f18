/**
 * Measuring a network on a split: every image counts once, whatever the batch.
 *
 * @module
 */

import { type NonFinite, traceNonFinite } from "../debug/trace_non_finite.ts";
import { batches, type Dataset, type EvalCrops, ImageInput, type Split } from "../data/mod.ts";
import type { Module } from "../nn/mod.ts";
import {
  arange,
  cast,
  type Device,
  equal,
  InputSlot,
  less,
  logSoftmax,
  type Tensor,
  where,
} from "../tensor/mod.ts";
import { Pipeline } from "./pipeline.ts";
import type { TrainPrecision } from "./step.ts";

/** How well a network does on a split. Of equal scores that of the first class counts as the largest. */
export interface Evaluation {
  /** The fraction of the images whose largest score is that of their class. */
  readonly accuracy: number;
  /** The mean cross-entropy. */
  readonly loss: number;
  /** The fraction of the images whose class is not among the five largest scores; left out below ten classes. */
  readonly top5Error?: number;
}

/** What an evaluator takes. */
export interface EvaluatorOptions {
  /** The network. */
  readonly model: Module;
  /** Where the network lives. */
  readonly device: Device;
  /** The images to measure it with. */
  readonly split: Split;
  /** channels, height, width */
  readonly shape: Dataset["shape"];
  /** How many scores the network gives. */
  readonly classes: number;
  /** Images at a time; with ten crops as many fewer. */
  readonly batch: number;
  /** From the bytes to what the network sees; default: the whole images, x / 255 - 0.5. */
  readonly input?: ImageInput | undefined;
  /** How many parts of each image are averaged over, default 1. */
  readonly crops?: EvalCrops | undefined;
  /** What the network computes in, default `f32`. */
  readonly precision?: TrainPrecision;
}

/** The fewest classes of which it is told how often the right one is among the first five. */
const CLASSES_TO_RANK = 10;

/** Evaluates a network on a split as often as asked, with slots and a plan of its own. */
export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #batch: number;
  readonly #input: ImageInput;
  readonly #images: InputSlot;
  readonly #labels: InputSlot;

  /** Makes the slots. */
  constructor(options: EvaluatorOptions) {
    const { device, shape, split, batch, crops = 1 } = options;
    this.#options = options;
    this.#input = options.input ?? new ImageInput({ images: shape, device });
    this.#batch = Math.min(Math.max(1, Math.floor(batch / crops)), split.count);
    this.#images = new InputSlot([this.#batch, ...shape], { dtype: "u8", device, name: "test images" });
    this.#labels = new InputSlot([this.#batch], { dtype: "i32", device, name: "test labels" });
  }

  /**
   * Measures the network as it is now.
   *
   * @param givesUp is asked before each batch
   * @returns null if it was given up
   */
  async run(): Promise<Evaluation>;
  async run(givesUp: () => boolean): Promise<Evaluation | null>;
  async run(givesUp: () => boolean = () => false): Promise<Evaluation | null> {
    const { device, split, shape } = this.#options;
    const sums = { loss: 0, correct: 0, amongFive: 0 };
    const pipeline = new Pipeline<typeof sums>((part) => {
      sums.loss += part.loss;
      sums.correct += part.correct;
      sums.amongFive += part.amongFive;
    });
    let gaveUp = false;
    for await (
      const { images, labels, count } of batches(split, shape, { batch: this.#batch, last: "keep" })
    ) {
      gaveUp = givesUp();
      if (gaveUp) break;
      this.#images.write(images);
      this.#labels.write(labels);
      const measured = this.#measure();
      // The last batch may be filled up with images that were counted before: only the first `count` are added.
      const sum = async (values: Tensor | null) => values === null ? 0 : total(await values.data(), count);
      const arriving = device.evaluate(Object.values(measured).filter((each) => each !== null), true);
      await pipeline.push(arriving.then(async () => ({
        loss: await sum(measured.losses),
        correct: await sum(measured.correct),
        amongFive: await sum(measured.amongFive),
      })));
    }
    await pipeline.drain();
    if (gaveUp) return null;
    const [accuracy, loss] = [sums.correct / split.count, sums.loss / split.count];
    return { accuracy, loss, ...this.#ranks ? { top5Error: 1 - sums.amongFive / split.count } : {} };
  }

  /** Finds the op that makes the loss NaN or infinite, on the first batch where it does; null where none does. */
  async trace(): Promise<NonFinite | null> {
    const { split, shape } = this.#options;
    for await (const { images, labels } of batches(split, shape, { batch: this.#batch, last: "keep" })) {
      this.#images.write(images);
      this.#labels.write(labels);
      const found = await traceNonFinite(() => this.#measure().losses);
      if (found !== null) return found;
    }
    return null;
  }

  /** Whether there are so many classes that the five largest scores say something. */
  get #ranks(): boolean {
    return this.#options.classes >= CLASSES_TO_RANK;
  }

  /** Of each image of the batch the cross-entropy, whether its class has the largest score, and one of the five largest. */
  #measure(): { readonly losses: Tensor; readonly correct: Tensor; readonly amongFive: Tensor | null } {
    const { model, device, classes, crops = 1, precision = "f32" } = this.#options;
    const logits = cast(model.forward(cast(this.#input.test(this.#images, crops), precision)), "f32");
    const logarithms = logSoftmax(logits);
    const scores = crops === 1 ? logits : logMean(logarithms, crops);
    const [label, index] = [this.#labels.reshape([this.#batch, 1]), arange(classes, { device })];
    const isClass = equal(label, index);
    const losses = where(isClass, crops === 1 ? logarithms : scores, 0).sum({ axis: 1 }).neg();
    // Both errors count the classes behind the image's own, among equal scores those with a higher index, as argmax takes
    // the first. Nothing is behind a NaN, and a NaN is behind nothing: beside one no class is the first.
    const own = where(isClass, scores, 0).sum({ axis: 1, keepDims: true });
    const isBehind = where(equal(scores, own), less(label, index), less(scores, own));
    const behind = isBehind.cast("i32").sum({ axis: 1 });
    const correct = behind.equal(classes - 1);
    return { losses, correct, amongFive: this.#ranks ? behind.greater(classes - 6) : null };
  }

  /** Gives the slots' memory back. */
  dispose(): void {
    this.#images.dispose();
    this.#labels.dispose();
  }
}

/**
 * The logarithm of the mean of probabilities over the parts of each image ("averaging the predictions made by the network's
 * softmax layer on the ten patches", section 4.1), from their logarithms: a class that every part rules out keeps a finite
 * loss.
 *
 * @param logarithms [crops * N, classes], part k of image n in row k N + n
 * @returns [N, classes]
 */
export function logMean(logarithms: Tensor, crops: number): Tensor {
  const [rows, classes] = logarithms.shape;
  const parts = logarithms.reshape([crops, rows! / crops, classes!]);
  const largest = parts.max({ axis: 0, keepDims: true });
  return parts.sub(largest).exp().mean({ axis: 0 }).log().add(largest.reshape([rows! / crops, classes!]));
}

function total(values: ArrayLike<number>, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  return sum;
}
