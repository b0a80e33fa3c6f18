/**
 * One step of training: forward, loss, gradients, update. The batch enters through slots, so that every step binds the
 * same memory and a backend finds the plan of the step before.
 *
 * @module
 */

import { traceNonFinite } from "../debug/trace_non_finite.ts";
import { ImageInput } from "../data/mod.ts";
import { type Module, training } from "../nn/mod.ts";
import {
  argmax,
  cast,
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
import { LossScale } from "./loss_scale.ts";
import { nonFiniteError } from "./non_finite.ts";
import type { SGD } from "./sgd.ts";

/** What a step tells. */
export interface StepResult {
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: number;
  /** How many of the batch were classified rightly, before the update. */
  readonly correct: number;
  /** The factor of the loss that the step leaves to the next one; null in f32, which has none. */
  readonly lossScale: number | null;
}

/** A step that is described, not computed. */
export interface StepGraph {
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: Tensor;
  /** How many of the batch were classified rightly, before the update. */
  readonly correct: Tensor;
  /** The factor of the loss that the step leaves to the next one; null in f32. */
  readonly lossScale: Tensor | null;
  /** The gradient of each of the optimiser's parameters. */
  readonly gradients: readonly Tensor[];
}

type Metrics = Pick<StepGraph, "loss" | "correct" | "lossScale">;

/** What a network computes in: `f16` halves activations and working weights; weights are learnt in f32 either way. */
export type TrainPrecision = "f32" | "f16";

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
  /** From the bytes to what the network sees; default: the whole images, x / 255 - 0.5. */
  readonly input?: ImageInput | undefined;
  /** Default `f32`; with `f16` the loss is scaled, and steps whose gradients overflow are skipped. */
  readonly precision?: TrainPrecision;
}

/** The training step of a network, for batches of one size. */
export class TrainingStep {
  readonly #options: StepOptions;
  readonly #scaling: LossScale | null;
  readonly #images: InputSlot;
  readonly #labels: InputSlot;
  readonly #input: ImageInput;
  readonly #parameters: readonly Parameter[];

  /** Makes the step and the slots for its batches. */
  constructor(options: StepOptions) {
    const { device, batch, shape, optimiser, precision } = options;
    this.#options = options;
    this.#input = options.input ?? new ImageInput({ images: shape, device });
    this.#images = new InputSlot([batch, ...shape], { dtype: "u8", device, name: "images" });
    this.#labels = new InputSlot([batch], { dtype: "i32", device, name: "labels" });
    this.#parameters = optimiser.parameters;
    this.#scaling = precision === "f16" ? new LossScale({ device }) : null;
  }

  /** What a step changes besides the parameters, by name: their velocities and, in f16, the factor of the loss. */
  get states(): ReadonlyMap<string, Parameter> {
    const { velocities } = this.#options.optimiser;
    const named = this.#parameters.map(({ name }, i) => [`velocity.${name}`, velocities[i]!] as const);
    const { scale, goodSteps } = this.#scaling ?? {};
    const factor = { "lossScale.scale": scale, "lossScale.goodSteps": goodSteps };
    return new Map(
      [...named, ...Object.entries(factor).filter(([, state]) => state)] as [string, Parameter][],
    );
  }

  /** Computes the first values of the parameters, so that the first step has the plan of all others. */
  async prepare(): Promise<void> {
    const { scale, goodSteps } = this.#scaling ?? {};
    const factor = scale && goodSteps ? [scale, goodSteps] : [];
    await evaluate(...this.#parameters, ...this.#options.optimiser.velocities, ...factor);
  }

  /**
   * Queues a step. The arrays may be filled anew as soon as this returns; the promise settles when the loss was read.
   *
   * @param key what dropout and the input draw from; null where nothing is drawn
   */
  run(images: Uint8Array, labels: Int32Array, lr: number, key: Tensor | null): Promise<StepResult> {
    const graph = this.describe(images, labels, lr, key);
    // All in one evaluation, which also carries out the update; it is submitted before `evaluate` returns.
    return this.#options.device.evaluate(metrics(graph), true).then(() => resultOf(graph));
  }

  /**
   * A step like that of `run`, which looks at the new contents before it carries the update out.
   *
   * @param step its number, for the error
   * @throws {Error} when the loss or a new content is not finite: it names the op, and nothing was updated.
   */
  async runTraced(
    images: Uint8Array,
    labels: Int32Array,
    lr: number,
    key: Tensor | null,
    step: number,
  ): Promise<StepResult> {
    const { device, optimiser } = this.#options;
    this.#enter(images, labels);
    const make = () => {
      const graph = this.#make(lr, key);
      return { ...graph, all: [graph.loss, ...graph.updates.map(({ value }) => value)] };
    };
    const { updates, all, ...graph } = make();
    await device.evaluate([...all, ...metrics(graph)], true);
    const bad = all.findIndex(({ hostData }) => !hostData!.every(Number.isFinite));
    if (bad >= 0) {
      const what = bad === 0 ? "the loss" : `the new content of ${updates[bad - 1]!.state.name}`;
      throw nonFiniteError(what, `at step ${step}`, await traceNonFinite(() => make().all));
    }
    for (const { state, value } of updates) state.assign(value);
    await evaluate(...this.#parameters, ...optimiser.velocities);
    return await resultOf(graph);
  }

  /** Fills the slots and makes the graph of a step, whose updates the next evaluation carries out. */
  describe(images: Uint8Array, labels: Int32Array, lr: number, key: Tensor | null): StepGraph {
    this.#enter(images, labels);
    const graph = this.#make(lr, key);
    for (const { state, value } of graph.updates) state.assign(value);
    return graph;
  }

  #enter(images: Uint8Array, labels: Int32Array): void {
    this.#images.write(images);
    this.#labels.write(labels);
  }

  /** The graph of a step for the batch that is in the slots; nothing is queued. */
  #make(lr: number, key: Tensor | null): StepGraph & { readonly updates: ReturnType<SGD["updates"]> } {
    const { model, optimiser, precision = "f32" } = this.#options;
    const x = inLayer("input", () => cast(this.#input.train(this.#images, key), precision));
    const logits = cast(model.forward(x, training(key)), "f32");
    const loss = inLayer("loss", () => crossEntropy(logits, this.#labels));
    const hits = () => equal(argmax(logits, { axis: 1 }), this.#labels).sum();
    const correct = inLayer("accuracy", hits);
    const scaling = this.#scaling;
    const slopes = scaling?.gradients(loss, this.#parameters) ?? gradients(loss, this.#parameters);
    const scaled = scaling?.updates(slopes);
    const lossScale = scaled?.updates.find(({ state }) => state === scaling?.scale)?.value ?? null;
    const updates = [...optimiser.updates(slopes, lr, { when: scaled?.finite }), ...scaled?.updates ?? []];
    return { loss, correct, lossScale, gradients: slopes, updates };
  }

  /** Gives the slots' memory back. */
  dispose(): void {
    this.#images.dispose();
    this.#labels.dispose();
  }
}

/** What is read of a step. */
function metrics({ loss, correct, lossScale }: Metrics): Tensor[] {
  return lossScale === null ? [loss, correct] : [loss, correct, lossScale];
}

async function resultOf({ loss, correct, lossScale }: Metrics): Promise<StepResult> {
  return {
    loss: await loss.item(),
    correct: await correct.item(),
    lossScale: lossScale && await lossScale.item(),
  };
}
