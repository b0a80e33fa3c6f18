/**
 * Matrix multiplication, one row of the result at a time.
 *
 * @module
 */

import type { MatmulAttributes } from "../../../tensor/ops/matmul.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { CpuKernel } from "./kernel.ts";
import { matrixTimesVector, pick, vectorTimesMatrix } from "./products.ts";

/** y[..., m, n] = sum over k of a[..., m, k] * b[..., k, n], where an operand may be stored transposed. */
export const matmul: CpuKernel<MatmulAttributes> = ([a, b], { transposeA, transposeB }, [y]) => {
  const [rows, columns] = y!.shape.slice(-2) as [number, number];
  const inner = a!.shape.at(transposeA ? -2 : -1)!;
  const batch = sizeOf(y!.shape.slice(0, -2));
  const left = new Float64Array(inner);
  const result = new Float64Array(columns);
  for (let n = 0; n < batch; n++) {
    const right = n * inner * columns;
    for (let m = 0; m < rows; m++) {
      if (transposeA) pick(left, a!.data, n * inner * rows + m, rows);
      else pick(left, a!.data, (n * rows + m) * inner, 1);
      if (transposeB) matrixTimesVector(result, b!.data, right, left);
      else vectorTimesMatrix(result, left, b!.data, right);
      y!.data.set(result, (n * rows + m) * columns);
    }
  }
};
