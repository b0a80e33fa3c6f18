/**
 * The training loop, the same for every network, dataset and device.
 *
 * @module
 */

import { batches, type Dataset, type EvalCrops, type ImageInput, shuffledOrder } from "../data/mod.ts";
import type { Module } from "../nn/mod.ts";
import { type Device, foldIn, type Tensor } from "../tensor/mod.ts";
import { type Evaluation, Evaluator } from "./evaluate.ts";
import { isHurried, type Reporter } from "./events.ts";
import type { Position } from "./manifest.ts";
import { nonFiniteError } from "./non_finite.ts";
import { Pipeline } from "./pipeline.ts";
import type { Schedule } from "./schedule.ts";
import type { SGD } from "./sgd.ts";
import type { Keeper, Restored, States } from "./states.ts";
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
  /** Is given the states to keep after each epoch, at the end, and when the signal ends the run. */
  readonly keeper?: Keeper | undefined;
  /** Goes on from there, to the same bits on the same device, instead of from the beginning. */
  readonly from?: Restored | undefined;
  /**
   * Ends the run after the step under way; the network is measured and reported all the same, unless the reason is
   * `SIGTERM`, whose sender does not wait.
   */
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
    while (run.step < steps && !signal?.aborted) await run.epoch();
    await run.end();
  } finally {
    run.dispose();
  }
  return { steps: run.step, evaluation: run.evaluation, interrupted: run.step < steps || !run.measured };
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
  readonly #states: States;
  readonly #stepsPerEpoch: number;
  /** Steps queued so far. */
  step = 0;
  evaluation: Evaluation | null = null;
  #evaluatedAt = 0;
  /** Epochs whose end the schedule was told of. */
  #epochs = 0;
  /** What was kept last; nothing is kept twice. */
  #kept = "";

  constructor(options: TrainOptions) {
    this.#options = options;
    const { model, batch, dataset: { shape, classes, train: { count }, test: split } } = options;
    const { evalCrops: crops } = options;
    this.#training = new TrainingStep({ ...options, shape });
    this.#evaluator = new Evaluator({ ...options, shape, classes, split, crops });
    this.#pipeline = new Pipeline((arrival) => this.#arrived(arrival));
    this.#states = { parameters: model.parameters(), others: this.#training.states };
    this.#stepsPerEpoch = Math.floor(count / batch);
  }

  async prepare(): Promise<void> {
    const { from, stepKey, schedule } = this.#options;
    await from?.restore(this.#states);
    // Read once: from then on the key of a step is one small operation away.
    await stepKey.data();
    await this.#training.prepare();
    if (!from) return;
    const { position } = from;
    this.step = position.step;
    this.evaluation = position.evaluation;
    this.#evaluatedAt = position.evaluatedAt;
    this.#epochs = position.epochs;
    schedule.restore(position.schedule);
    this.#kept = keyOf(position);
    // A signal may have come between a step and its evaluation.
    if (this.step > 0) await this.#stepMade();
  }

  /** Whether the network was measured after the last step. */
  get measured(): boolean {
    return this.#evaluatedAt === this.step;
  }

  /** What is left of an epoch. */
  async epoch(): Promise<void> {
    const { dataset, batch, steps, schedule, traceNaN, stepKey, shuffleKey, signal } = this.#options;
    const epoch = Math.floor(this.step / this.#stepsPerEpoch) + 1;
    const from = this.step % this.#stepsPerEpoch * batch;
    const order = await shuffledOrder(shuffleKey, epoch, dataset.train.count);
    this.#throughput.reset();
    for await (
      const { images, labels } of batches(dataset.train, dataset.shape, { batch, order, from, last: "drop" })
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
      await this.#stepMade();
    }
  }

  /** The end of the run, its own or a signal's. */
  async end(): Promise<void> {
    if (this.step === 0) return;
    // First of all: the sender of the signal may not wait.
    await this.#keep();
    await this.#evaluate();
  }

  /** What is to be done after a step; nothing of it is done twice. */
  async #stepMade(): Promise<void> {
    const { steps, evalEvery, keeper, schedule } = this.#options;
    const { step } = this;
    const epochs = Math.floor(step / this.#stepsPerEpoch);
    const ends = step === steps || step % this.#stepsPerEpoch === 0;
    if (ends || isMultiple(step, evalEvery)) await this.#evaluate();
    // The evaluation was given up. It is made by the run that goes on from here.
    if (ends && this.#evaluatedAt !== step) return;
    if (this.#epochs < epochs) {
      schedule.epochEnded(this.evaluation!.accuracy);
      this.#epochs = epochs;
    }
    if (ends || isMultiple(step, keeper?.every)) await this.#keep();
  }

  async #keep(): Promise<void> {
    const { keeper, schedule } = this.#options;
    const { step, evaluation } = this;
    const position: Position = {
      step,
      epochs: this.#epochs,
      schedule: schedule.state,
      evaluation,
      evaluatedAt: this.#evaluatedAt,
    };
    if (!keeper || this.#kept === keyOf(position)) return;
    // Up to here all losses are finite and reported.
    await this.#pipeline.drain();
    await keeper.save(position, this.#states);
    this.#kept = keyOf(position);
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

  /** Measures the network, unless it was measured or nobody would wait for it. */
  async #evaluate(): Promise<void> {
    const { signal } = this.#options;
    await this.#pipeline.drain();
    const { step } = this;
    if (this.#evaluatedAt === step) return;
    const evaluation = await this.#evaluator.run(() => isHurried(signal));
    if (evaluation === null) return;
    this.evaluation = evaluation;
    this.#evaluatedAt = step;
    const { accuracy, loss, top5Error } = evaluation;
    if (!Number.isFinite(loss)) {
      const when = `after step ${step}`;
      if (!this.#options.traceNaN) throw new Error(`the test loss is not finite ${when}: ${HINT}`);
      throw nonFiniteError("the test loss", when, await this.#evaluator.trace());
    }
    const { dataset, evalCrops: crops = 1, report } = this.#options;
    const epoch = Math.ceil(step / this.#stepsPerEpoch);
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

/** Two positions of a run with the same key are the same. */
function keyOf({ step, epochs, evaluatedAt }: Position): string {
  return `${step} ${epochs} ${evaluatedAt}`;
}

function isMultiple(step: number, of: number | undefined): boolean {
  return of !== undefined && step % of === 0;
}
