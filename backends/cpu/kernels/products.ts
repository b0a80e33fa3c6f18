/**
 * Products of a vector and a matrix, which matrix multiplication and convolution spend their time in. A matrix is a part
 * of an array, row by row, and each loop goes through it as it lies in memory.
 *
 * Rows are taken four at a time, and the few that are left one by one: an element that is loaded once for four products
 * makes the loop almost twice as fast. The loop that follows each of them is the formula.
 *
 * @module
 */

import type { HostArray } from "../../../tensor/dtype.ts";

/** y[i] = sum over j of matrix[i, j] * x[j]. */
export function matrixTimesVector(y: Float64Array, matrix: HostArray, start: number, x: Float64Array): void {
  const columns = x.length;
  let i = 0;
  for (; i + 3 < y.length; i += 4) {
    let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
    for (let j = 0, at = start + i * columns; j < columns; j++, at++) {
      const factor = x[j]!;
      sum0 += matrix[at]! * factor;
      sum1 += matrix[at + columns]! * factor;
      sum2 += matrix[at + 2 * columns]! * factor;
      sum3 += matrix[at + 3 * columns]! * factor;
    }
    y[i] = sum0;
    y[i + 1] = sum1;
    y[i + 2] = sum2;
    y[i + 3] = sum3;
  }
  for (; i < y.length; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += matrix[start + i * columns + j]! * x[j]!;
    y[i] = sum;
  }
}

/** y[j] = sum over i of x[i] * matrix[i, j]. */
export function vectorTimesMatrix(y: Float64Array, x: Float64Array, matrix: HostArray, start: number): void {
  const columns = y.length;
  y.fill(0);
  let i = 0;
  for (; i + 3 < x.length; i += 4) {
    const [x0, x1, x2, x3] = [x[i]!, x[i + 1]!, x[i + 2]!, x[i + 3]!];
    for (let j = 0, at = start + i * columns; j < columns; j++, at++) {
      y[j]! += x0 * matrix[at]! + x1 * matrix[at + columns]! + x2 * matrix[at + 2 * columns]! +
        x3 * matrix[at + 3 * columns]!;
    }
  }
  for (; i < x.length; i++) {
    for (let j = 0; j < columns; j++) y[j]! += x[i]! * matrix[start + i * columns + j]!;
  }
}

/** matrix[i, j] += y[i] * x[j]. */
export function addOuterProduct(matrix: Float64Array, start: number, y: Float64Array, x: Float64Array): void {
  for (let i = 0; i < y.length; i++) {
    const row = start + i * x.length;
    const factor = y[i]!;
    for (let j = 0; j < x.length; j++) matrix[row + j]! += factor * x[j]!;
  }
}

/** Copies elements that lie `step` apart: vector[i] = array[start + i * step]. */
export function pick(vector: Float64Array, array: HostArray, start: number, step: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] = array[start + i * step]!;
}
