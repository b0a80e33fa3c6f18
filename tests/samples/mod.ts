// The table of samples: an op of the registry without samples does not compile.

import type { Composites, Primitives } from "../../tensor/ops/registry.ts";
import { conv2dSamples } from "./conv2d.ts";
import { elementwiseSamples } from "./elementwise.ts";
import { normalizeSamples, pool2dSamples } from "./images.ts";
import { movementSamples } from "./movement.ts";
import { indexingSamples, matmulSamples } from "./products.ts";
import { randomSamples } from "./random.ts";
import { reductionSamples } from "./reduction.ts";
import type { OpSamples } from "./sample.ts";
import { softmaxSamples } from "./softmax.ts";

/** The samples of every op. */
export const samples: { readonly [Name in keyof Primitives | keyof Composites]: OpSamples } = {
  ...elementwiseSamples,
  ...movementSamples,
  ...reductionSamples,
  ...matmulSamples,
  ...indexingSamples,
  ...conv2dSamples,
  ...pool2dSamples,
  ...normalizeSamples,
  ...randomSamples,
  ...softmaxSamples,
};
