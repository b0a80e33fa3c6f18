/**
 * The mean image and the covariance of the colours, from sums that are whole numbers: exact, so a run that was interrupted
 * finds the same as one that was not, in whatever parts the images were added.
 *
 * @module
 */

import type { ImageStatistics } from "../dataset.ts";

/** Of which channels the products are, in order. */
const PAIRS = [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]] as const;

/** Sums over the images of a shard. With fewer than 8 million images no sum overflows. */
export class Sums {
  /** Of each pixel, [3, height, width]. */
  readonly pixels: Int32Array;
  /** Of the products of two channels, over all pixels of all images: rr, rg, rb, gg, gb, bb. */
  readonly products: number[] = [0, 0, 0, 0, 0, 0];

  /** @param size bytes an image */
  constructor(size: number) {
    this.pixels = new Int32Array(size);
  }

  /** Adds an image of three channels. */
  add(image: Uint8Array): void {
    const { pixels, products } = this;
    for (let i = 0; i < image.length; i++) pixels[i]! += image[i]!;
    const plane = image.length / 3;
    const [reds, greens, blues] = planes(image);
    for (let start = 0; start < plane; start += CHUNK) {
      const end = Math.min(start + CHUNK, plane);
      let [rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0];
      for (let i = start; i < end; i++) {
        const r = reds[i]!;
        const g = greens[i]!;
        const b = blues[i]!;
        rr += r * r;
        rg += r * g;
        rb += r * b;
        gg += g * g;
        gb += g * b;
        bb += b * b;
      }
      [rr, rg, rb, gg, gb, bb].forEach((sum, i) => products[i]! += sum);
    }
  }
}

function planes(image: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const plane = image.length / 3;
  return [image.subarray(0, plane), image.subarray(plane, 2 * plane), image.subarray(2 * plane)];
}

/** So many products of bytes stay below 2^31, where additions are those of integers. */
const CHUNK = 32768;

/** Sums over all shards. */
export class Totals {
  /** How many images. */
  images = 0;
  readonly #pixels: Float64Array;
  /** Over 1.3 million images of 256 x 256 pixels they come close to 2^53. */
  readonly #products: bigint[] = PAIRS.map(() => 0n);

  /** @param size bytes an image */
  constructor(size: number) {
    this.#pixels = new Float64Array(size);
  }

  /** Adds the sums of a shard. */
  add(images: number, pixels: Int32Array, products: readonly number[]): void {
    this.images += images;
    for (let i = 0; i < pixels.length; i++) this.#pixels[i]! += pixels[i]!;
    products.forEach((product, i) => this.#products[i]! += BigInt(product));
  }

  /** What they say; of no image, zeros. */
  statistics(): ImageStatistics {
    const count = Math.max(1, this.images);
    const mean = Float32Array.from(this.#pixels, (total) => total / count);
    const plane = mean.length / 3;
    const sums = [0, 1, 2].map((c) => {
      return this.#pixels.subarray(c * plane, (c + 1) * plane).reduce((sum, x) => sum + BigInt(x), 0n);
    });
    const n = BigInt(count) * BigInt(plane);
    const covariance = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
    PAIRS.forEach(([i, j], k) => {
      // The difference of large numbers is exact; only what is left is rounded.
      const exact = n * this.#products[k]! - sums[i]! * sums[j]!;
      covariance[i]![j] = covariance[j]![i] = Number(exact) / (Number(n) * 255) / (Number(n) * 255);
    });
    return { mean, ...eigen(covariance) };
  }
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations (Golub and Van Loan, "Matrix Computations",
 * section 8.5): each makes one element off the diagonal zero, until all are.
 *
 * @returns the largest eigenvalue first; vectors of unit length, each with its component of largest magnitude positive
 */
export function eigen(
  matrix: readonly (readonly number[])[],
): { readonly eigenvalues: number[]; readonly eigenvectors: number[][] } {
  const size = matrix.length;
  const a = matrix.map((row) => [...row]);
  const vectors = a.map((_, i) => a.map((_, j) => i === j ? 1 : 0));
  const offDiagonal = () =>
    a.reduce((sum, row, i) => row.reduce((s, x, j) => i === j ? s : s + x * x, sum), 0);
  for (let sweep = 0; sweep < 50 && offDiagonal() > 0; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotate(a, vectors, p, q);
    }
  }
  return sorted(a.map((row, i) => row[i]!), vectors);
}

/** Turns axes p and q so that a[p][q] becomes 0. */
function rotate(a: number[][], vectors: number[][], p: number, q: number): void {
  if (a[p]![q] === 0) return;
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
  const tangent = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const turn = (x: number[], y: number[]) => {
    x.forEach((value, k) => [x[k], y[k]] = [cosine * value - sine * y[k]!, sine * value + cosine * y[k]!]);
  };
  for (const row of a) {
    [row[p], row[q]] = [cosine * row[p]! - sine * row[q]!, sine * row[p]! + cosine * row[q]!];
  }
  turn(a[p]!, a[q]!);
  turn(vectors[p]!, vectors[q]!);
  a[p]![q] = a[q]![p] = 0;
}

function sorted(values: number[], vectors: number[][]): ReturnType<typeof eigen> {
  const order = values.map((_, i) => i).sort((i, j) => values[j]! - values[i]!);
  return {
    eigenvalues: order.map((i) => values[i]!),
    eigenvectors: order.map((i) => {
      const vector = vectors[i]!;
      const largest = vector.reduce((best, x) => Math.abs(x) > Math.abs(best) ? x : best, 0);
      return vector.map((x) => largest < 0 ? -x : x);
    }),
  };
}
