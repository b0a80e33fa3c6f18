/**
 * What happens in a run, as data: the lines of `--json`, and what the progress line is made from.
 *
 * @module
 */

import type { Recipe } from "./recipes.ts";

/** The run begins. */
export interface StartEvent extends Recipe {
  readonly event: "start";
  readonly model: string;
  readonly parameters: number;
  readonly dataset: string;
  readonly trainImages: number;
  readonly testImages: number;
  readonly backend: string;
  /** The hardware and driver. */
  readonly device: string;
  readonly seed: number;
  readonly stepsPerEpoch: number;
  /** Of the whole run. */
  readonly steps: number;
}

/** A step's loss was read. */
export interface StepEvent {
  readonly event: "step";
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: number;
  /** The fraction of the batch that was classified rightly, before the update. */
  readonly accuracy: number;
  readonly lr: number;
  /** Over the last steps. */
  readonly imagesPerSecond: number;
}

/** The network was measured on the test images. */
export interface EvalEvent {
  readonly event: "eval";
  readonly epoch: number;
  readonly step: number;
  /** A fraction. */
  readonly accuracy: number;
  readonly loss: number;
  readonly images: number;
}

/** The run is over. */
export interface DoneEvent {
  readonly event: "done";
  /** Whether it was stopped before its end. */
  readonly interrupted: boolean;
  /** Steps made. */
  readonly steps: number;
  /** The last test accuracy; null when nothing was measured. */
  readonly accuracy: number | null;
  /** The last test loss. */
  readonly loss: number | null;
  readonly seconds: number;
}

/** What happens in a run. */
export type TrainEvent = StartEvent | StepEvent | EvalEvent | DoneEvent;

/** Is told what happens. */
export type Reporter = (event: TrainEvent) => void;
