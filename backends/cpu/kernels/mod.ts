/**
 * The table of kernels. Its type is derived from the declarations of the ops: a kernel that is missing, or one that is
 * no primitive's, does not compile.
 *
 * @module
 */

import type { Primitives } from "../../../tensor/ops/registry.ts";
import * as conv2d from "./conv2d.ts";
import * as elementwise from "./elementwise.ts";
import * as indexing from "./indexing.ts";
import type { CpuKernel } from "./kernel.ts";
import * as matmul from "./matmul.ts";
import * as movement from "./movement.ts";
import * as pool2d from "./pool2d.ts";
import * as random from "./random.ts";
import * as reduction from "./reduction.ts";

/** A kernel for every primitive. */
type Kernels = { readonly [Name in keyof Primitives]: CpuKernel<Primitives[Name]> };

/** Takes a kernel for every primitive and nothing else; TypeScript by itself lets a spread bring more than was asked for. */
function exactly<Given extends Kernels>(
  kernels: Given & Record<Exclude<keyof Given, keyof Kernels>, never>,
): Kernels {
  return kernels;
}

/** The kernels by the names of the ops. */
export const kernels: Kernels = exactly({
  ...conv2d,
  ...elementwise,
  ...indexing,
  ...matmul,
  ...movement,
  ...pool2d,
  ...random,
  ...reduction,
});
