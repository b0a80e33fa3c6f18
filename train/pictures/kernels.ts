/**
 * The kernels of the first layer side by side, as in the paper's Figure 3: the first tower's above, the second's below.
 *
 * @module
 */

/** A picture as bytes, red, green, blue and opacity of each pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4], row-major */
  readonly pixels: Uint8Array;
}

/** How kernels are laid out. */
export interface Tiling {
  /** Kernels in a row. */
  readonly columns: number;
  /** Rows a tower. */
  readonly rows: number;
  /** Where the rows of each tower begin, in pixels. */
  readonly tops: readonly number[];
  /** Pixels that a weight takes along each axis. */
  readonly scale: number;
}

/** The paper's figure has sixteen in a row. */
const COLUMNS = 16;
/** A picture is about this wide. */
const WIDTH = 960;

/** A layout for kernels [out, in, height, width]. */
export function tilingOf([out, , height, width]: readonly number[], towers: number): Tiling {
  const each = out! / towers;
  // Even rows, where there is such a number of columns.
  const columns = [COLUMNS, 12, 10, 8].find((count) => each % count === 0) ?? Math.min(each, COLUMNS);
  const rows = Math.ceil(each / columns);
  const scale = Math.max(1, Math.floor(WIDTH / (COLUMNS * width!)));
  const step = (height! + 1) * scale;
  // Towers are three gaps apart.
  const tops = Array.from({ length: towers }, (_, tower) => tower * (rows * step + 2 * scale));
  return { columns, rows, tops, scale };
}

/**
 * Draws kernels, those of three channels in colour and all others in grey, the mean of their channels. Each is scaled by its
 * own largest weight: middle grey is 0, and black and white are as far from it as that one is.
 *
 * @param weights [out, in, height, width]
 * @param towers how many groups of maps see nothing of each other
 */
export function drawKernels(weights: Float32Array, shape: readonly number[], towers: number): Picture {
  const [out, channels, height, width] = shape as [number, number, number, number];
  const { columns, rows, tops, scale } = tilingOf(shape, towers);
  const size = { width: columns * (width + 1) * scale - scale, height: 0 };
  size.height = tops.at(-1)! + rows * (height + 1) * scale - scale;
  const pixels = new Uint8Array(size.width * size.height * 4);
  const area = height * width;
  for (let kernel = 0; kernel < out; kernel++) {
    const values = weights.subarray(kernel * channels * area, (kernel + 1) * channels * area);
    const colour = channels === 3 ? values : meanOf(values, channels, area);
    const most = colour.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
    const place = kernel % (out / towers);
    const top = tops[Math.floor(kernel / (out / towers))]! +
      Math.floor(place / columns) * (height + 1) * scale;
    const left = place % columns * (width + 1) * scale;
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const weight = Math.floor(y / scale) * width + Math.floor(x / scale);
        const target = ((top + y) * size.width + left + x) * 4;
        for (let channel = 0; channel < 3; channel++) {
          const value = colour[channels === 3 ? channel * area + weight : weight]!;
          pixels[target + channel] = Math.round(127.5 + 127.5 * value / most);
        }
        pixels[target + 3] = 255;
      }
    }
  }
  return { ...size, pixels };
}

function meanOf(values: Float32Array, channels: number, area: number): Float32Array {
  const mean = new Float32Array(area);
  for (let i = 0; i < values.length; i++) mean[i % area]! += values[i]! / channels;
  return mean;
}
