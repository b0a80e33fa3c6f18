/**
 * The complete table of kernels: one for every primitive, and for the composites that are worth one.
 *
 * @module
 */

import { conv2dKernels } from "./conv2d.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { indexingKernels } from "./indexing.ts";
import { matmulKernels } from "./matmul.ts";
import { movementKernels } from "./movement.ts";
import { normalizeKernels } from "./normalize.ts";
import { pool2dKernels } from "./pool2d.ts";
import { randomKernels } from "./random.ts";
import { reductionKernels } from "./reduction.ts";
import { softmaxKernels } from "./softmax.ts";
import type { WebGpuKernels } from "./types.ts";

/** The kernels by the names of their ops. */
export const kernels: WebGpuKernels = {
  ...conv2dKernels,
  ...elementwiseKernels,
  ...indexingKernels,
  ...matmulKernels,
  ...movementKernels,
  ...normalizeKernels,
  ...pool2dKernels,
  ...randomKernels,
  ...reductionKernels,
  ...softmaxKernels,
};
