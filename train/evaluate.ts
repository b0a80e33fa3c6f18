/**
 * Measuring a network on a split: every image counts once, whatever the batch.
 *
 * @module
 */

import { type NonFinite, traceNonFinite } from "../debug/trace_non_finite.ts";
import { batches, type Dataset, normalise, type Split } from "../data/mod.ts";
import type { Module } from "../nn/mod.ts";
import {
  argmax,
  cast,
  type Device,
  InputSlot,
  logSoftmax,
  oneHot,
  type Tensor,
  where,
} from "../tensor/mod.ts";
import { Pipeline } from "./pipeline.ts";
import type { TrainPrecision } from "./step.ts";

/** How well a network does on a split. */
export interface Evaluation {
  /** The fraction of the images whose largest score is that of their class. */
  readonly accuracy: number;
  /** The mean cross-entropy. */
  readonly loss: number;
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
  /** Images at a time. */
  readonly batch: number;
  /** What the network computes in, default `f32`. */
  readonly precision?: TrainPrecision;
}

/** Evaluates a network on a split as often as asked, with slots and a plan of its own. */
export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #batch: number;
  readonly #images: InputSlot;
  readonly #labels: InputSlot;

  /** Makes the slots. */
  constructor(options: EvaluatorOptions) {
    const { device, shape, split, batch } = options;
    this.#options = options;
    this.#batch = Math.min(batch, split.count);
    this.#images = new InputSlot([this.#batch, ...shape], { dtype: "u8", device, name: "test images" });
    this.#labels = new InputSlot([this.#batch], { dtype: "i32", device, name: "test labels" });
  }

  /** Measures the network as it is now. */
  async run(): Promise<Evaluation> {
    const { device, split, shape } = this.#options;
    let [loss, correct] = [0, 0];
    const pipeline = new Pipeline<Evaluation>((part) => {
      loss += part.loss;
      correct += part.accuracy;
    });
    for await (
      const { images, labels, count } of batches(split, shape, { batch: this.#batch, last: "keep" })
    ) {
      this.#images.write(images);
      this.#labels.write(labels);
      const [losses, hits] = this.#measure();
      const arriving = device.evaluate([losses, hits], true);
      // The last batch may be filled up with images that were counted before: only the first `count` are added.
      await pipeline.push(arriving.then(async () => ({
        loss: total(await losses.data(), count),
        accuracy: total(await hits.data(), count),
      })));
    }
    await pipeline.drain();
    return { accuracy: correct / split.count, loss: loss / split.count };
  }

  /** Finds the op that makes the loss NaN or infinite, on the first batch where it does; null where none does. */
  async trace(): Promise<NonFinite | null> {
    const { split, shape } = this.#options;
    for await (const { images, labels } of batches(split, shape, { batch: this.#batch, last: "keep" })) {
      this.#images.write(images);
      this.#labels.write(labels);
      const found = await traceNonFinite(() => this.#measure()[0]);
      if (found !== null) return found;
    }
    return null;
  }

  /** Of each image of the batch, the cross-entropy, and 1 where it is classified rightly. */
  #measure(): [Tensor, Tensor] {
    const { model, classes, precision = "f32" } = this.#options;
    const logits = cast(model.forward(cast(normalise(this.#images), precision)), "f32");
    const isClass = oneHot(this.#labels, classes, { dtype: "bool" });
    const losses = where(isClass, logSoftmax(logits), 0).sum({ axis: 1 }).neg();
    return [losses, argmax(logits, { axis: 1 }).equal(this.#labels)];
  }

  /** Gives the slots' memory back. */
  dispose(): void {
    this.#images.dispose();
    this.#labels.dispose();
  }
}

function total(values: ArrayLike<number>, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  return sum;
}
