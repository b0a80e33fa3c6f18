/**
 * A run as curves, from its events: bounded in size, however many steps there are, and mended where a run went back to a
 * checkpoint and made some of its steps again.
 *
 * @module
 */

import type { DoneEvent, EvalEvent, StartEvent, StepEvent, TrainEvent } from "../events.ts";

/** Steps that follow each other and are drawn as one point. */
export interface Stretch {
  /** The number of the first step. */
  readonly first: number;
  /** The number of the last one. */
  readonly last: number;
  /** How many steps were told of. */
  readonly count: number;
  /** The mean loss. */
  readonly loss: number;
  /** The mean accuracy of the batches. */
  readonly accuracy: number;
  /** The rate of the last step. */
  readonly lr: number;
  /** The mean throughput. */
  readonly imagesPerSecond: number;
}

/** More stretches than this are joined, two and two. */
const STRETCHES = 600;

/** Collects events. */
export class Course {
  /** How the run began, the last time that it did. */
  start: StartEvent | null = null;
  /** How it ended; null while it is under way. */
  done: DoneEvent | null = null;
  /** The measurements, in order. */
  readonly evaluations: EvalEvent[] = [];
  /** The steps, in order. */
  readonly stretches: Stretch[] = [];
  /** Steps that a new stretch is for. */
  #width = 1;

  /** Takes an event in. */
  add(event: TrainEvent): void {
    switch (event.event) {
      case "start":
        this.start = event;
        this.done = null;
        return;
      case "step":
        return this.#step(event);
      case "eval":
        this.#forget(this.evaluations, (earlier) => earlier.step >= event.step);
        this.evaluations.push(event);
        return;
      case "compare":
        return;
      case "done":
        this.done = event;
        return;
      default:
        event satisfies never;
    }
  }

  /** Steps made. */
  get steps(): number {
    return Math.max(this.stretches.at(-1)?.last ?? 0, this.evaluations.at(-1)?.step ?? 0);
  }

  #step({ step, loss, accuracy, lr, imagesPerSecond }: StepEvent): void {
    // Steps that are made again count once: what came after the checkpoint is no part of the run any more.
    this.#forget(this.stretches, ({ last }) => last >= step);
    this.#forget(this.evaluations, (earlier) => earlier.step >= step);
    const one: Stretch = { first: step, last: step, count: 1, loss, accuracy, lr, imagesPerSecond };
    const open = this.stretches.at(-1);
    if (open === undefined || step - open.first >= this.#width) {
      this.stretches.push(one);
    } else {
      this.stretches[this.stretches.length - 1] = join(open, one);
    }
    if (this.stretches.length <= STRETCHES) return;
    this.#width *= 2;
    const pairs = this.stretches.splice(0);
    for (let i = 0; i < pairs.length; i += 2) {
      const [a, b] = [pairs[i]!, pairs[i + 1]];
      this.stretches.push(b === undefined ? a : join(a, b));
    }
  }

  /** Drops what is at the end and undone. */
  #forget<T>(list: T[], undone: (item: T) => boolean): void {
    while (list.length > 0 && undone(list.at(-1)!)) list.pop();
  }
}

function join(a: Stretch, b: Stretch): Stretch {
  const count = a.count + b.count;
  const mean = (x: number, y: number) => (x * a.count + y * b.count) / count;
  return {
    first: a.first,
    last: b.last,
    count,
    loss: mean(a.loss, b.loss),
    accuracy: mean(a.accuracy, b.accuracy),
    lr: b.lr,
    imagesPerSecond: mean(a.imagesPerSecond, b.imagesPerSecond),
  };
}
