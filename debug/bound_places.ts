/**
 * Where an extreme is: the place is certain where the winner leads by more than its own error and the other's, else open.
 *
 * @module
 */

import type { CpuArray } from "../backends/cpu/kernels/kernel.ts";
import type { PoolGeometry } from "../tensor/ops/pool2d.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Bounded } from "./bounds.ts";

/** Calls `visit` for every output and each element that it is chosen from, with the place that the output would have. */
type Candidates = (visit: (output: number, element: number, place: number) => void) => void;

/** The errors of the places of extremes: 0 or Infinity. */
export function placeErrors(x: Bounded, { data: places }: CpuArray, candidates: Candidates): Float64Array {
  const errors = new Float64Array(places.length);
  if (x.errors.every((error) => error === 0)) return errors;
  const winners = new Int32Array(places.length);
  candidates((output, element, place) => {
    if (places[output] === place) winners[output] = element;
  });
  candidates((output, element) => {
    const winner = winners[output]!;
    const error = x.errors[winner]! + x.errors[element]!;
    const certain = error === 0 || Math.abs(x.data[winner]! - x.data[element]!) > error;
    if (element !== winner && !certain) errors[output] = Infinity;
  });
  return errors;
}

/** The candidates of a reduction: places count along the axes that are reduced. */
export function reduced(shape: Shape, axes: readonly number[]): Candidates {
  return (visit) => {
    for (let element = 0; element < sizeOf(shape); element++) {
      const at = { index: 0, step: 1 };
      const kept = { index: 0, step: 1 };
      let rest = element;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        const extent = shape[axis]!;
        const part = axes.includes(axis) ? at : kept;
        part.index += part.step * (rest % extent);
        part.step *= extent;
        rest = Math.floor(rest / extent);
      }
      visit(kept.index, element, at.index);
    }
  };
}

/** The candidates of pooling: places count in the window. */
export function pooled(x: Shape, y: Shape, { window, stride, padding }: PoolGeometry): Candidates {
  const [, , height, width] = x as [number, number, number, number];
  const [, , outHeight, outWidth] = y as [number, number, number, number];
  return (visit) => {
    for (let output = 0; output < sizeOf(y); output++) {
      const column = output % outWidth;
      const row = Math.floor(output / outWidth) % outHeight;
      const map = Math.floor(output / (outWidth * outHeight));
      for (let place = 0; place < window[0] * window[1]; place++) {
        const inRow = row * stride[0] - padding[0] + Math.floor(place / window[1]);
        const inColumn = column * stride[1] - padding[1] + place % window[1];
        const inside = inRow >= 0 && inRow < height && inColumn >= 0 && inColumn < width;
        if (inside) visit(output, (map * height + inRow) * width + inColumn, place);
      }
    }
  };
}
