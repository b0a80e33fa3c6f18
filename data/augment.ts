/**
 * The paper's two ways to vary training images (Krizhevsky et al. 2012, section 4.1), and its ten crops for testing, as ops
 * on the device. Everything is drawn from a key by counters, so it is the same on every backend, and no number of it is
 * part of a plan.
 *
 * @module
 */

import { type Device, floor, minimum, normal, type Tensor, tensor, uniform } from "../tensor/mod.ts";
import type { ImageStatistics } from "./dataset.ts";

/** Where in images of one size parts of another one may lie. */
export interface CropRange {
  /** The smallest place along y and along x; negative where a part may begin outside of the image. */
  readonly start: readonly [number, number];
  /** How many places there are along each. */
  readonly places: readonly [number, number];
  /** The place of the part in the middle. */
  readonly centre: readonly [number, number];
}

/** How far parts lie outside where images are no larger than the network's input, in pixels. */
const MARGIN = 2;

/**
 * Where parts [height, width] lie in images: anywhere within, as the paper's 224x224 of 256x256. Along an axis where the
 * image is not larger than the part they lie up to two pixels to either side of the middle, and what is outside counts as 0.
 */
export function cropRange(image: readonly [number, number], part: readonly [number, number]): CropRange {
  const slack = image.map((extent, axis) => extent - part[axis]!);
  const centre = slack.map((rest) => Math.floor(rest / 2));
  return {
    start: slack.map((rest, axis) => rest > 0 ? 0 : centre[axis]! - MARGIN) as [number, number],
    places: slack.map((rest) => rest > 0 ? rest + 1 : 2 * MARGIN + 1) as [number, number],
    centre: centre as [number, number],
  };
}

/**
 * Random places for `crop`: with u = uniform(key, [count, 3]), image n begins at start + floor(u[n, 0..1] * places), all
 * places equally likely within 2^-18, and is mirrored where u[n, 2] >= 1/2.
 *
 * @returns i32 [count, 3]: top, left, mirrored
 */
export function randomPlaces(key: Tensor, count: number, { start, places }: CropRange): Tensor {
  const constant = (...values: readonly number[]) => tensor(values, { device: key.device });
  const drawn = floor(uniform(key, [count, 3]).mul(constant(...places, 2)));
  // The largest uniform number times `places` rounds to `places`, which is none.
  const kept = minimum(drawn, constant(...places.map((each) => each - 1), 1));
  return kept.add(constant(...start, 0)).cast("i32");
}

/**
 * The paper's ten places, for `crop`: the corners top left, top right, bottom left and bottom right, the centre, and the
 * same five mirrored.
 *
 * @returns i32 [10, count, 3]
 */
export function tenPlaces(count: number, { start, places, centre }: CropRange, device: Device): Tensor {
  const [top, left] = start;
  const [bottom, right] = [top + places[0] - 1, left + places[1] - 1];
  const five = [[top, left], [top, right], [bottom, left], [bottom, right], centre];
  const rows = [0, 1].flatMap((mirrored) => five.flatMap(([y, x]) => [y!, x!, mirrored]));
  const once = tensor(Int32Array.from(rows), { shape: [10, 1, 3], device });
  return once.broadcastTo([10, count, 3]);
}

/** The standard deviation of the paper's alphas. */
const ALPHA_DEVIATION = 0.1;

/**
 * What colours are shifted along in units of alpha, for images from 0 to 255: row i is 255 * lambda_i * p_i, where lambda_i
 * and p_i are the eigenvalues and eigenvectors of the colours' covariance. The statistics are those of x / 255; the
 * covariance of x itself has eigenvalues 255^2 times as large, along which the paper's formula would leave no picture.
 */
export function colourBasis({ eigenvalues, eigenvectors }: ImageStatistics): Float32Array {
  return Float32Array.from(eigenvectors.flatMap((p, i) => p.map((each) => 255 * eigenvalues[i]! * each)));
}

/**
 * The paper's colour noise: to each pixel of image n is added [p1, p2, p3] [alpha_1 lambda_1, alpha_2 lambda_2, alpha_3
 * lambda_3]^T, with alpha_i = 0.1 * normal(key, [count, 3])[n, i] drawn once an image.
 *
 * @param basis f32 [3, 3], as `colourBasis` has it
 * @returns f32 [count, 3, 1, 1]
 */
export function colourNoise(key: Tensor, count: number, basis: Tensor): Tensor {
  const alphas = normal(key, [count, 3]).mul(ALPHA_DEVIATION);
  return alphas.matmul(basis).reshape([count, 3, 1, 1]);
}
