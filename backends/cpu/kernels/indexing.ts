/**
 * Ops that pick elements by index. An array is seen as [outer, extent, inner], where the middle axis is indexed.
 *
 * @module
 */

import { isFloat } from "../../../tensor/dtype.ts";
import type { CropAttributes, GatherAttributes, ScatterAttributes } from "../../../tensor/ops/indexing.ts";
import { type Shape, sizeOf } from "../../../tensor/shape.ts";
import type { CpuKernel } from "./kernel.ts";

interface Layout {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

function layoutOf(shape: Shape, axis: number): Layout {
  return { outer: sizeOf(shape.slice(0, axis)), extent: shape[axis]!, inner: sizeOf(shape.slice(axis + 1)) };
}

/** y[outer, i, inner] = x[outer, indices[i], inner], and `missing` where there is no such index. */
function gatherOr(missing: (dtypeIsFloat: boolean) => number): CpuKernel<GatherAttributes> {
  return ([x, indices], { axis }, [y]) => {
    const { outer, extent, inner } = layoutOf(x!.shape, axis);
    const picks = indices!.data;
    y!.data.fill(missing(isFloat(y!.dtype)));
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < picks.length; i++) {
        const pick = picks[i]!;
        if (pick < 0 || pick >= extent) continue;
        const from = (o * extent + pick) * inner;
        const to = (o * picks.length + i) * inner;
        for (let k = 0; k < inner; k++) y!.data[to + k] = x!.data[from + k]!;
      }
    }
  };
}

/** Picking; out of range NaN, in integers 0. */
export const gather: CpuKernel<GatherAttributes> = gatherOr((dtypeIsFloat) => dtypeIsFloat ? NaN : 0);

/** Picking; out of range 0. */
export const gatherInRange: CpuKernel<GatherAttributes> = gatherOr(() => 0);

/** y[outer, indices[i], inner] += x[outer, i, inner]; out of range is left out. */
export const scatterAdd: CpuKernel<ScatterAttributes> = ([x, indices], { axis }, [y]) => {
  const { outer, extent, inner } = layoutOf(y!.shape, axis);
  const places = indices!.data;
  const sums = new Float64Array(y!.data.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!;
      if (place < 0 || place >= extent) continue;
      const from = (o * places.length + i) * inner;
      const to = (o * extent + place) * inner;
      for (let k = 0; k < inner; k++) sums[to + k]! += x!.data[from + k]!;
    }
  }
  y!.data.set(sums);
};

/** y[.., n, c, i, j] = x[n, c, top + i, left + (mirrored ? width - 1 - j : j)], 0 where x has no such pixel. */
export const crop: CpuKernel<CropAttributes> = ([x, places], { size: [height, width] }, [y]) => {
  const [images, channels, rows, columns] = x!.shape as [number, number, number, number];
  const crops = sizeOf(places!.shape.slice(0, -1));
  for (let k = 0, to = 0; k < crops; k++) {
    const [top, left, mirrored] = places!.data.subarray(3 * k, 3 * k + 3) as unknown as number[];
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < height; i++) {
        const row = top! + i;
        const from = ((k % images * channels + c) * rows + row) * columns;
        for (let j = 0; j < width; j++, to++) {
          const column = left! + (mirrored === 0 ? j : width - 1 - j);
          if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
          y!.data[to] = x!.data[from + column]!;
        }
      }
    }
  }
};
