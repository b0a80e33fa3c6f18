/**
 * Matrix multiplication, one row of the result at a time.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { CpuKernel } from "./kernel.ts";
import { pick, vectorTimesMatrix } from "./products.ts";

/** y[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]. */
export const matmul: CpuKernel<NoAttributes> = ([a, b], _, [y]) => {
  const [rows, columns] = y!.shape.slice(-2) as [number, number];
  const inner = a!.shape.at(-1)!;
  const batch = sizeOf(y!.shape.slice(0, -2));
  const left = new Float64Array(inner);
  const result = new Float64Array(columns);
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < rows; m++) {
      pick(left, a!.data, (n * rows + m) * inner, 1);
      vectorTimesMatrix(result, left, b!.data, n * inner * columns);
      y!.data.set(result, (n * rows + m) * columns);
    }
  }
};
