/**
 * Everything that is measured, in order.
 *
 * @module
 */

import type { Entry } from "../workload.ts";
import { maps, others } from "./others.ts";
import { convolutions, linears, matmuls } from "./products.ts";
import { steps } from "./steps.ts";

/** The paper's batch. */
const PAPER = 128;

/** Every family of kernels at AlexNet's shapes, and whole steps. */
export function entries(batch: number): Entry[] {
  return [
    ...matmuls(),
    ...convolutions(batch, false),
    ...(batch < PAPER ? convolutions(PAPER, true) : []),
    ...linears(batch, false),
    ...(batch < PAPER ? linears(PAPER, false) : []),
    ...maps("localResponseNorm", batch),
    ...maps("maxPool2d", batch),
    ...others(batch),
    ...steps(batch),
  ];
}
