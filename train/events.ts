/**
 * What happens in a run, as data: the lines of `--json`, and what the progress line is made from.
 *
 * @module
 */

import type { AugmentName, Dataset, EvalCrops, ImageInput } from "../data/mod.ts";
import type { InitName, Sequential } from "../nn/mod.ts";
import type { Variation } from "../nn/tables.ts";
import type { Device } from "../tensor/mod.ts";
import type { CompareEvent } from "./comparison.ts";
import type { Recipe } from "./recipes.ts";
import type { TrainPrecision } from "./step.ts";

/** The run begins. */
export interface StartEvent extends Omit<Recipe, "init"> {
  /** Which event this is. */
  readonly event: "start";
  /** The name of the network. */
  readonly model: string;
  /** How many numbers are learnt. */
  readonly parameters: number;
  /** The name of the dataset. */
  readonly dataset: string;
  /** Images to learn from. */
  readonly trainImages: number;
  /** Images to be tested with. */
  readonly testImages: number;
  /** `cpu` or `webgpu`. */
  readonly backend: string;
  /** The hardware and driver. */
  readonly device: string;
  /** Everything random comes from it. */
  readonly seed: number;
  /** What the network computes in. */
  readonly precision: TrainPrecision;
  /** How weights start. */
  readonly init: InitName | "pytorch";
  /** How training images are varied. */
  readonly augment: AugmentName;
  /** What the network has instead of what was published, where anything. */
  readonly network?: Variation;
  /** Steps a pass over the training images. */
  readonly stepsPerEpoch: number;
  /** Of the whole run. */
  readonly steps: number;
  /** How many parts of each test image are averaged over. */
  readonly evalCrops: EvalCrops;
  /** It is measured after so many steps, besides after each epoch. */
  readonly evalEvery?: number;
  /** It learns from so many images at most. */
  readonly limit?: number;
  /** Where the images are; without it they are those of the repository, or made up. */
  readonly data?: string;
  /** Whether the whole dataset was fetched. */
  readonly full?: boolean;
  /** How WebGPU's kernels are chosen. */
  readonly tune?: "off" | "cached" | "on";
  /** Whether the op is sought that makes a number NaN or infinite. */
  readonly traceNaN?: boolean;
  /** Where checkpoints are kept, after how many steps besides each epoch's, and how many of the newest. */
  readonly checkpoint?: { readonly folder: string; readonly every?: number; readonly keep: number };
  /** Steps made before, by the run whose checkpoint this one goes on from. */
  readonly resumedAt?: number;
}

/** A step's loss was read. */
export interface StepEvent {
  /** Which event this is. */
  readonly event: "step";
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** The mean cross-entropy of the batch, before the update. */
  readonly loss: number;
  /** The fraction of the batch that was classified rightly, before the update. */
  readonly accuracy: number;
  /** The learning rate of the step. */
  readonly lr: number;
  /** In f16, the factor of the loss that the step left to the next one: half as large if the step was skipped. */
  readonly lossScale?: number;
  /** Over the last steps. */
  readonly imagesPerSecond: number;
}

/** The network was measured on the test images. */
export interface EvalEvent {
  /** Which event this is. */
  readonly event: "eval";
  /** The epoch under way or just over, from 1. */
  readonly epoch: number;
  /** Steps made before. */
  readonly step: number;
  /** A fraction. */
  readonly accuracy: number;
  /** The mean cross-entropy. */
  readonly loss: number;
  /** The fraction of the images whose class has not the largest score; from ten classes on. */
  readonly top1Error?: number;
  /** The fraction of the images whose class is not among the five largest scores; from ten classes on. */
  readonly top5Error?: number;
  /** How many parts of each image were averaged over. */
  readonly crops: EvalCrops;
  /** How many images were measured. */
  readonly images: number;
}

/** The run is over. */
export interface DoneEvent {
  /** Which event this is. */
  readonly event: "done";
  /** Whether it was stopped before its end. */
  readonly interrupted: boolean;
  /** Steps made. */
  readonly steps: number;
  /** The last test accuracy; null when nothing was measured. */
  readonly accuracy: number | null;
  /** The last test loss. */
  readonly loss: number | null;
  /** Of the whole run, from building the network on. */
  readonly seconds: number;
}

/** What happens in a run. */
export type TrainEvent = StartEvent | StepEvent | EvalEvent | CompareEvent | DoneEvent;

/**
 * Is told what happens. At `start`, `eval` and `done` nothing is under way, and the run waits for what is returned: then
 * the network may be looked at. At the others nothing is to be returned.
 */
export type Reporter = (event: TrainEvent) => Promise<void> | void;

/** Tells several, and is done when all of them are. */
export function tellAll(reporters: readonly Reporter[]): Reporter {
  return (event) => {
    const waiting = reporters.map((report) => report(event)).filter((promise) => promise !== undefined);
    if (waiting.length > 0) return Promise.all(waiting).then(() => {});
  };
}

/** Whether a run was ended by someone who does not wait, so that nothing more is measured or looked at. */
export function isHurried(signal: AbortSignal | undefined): boolean {
  return signal?.reason === "SIGTERM";
}

/** What is trained: for reporters that look at more than the events. */
export interface Subject {
  /** Where the network lives. */
  readonly device: Device;
  /** The network. */
  readonly model: Sequential;
  /** The images. */
  readonly dataset: Dataset;
  /** From the images' bytes to what the network sees. */
  readonly input: ImageInput;
  /** Ends the run. */
  readonly signal?: AbortSignal | undefined;
  /** What the network computes in. */
  readonly precision: TrainPrecision;
}
