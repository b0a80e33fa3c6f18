/**
 * How each network is trained when nobody says otherwise.
 *
 * @module
 */

import type { InitName, ModelName } from "../nn/mod.ts";
import type { ScheduleName } from "./schedule.ts";

/** The settings of a training run. */
export interface Recipe {
  /** Images a step. */
  readonly batch: number;
  /** Passes over the training images. */
  readonly epochs: number;
  /** The learning rate at the start. */
  readonly lr: number;
  /** How the rate changes. */
  readonly schedule: ScheduleName;
  /** After how many epochs without a better accuracy `plateau` divides the rate; default 3. */
  readonly patience?: number;
  /** The share of the velocity that stays. */
  readonly momentum: number;
  /** The share of a weight, times the rate, that is lost each step. */
  readonly weightDecay: number;
  /** The probability of dropout. */
  readonly dropout: number;
  /** How the weights start. */
  readonly init: InitName;
}

/** Krizhevsky et al. 2012, section 5. */
const paper: Recipe = {
  batch: 128,
  epochs: 90,
  lr: 0.01,
  schedule: "plateau",
  momentum: 0.9,
  weightDecay: 0.0005,
  dropout: 0.5,
  init: "paper",
};

/**
 * The recipes: `alexnet` has the paper's (section 5), and so has `alexnet_owt`, which starts as PyTorch starts it: He's weights,
 * made for inputs around 1, let it diverge at once on raw RGB. The others learn fast on the embedded images.
 */
export const recipes: Readonly<Record<ModelName, Recipe>> = {
  alexnet: paper,
  alexnet_mini: {
    batch: 32,
    epochs: 4,
    lr: 0.02,
    schedule: "linear",
    momentum: 0.9,
    weightDecay: 0.0005,
    dropout: 0.2,
    init: "he",
  },
  alexnet_owt: paper,
  lenet5: {
    batch: 32,
    epochs: 5,
    lr: 0.05,
    schedule: "linear",
    momentum: 0.9,
    weightDecay: 0.0005,
    dropout: 0,
    init: "paper",
  },
};
