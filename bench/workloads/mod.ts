/**
 * Everything that is measured, in order.
 *
 * @module
 */

import { PAPER_BATCH } from "../shapes.ts";
import type { Entry } from "../workload.ts";
import { maps, others } from "./others.ts";
import { convolutions, linears, matmuls } from "./products.ts";
import { steps } from "./steps.ts";

/** Every family of kernels at AlexNet's shapes, and whole steps. */
export function entries(batch: number): Entry[] {
  return [
    ...matmuls(),
    ...convolutions(batch, false),
    ...(batch < PAPER_BATCH ? convolutions(PAPER_BATCH, true) : []),
    ...linears(batch, false),
    ...(batch < PAPER_BATCH ? linears(PAPER_BATCH, false) : []),
    ...maps("localResponseNorm", batch),
    ...maps("maxPool2d", batch),
    ...others(batch),
    ...steps(batch),
  ];
}
