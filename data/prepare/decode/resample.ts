/**
 * Scaling by triangle filters as wide as a pixel of the smaller image, first along the rows, then along the columns: bilinear
 * interpolation where an image grows, an average without aliasing where it shrinks (Pillow's `BILINEAR`).
 *
 * @module
 */

import type { RawImage } from "./mod.ts";

/** The pixels that one pixel of the result is a weighted mean of. */
interface Window {
  readonly first: number;
  readonly weights: Float32Array;
}

/**
 * Scales an image so that its shorter side has `size` pixels, and cuts out the centre.
 *
 * @param image any number of channels
 * @returns [size, size, channels]
 */
export function fitSquare(
  image: Omit<RawImage, "channels" | "pixels"> & {
    readonly channels: number;
    readonly pixels: Uint8Array | Uint8ClampedArray;
  },
  size: number,
): Uint8ClampedArray {
  const { pixels, width, height, channels } = image;
  const scale = Math.min(width, height) / size;
  const columns = windows(width, size, scale);
  const rows = windows(height, size, scale);
  const [top, bottom] = [
    rows[0]!.first,
    Math.max(...rows.map(({ first, weights }) => first + weights.length)),
  ];
  const line = size * channels;
  const between = new Float32Array((bottom - top) * line);
  for (let y = top; y < bottom; y++) {
    for (let x = 0; x < size; x++) {
      const { first, weights } = columns[x]!;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        const start = (y * width + first) * channels + c;
        for (let i = 0; i < weights.length; i++) sum += weights[i]! * pixels[start + i * channels]!;
        between[(y - top) * line + x * channels + c] = sum;
      }
    }
  }
  const result = new Uint8ClampedArray(size * line);
  for (let y = 0; y < size; y++) {
    const { first, weights } = rows[y]!;
    for (let x = 0; x < line; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * between[(first - top + i) * line + x]!;
      // Clamped arrays round.
      result[y * line + x] = sum;
    }
  }
  return result;
}

/** The windows of the `size` pixels in the middle of a side of `extent / scale` pixels. */
function windows(extent: number, size: number, scale: number): Window[] {
  const skipped = (extent - size * scale) / 2;
  const reach = Math.max(1, scale);
  return Array.from({ length: size }, (_, i) => {
    const centre = skipped + (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(extent, Math.ceil(centre + reach - 0.5));
    const weights = Float32Array.from({ length: Math.max(1, end - first) }, (_, j) => {
      return Math.max(0, 1 - Math.abs(first + j + 0.5 - centre) / reach);
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
