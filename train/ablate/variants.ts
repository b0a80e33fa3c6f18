/**
 * What is compared with what: ways to train that differ in one piece, and what the paper says of each.
 *
 * @module
 */

import type { AugmentName } from "../../data/mod.ts";
import type { InitName } from "../../nn/mod.ts";
import type { Variation } from "../../nn/tables.ts";

/** A way to train. What is left out is as in `full`. */
export interface Variant {
  /** In words, for a table. */
  readonly title: string;
  /** What the network has instead of the paper's. */
  readonly network?: Variation;
  /** The probability of dropout, default the paper's 0.5. */
  readonly dropout?: number;
  /** How training images are varied, default `crop`. */
  readonly augment?: AugmentName;
  /** The largest learning rate, default `USUAL_RATE`. */
  readonly lr?: number;
  /** How weights start, default `he`. */
  readonly init?: InitName;
  /** Whether the network sees bytes from 0 to 255 as they are, instead of x / 255 - 0.5. */
  readonly raw?: boolean;
}

/** The largest learning rate, unless a way to train has its own. */
export const USUAL_RATE = 0.02;

/** The name of a way to train. */
export type VariantName =
  | "full"
  | "no-lrn"
  | "plain-pool"
  | "one-tower"
  | "no-dropout"
  | "no-augment"
  | "free"
  | "tanh"
  | "raw-relu"
  | "raw-tanh";

/** Neither dropout nor augmentation: what learns the training images fastest. */
const free = { dropout: 0, augment: "none" } as const;
const saturating = { activation: "tanh" } as const;
/** Bytes are some 300 times as large as what is usual. */
const raw = { ...free, raw: true } as const;

/**
 * The ways to train. "The learning rates for each network were chosen independently to make training as fast as possible"
 * (figure 1): of 0.01, 0.02, 0.05 and 0.1 for ReLU, 0.005, 0.01 and 0.05 for tanh, 0.001, 0.003 and 0.01 for ReLU on bytes,
 * 0.005, 0.02 and 0.05 for tanh on bytes, those with the smallest training error after three or four epochs.
 */
export const variants: Readonly<Record<VariantName, Variant>> = {
  full: { title: "all of the paper's pieces" },
  "no-lrn": { title: "no local response normalisation", network: { lrn: false } },
  "plain-pool": { title: "pooling that does not overlap", network: { pool: "plain" } },
  "one-tower": { title: "one tower of half width", network: { towers: 1 } },
  "no-dropout": { title: "no dropout", dropout: 0 },
  "no-augment": { title: "no augmentation", augment: "none" },
  free: { title: "neither dropout nor augmentation", ...free },
  tanh: { title: "neither, and tanh instead of ReLU", ...free, network: saturating, lr: 0.05 },
  "raw-relu": { title: "neither, and bytes as they are", ...raw, lr: 0.001 },
  "raw-tanh": { title: "neither, tanh, and bytes as they are", ...raw, network: saturating, lr: 0.02 },
};

/** A piece whose worth the paper tells in points of top-1 and top-5 error. */
export interface Piece {
  /** In words, for a table. */
  readonly title: string;
  /** Where the paper tells it. */
  readonly section: string;
  /** What is trained without it; null for what is only a way to measure. */
  readonly without: VariantName | null;
  /** By how many points it reduces the errors in the paper. */
  readonly paper: { readonly top1: number; readonly top5: number };
}

/** The pieces. Table 1's footnote tells what the ten crops are worth: 39.0% and 18.3% without them, 37.5% and 17.0% with. */
export const pieces: readonly Piece[] = [
  {
    title: "two towers, not one of half width",
    section: "3.2",
    without: "one-tower",
    paper: points(1.7, 1.2),
  },
  { title: "local response normalisation", section: "3.3", without: "no-lrn", paper: points(1.4, 1.2) },
  { title: "pooling that overlaps", section: "3.4", without: "plain-pool", paper: points(0.4, 0.3) },
  {
    title: "ten crops of a test image, not one",
    section: "6, table 1",
    without: null,
    paper: points(1.5, 1.3),
  },
];

function points(top1: number, top5: number): Piece["paper"] {
  return { top1, top5 };
}

/** Ways to train that show what keeps a network from learning its images by heart (sections 4.1 and 4.2). */
export const overfitting: readonly VariantName[] = ["full", "no-dropout", "no-augment", "free"];

/** Ways to train that show how fast ReLU learns (section 3.1, figure 1), and what it asks of its input. */
export const learning: readonly VariantName[] = ["free", "tanh", "raw-relu", "raw-tanh"];
