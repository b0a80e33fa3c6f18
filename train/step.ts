/**
 * One step of training: forward, loss, gradients, update. The batch enters through slots, so that every step binds the
 * same memory and a backend finds the plan of the step before.
 *
 * @module
 */

import { normalise } from "../data/mod.ts";
import { type Module, training } from "../nn/mod.ts";
import {
  argmax,
  crossEntropy,
  type Device,
  equal,
  evaluate,
  gradients,
  InputSlot,
  type Parameter,
  type Tensor,
} from "../tensor/mod.ts";
import { inLayer } from "../tensor/provenance.ts";
import type { SGD } from "./sgd.ts";

/** What a step tells. */
export interface StepResult {
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: number;
  /** How many of the batch were classified rightly, before the update. */
  readonly correct: number;
}

/** A step that is described, not computed. */
export interface StepGraph {
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: Tensor;
  /** How many of the batch were classified rightly, before the update. */
  readonly correct: Tensor;
  /** The gradient of each of the optimiser's parameters. */
  readonly gradients: readonly Tensor[];
}

/** What a training step consists of. */
export interface StepOptions {
  /** The network. */
  readonly model: Module;
  /** What updates the network's parameters. */
  readonly optimiser: SGD;
  /** Where the network lives. */
  readonly device: Device;
  /** Images a step. */
  readonly batch: number;
  /** channels, height, width */
  readonly shape: readonly [number, number, number];
}

/** The training step of a network, for batches of one size. */
export class TrainingStep {
  readonly #options: StepOptions;
  readonly #images: InputSlot;
  readonly #labels: InputSlot;
  readonly #parameters: readonly Parameter[];

  /** Makes the step and the slots for its batches. */
  constructor(options: StepOptions) {
    const { device, batch, shape, optimiser } = options;
    this.#options = options;
    this.#images = new InputSlot([batch, ...shape], { dtype: "u8", device, name: "images" });
    this.#labels = new InputSlot([batch], { dtype: "i32", device, name: "labels" });
    this.#parameters = optimiser.parameters;
  }

  /** Computes the first values of the parameters, so that the first step has the plan of all others. */
  async prepare(): Promise<void> {
    await evaluate(...this.#parameters, ...this.#options.optimiser.velocities);
  }

  /**
   * Queues a step. The arrays may be filled anew as soon as this returns; the promise settles when the loss was read.
   *
   * @param key what dropout draws from; null for a network without
   */
  run(images: Uint8Array, labels: Int32Array, lr: number, key: Tensor | null): Promise<StepResult> {
    const { loss, correct } = this.describe(images, labels, lr, key);
    // Both in one evaluation, which also carries out the update; it is submitted before `evaluate` returns.
    return this.#options.device.evaluate([loss, correct], true).then(async () => ({
      loss: await loss.item(),
      correct: await correct.item(),
    }));
  }

  /** Fills the slots and makes the graph of a step, whose updates the next evaluation carries out. */
  describe(images: Uint8Array, labels: Int32Array, lr: number, key: Tensor | null): StepGraph {
    const { model, optimiser } = this.#options;
    this.#images.write(images);
    this.#labels.write(labels);
    const x = inLayer("input", () => normalise(this.#images));
    const logits = model.forward(x, training(key));
    const loss = inLayer("loss", () => crossEntropy(logits, this.#labels));
    const hits = () => equal(argmax(logits, { axis: 1 }), this.#labels).sum();
    const correct = inLayer("accuracy", hits);
    const slopes = gradients(loss, this.#parameters);
    optimiser.step(slopes, lr);
    return { loss, correct, gradients: slopes };
  }

  /** Gives the slots' memory back. */
  dispose(): void {
    this.#images.dispose();
    this.#labels.dispose();
  }
}
