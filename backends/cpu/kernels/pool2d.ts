/**
 * Pooling of images. All five ops walk over the windows; max-pooling's gradients go where its index says.
 *
 * @module
 */

import type { PoolGeometry, PoolGradientAttributes } from "../../../tensor/ops/pool2d.ts";
import type { Shape } from "../../../tensor/shape.ts";
import type { CpuKernel } from "./kernel.ts";

/** The first largest of each window, NaN above all, and its place in the window. */
export const maxPool2d: CpuKernel<PoolGeometry> = ([x], geometry, [y, index]) => {
  const [from, to, places] = [x!.data, y!.data, index!.data];
  const nowhere = index!.dtype === "u8" ? 255 : -1;
  places.fill(nowhere);
  forEachElement(x!.shape, y!.shape, geometry, (output, element, place) => {
    const value = from[element]!;
    if (places[output] === nowhere || value > to[output]! || Number.isNaN(value)) {
      to[output] = value;
      places[output] = place;
    }
  });
};

/** dx at each maximum += dy. */
export const maxPool2dGradient: CpuKernel<PoolGradientAttributes> = ([dy, index], geometry, [dx]) => {
  const [from, places, sums] = [dy!.data, index!.data, new Float64Array(dx!.data.length)];
  forEachElement(dx!.shape, dy!.shape, geometry, (output, element, place) => {
    if (places[output] === place) sums[element]! += from[output]!;
  });
  dx!.data.set(sums);
};

/** y = x at each maximum. */
export const maxPool2dPick: CpuKernel<PoolGeometry> = ([x, index], geometry, [y]) => {
  const [from, places, to] = [x!.data, index!.data, y!.data];
  forEachElement(x!.shape, y!.shape, geometry, (output, element, place) => {
    if (places[output] === place) to[output] = from[element]!;
  });
};

/** The sum of each window over the window's size. */
export const avgPool2d: CpuKernel<PoolGeometry> = ([x], geometry, [y]) => {
  const [from, sums] = [x!.data, new Float64Array(y!.data.length)];
  forEachElement(x!.shape, y!.shape, geometry, (output, element) => {
    sums[output]! += from[element]!;
  });
  const size = geometry.window[0] * geometry.window[1];
  y!.data.set(sums.map((sum) => sum / size));
};

/** dx = the sum of dy over the windows that hold the element, over the window's size. */
export const avgPool2dGradient: CpuKernel<PoolGradientAttributes> = ([dy], geometry, [dx]) => {
  const [from, sums] = [dy!.data, new Float64Array(dx!.data.length)];
  forEachElement(dx!.shape, dy!.shape, geometry, (output, element) => {
    sums[element]! += from[output]!;
  });
  const size = geometry.window[0] * geometry.window[1];
  dx!.data.set(sums.map((sum) => sum / size));
};

/** Visits each element of each window that lies in the image, not in its padding, in row-major order of the window. */
function forEachElement(
  images: Shape,
  outputs: Shape,
  { window, stride, padding }: PoolGeometry,
  visit: (output: number, element: number, place: number) => void,
): void {
  const [batch, channels, height, width] = images as [number, number, number, number];
  const [outHeight, outWidth] = outputs.slice(2) as [number, number];
  for (let plane = 0, output = 0; plane < batch * channels; plane++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++, output++) {
        for (let u = 0; u < window[0]; u++) {
          const row = i * stride[0] - padding[0] + u;
          if (row < 0 || row >= height) continue;
          for (let v = 0; v < window[1]; v++) {
            const column = j * stride[1] - padding[1] + v;
            if (column < 0 || column >= width) continue;
            visit(output, (plane * height + row) * width + column, u * window[1] + v);
          }
        }
      }
    }
  }
}
