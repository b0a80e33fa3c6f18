/**
 * What a trained network says of images: the probability of each class.
 *
 * @module
 */

import { type EvalCrops, ImageInput, type ImageStatistics } from "../data/mod.ts";
import type { Sequential } from "../nn/mod.ts";
import { logMean } from "../train/evaluate.ts";
import { type Device, InputSlot, logSoftmax } from "../tensor/mod.ts";
import type { Model } from "./model.ts";
import { buildWith } from "./weights.ts";

/** How to look at images. */
export interface PredictOptions {
  /** How many parts of each image are averaged over, default 1. */
  readonly crops?: EvalCrops;
  /** Images at a time, default 1. */
  readonly batch?: number;
}

/** channels, height, width of the images that a model wants, of which its input is a part. */
export function imageShape({ table, mean, preprocessing }: Model): readonly [number, number, number] {
  const [channels] = table.input;
  if (mean) return [channels, mean.shape[1]!, mean.shape[2]!];
  return preprocessing ? [channels, preprocessing.resize, preprocessing.resize] : table.input;
}

/** A trained network on a device. */
export class Predictor {
  /** Of the images: channels, height, width. */
  readonly shape: readonly [number, number, number];
  readonly #network: Sequential;
  readonly #device: Device;
  readonly #input: ImageInput;
  readonly #crops: EvalCrops;
  readonly #images: InputSlot;
  readonly #batch: number;

  /** Brings the network to the device. */
  constructor(model: Model, device: Device, { crops = 1, batch = 1 }: PredictOptions = {}) {
    const { table, weights, mean, preprocessing: channels } = model;
    this.shape = imageShape(model);
    this.#network = buildWith(table, weights, device);
    this.#device = device;
    this.#crops = crops;
    this.#batch = batch;
    // In tests only the mean is looked at.
    const statistics: ImageStatistics | undefined = mean &&
      { mean: mean.data, eigenvalues: [], eigenvectors: [] };
    this.#input = new ImageInput({ images: this.shape, input: table.input, statistics, channels, device });
    this.#images = new InputSlot([batch, ...this.shape], { dtype: "u8", device, name: "images" });
  }

  /**
   * Looks at images, as many as fit into a batch.
   *
   * @param images each channels x height x width bytes
   * @returns of each image the probability of each class
   */
  async run(images: readonly Uint8Array[]): Promise<Float32Array[]> {
    const [channels, height, width] = this.shape;
    const size = channels * height * width;
    // What is not filled stays black, and nobody looks at what comes of it: each batch has the plan of the first.
    const bytes = new Uint8Array(this.#batch * size);
    images.forEach((image, i) => bytes.set(image, i * size));
    this.#images.write(bytes);
    const logits = this.#network.forward(this.#input.test(this.#images, this.#crops));
    const probabilities = logMean(logSoftmax(logits), this.#crops).exp();
    await this.#device.evaluate([probabilities], true);
    const [, classes] = probabilities.shape as [number, number];
    const all = await probabilities.data() as Float32Array;
    return images.map((_, i) => all.slice(i * classes, (i + 1) * classes));
  }

  /** Gives the slots' memory back. */
  dispose(): void {
    this.#input.dispose();
    this.#images.dispose();
  }
}

/** A class that an image may be of. */
export interface Guess {
  /** The number of the class, from 0. */
  readonly class: number;
  /** Where the model's file has one. */
  readonly name?: string;
  readonly probability: number;
}

/** The most probable classes, of equal ones the first. */
export function mostProbable(
  probabilities: ArrayLike<number>,
  count: number,
  names?: readonly string[],
): Guess[] {
  const order = Array.from(probabilities, (_, index) => index)
    .sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  return order.slice(0, count).map((index) => ({
    class: index,
    ...names && { name: names[index]! },
    probability: probabilities[index]!,
  }));
}
