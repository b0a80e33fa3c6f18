/**
 * The training loop, the same for every network, dataset and device.
 *
 * @module
 */

import { batches, type Dataset, type EvalCrops, type ImageInput, shuffledOrder } from "../data/mod.ts";
import type { Module } from "../nn/mod.ts";
import { type Device, foldIn, type Tensor } from "../tensor/mod.ts";
import { type Evaluation, Evaluator } from "./evaluate.ts";
import type { Reporter } from "./events.ts";
import { nonFiniteError } from "./non_finite.ts";
import { Pipeline } from "./pipeline.ts";
import type { Schedule } from "./schedule.ts";
import type { SGD } from "./sgd.ts";
import { type StepResult, TrainingStep, type TrainPrecision } from "./step.ts";
import { Throughput } from "./throughput.ts";

/** What the loop takes. */
export interface TrainOptions {
  /** Where the network lives. */
  readonly device: Device;
  /** The network. */
  readonly model: Module;
  /** What updates the network's parameters. */
  readonly optimiser: SGD;
  /** How the learning rate changes. */
  readonly schedule: Schedule;
  /** The images. */
  readonly dataset: Dataset;
  /** Images a step; the last images of an epoch that do not fill a batch are left out. */
  readonly batch: number;
  /** What the network computes in, default `f32`. */
  readonly precision?: TrainPrecision;
  /** How many steps; epochs go on until then. */
  readonly steps: number;
  /** Measure after this many steps too, not only after each epoch and at the end. */
  readonly evalEvery?: number | undefined;
  /** From the bytes of images to what the network sees; default: the whole images, x / 255 - 0.5. */
  readonly input?: ImageInput | undefined;
  /** How many parts of a test image are averaged over, default 1. */
  readonly evalCrops?: EvalCrops | undefined;
  /** Dropout and the input draw from `foldIn(stepKey, s)` in step s. */
  readonly stepKey: Tensor;
  /** Epoch e is shuffled with the key `foldIn(shuffleKey, e)`. */
  readonly shuffleKey: Tensor;
  /** Looks at every step's numbers before they are used, and names the op that makes one NaN or infinite; slow. */
  readonly traceNaN?: boolean | undefined;
  /** Is told what happens. */
  readonly report: Reporter;
  /** Ends the run after the step under way; the network is measured and reported all the same. */
  readonly signal?: AbortSignal | undefined;
}

/** How a run ended. */
export interface TrainResult {
  /** Steps made. */
  readonly steps: number;
  /** The last evaluation; null when there was none. */
  readonly evaluation: Evaluation | null;
  /** Whether a signal ended it. */
  readonly interrupted: boolean;
}

/**
 * Trains a network. The parameters are updated in place.
 *
 * @throws {RangeError} when the training images do not fill one batch.
 * @throws {Error} when the loss is no longer finite; with `traceNaN` also when an update is not.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { dataset, batch, steps, signal } = options;
  if (dataset.train.count < batch) {
    throw new RangeError(`train: ${dataset.train.count} training images do not fill a batch of ${batch}`);
  }
  const run = new Run(options);
  try {
    await run.prepare();
    for (let epoch = 1; run.step < steps && !signal?.aborted; epoch++) await run.epoch(epoch);
  } finally {
    run.dispose();
  }
  return { steps: run.step, evaluation: run.evaluation, interrupted: run.step < steps };
}

const HINT = "a smaller learning rate may help, and --trace-nan finds the op";

interface Arrival extends StepResult {
  readonly step: number;
  readonly epoch: number;
  readonly lr: number;
}

class Run {
  readonly #options: TrainOptions;
  readonly #training: TrainingStep;
  readonly #evaluator: Evaluator;
  readonly #throughput = new Throughput();
  readonly #pipeline: Pipeline<Arrival>;
  /** Steps queued so far. */
  step = 0;
  evaluation: Evaluation | null = null;
  #evaluatedAt = 0;

  constructor(options: TrainOptions) {
    this.#options = options;
    const { dataset: { shape, classes, test: split }, evalCrops: crops } = options;
    this.#training = new TrainingStep({ ...options, shape });
    this.#evaluator = new Evaluator({ ...options, shape, classes, split, crops });
    this.#pipeline = new Pipeline((arrival) => this.#arrived(arrival));
  }

  async prepare(): Promise<void> {
    // Read once: from then on the key of a step is one small operation away.
    await this.#options.stepKey.data();
    await this.#training.prepare();
  }

  async epoch(epoch: number): Promise<void> {
    const { dataset, batch, steps, schedule, evalEvery, traceNaN, stepKey, shuffleKey, signal } =
      this.#options;
    const order = await shuffledOrder(shuffleKey, epoch, dataset.train.count);
    this.#throughput.reset();
    for await (
      const { images, labels } of batches(dataset.train, dataset.shape, { batch, order, last: "drop" })
    ) {
      if (this.step === steps || signal?.aborted) break;
      const lr = schedule.rate(this.step, steps);
      const step = ++this.step;
      const key = foldIn(stepKey, step);
      const result = traceNaN
        ? this.#training.runTraced(images, labels, lr, key, step)
        : this.#training.run(images, labels, lr, key);
      await this.#pipeline.push(result.then((values) => ({ ...values, step, epoch, lr })));
      if (traceNaN) await this.#pipeline.drain();
      if (evalEvery !== undefined && step % evalEvery === 0) await this.#evaluate(epoch);
    }
    if (this.step > 0) await this.#evaluate(epoch);
    if (this.evaluation) schedule.epochEnded(this.evaluation.accuracy);
  }

  #arrived({ step, epoch, lr, loss, correct, lossScale }: Arrival): void {
    const { batch, report } = this.#options;
    if (!Number.isFinite(loss)) {
      throw new Error(`the loss is not finite at step ${step}: ${HINT}`);
    }
    if (lossScale !== null && lossScale < 1) {
      throw new Error(`the gradients are too large for f16 up to step ${step}: ${HINT}`);
    }
    const imagesPerSecond = this.#throughput.add(batch);
    const scale = lossScale === null ? {} : { lossScale };
    void report({
      event: "step",
      step,
      epoch,
      loss,
      accuracy: correct / batch,
      lr,
      ...scale,
      imagesPerSecond,
    });
  }

  async #evaluate(epoch: number): Promise<void> {
    await this.#pipeline.drain();
    const { step } = this;
    if (this.#evaluatedAt === step) return;
    this.evaluation = await this.#evaluator.run();
    this.#evaluatedAt = step;
    const { accuracy, loss, top5Error } = this.evaluation;
    if (!Number.isFinite(loss)) {
      const when = `after step ${step}`;
      if (!this.#options.traceNaN) throw new Error(`the test loss is not finite ${when}: ${HINT}`);
      throw nonFiniteError("the test loss", when, await this.#evaluator.trace());
    }
    const { dataset, evalCrops: crops = 1, report } = this.#options;
    const errors = top5Error === undefined ? {} : { top1Error: 1 - accuracy, top5Error };
    await report({
      event: "eval",
      epoch,
      step,
      accuracy,
      loss,
      ...errors,
      crops,
      images: dataset.test.count,
    });
    this.#throughput.reset();
  }

  dispose(): void {
    this.#training.dispose();
    this.#evaluator.dispose();
  }
}
