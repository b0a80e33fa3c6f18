/**
 * What is counted and compared for the pictures: plain arrays in, plain arrays out.
 *
 * @module
 */

/**
 * How often an image of class i was taken for class j.
 *
 * @param labels the images' classes
 * @param guesses what the network took each for
 * @returns [classes, classes], row-major: row i, column j
 * @throws {RangeError} for a class that is not one of them.
 */
export function confusion(
  labels: ArrayLike<number>,
  guesses: ArrayLike<number>,
  classes: number,
): Uint32Array {
  const counts = new Uint32Array(classes * classes);
  for (let i = 0; i < labels.length; i++) {
    const [label, guess] = [labels[i]!, guesses[i]!];
    for (const each of [label, guess]) {
      if (!(each >= 0 && each < classes)) {
        throw new RangeError(`confusion: class ${each} of image ${i} is not one of ${classes}`);
      }
    }
    counts[label * classes + guess]!++;
  }
  return counts;
}

/** A neighbour: which one, and how far away. */
export interface Neighbour {
  readonly index: number;
  readonly distance: number;
}

/**
 * The candidates closest to a point by Euclidean distance, the closest first; of equally close ones the first first.
 *
 * @param point [size]
 * @param candidates [n, size], row-major
 * @param count how many are wanted; fewer where there are not so many
 */
export function nearest(point: Float32Array, candidates: Float32Array, count: number): Neighbour[] {
  const size = point.length;
  const found: Neighbour[] = [];
  for (let index = 0, at = 0; at < candidates.length; index++, at += size) {
    const limit = found.length < count ? Infinity : found.at(-1)!.distance ** 2;
    let squares = 0;
    for (let i = 0; i < size && squares < limit; i++) squares += (point[i]! - candidates[at + i]!) ** 2;
    if (squares >= limit) continue;
    const distance = Math.sqrt(squares);
    const place = found.findIndex((other) => other.distance > distance);
    found.splice(place === -1 ? found.length : place, 0, { index, distance });
    if (found.length > count) found.pop();
  }
  return found;
}

/** The places of the largest values, the largest first; of equal ones the first first. */
export function largest(values: ArrayLike<number>, count: number): number[] {
  const order = Array.from({ length: values.length }, (_, i) => i);
  return order.sort((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
}

/** Places that are evenly spread over `total`, at most `count`, in order. */
export function evenly(total: number, count: number): number[] {
  const some = Math.min(total, count);
  return Array.from({ length: some }, (_, i) => Math.floor((i + 0.5) * total / some));
}

/**
 * Places that are evenly spread, each moved on to the next image of a class that was not taken yet, as long as there is one
 * close by: a few images that show many classes.
 */
export function variety(total: number, count: number, labelOf: (index: number) => number): number[] {
  const seen = new Set<number>();
  const taken = new Set<number>();
  const reach = Math.min(total, 100);
  for (const start of evenly(total, count)) {
    const near = Array.from({ length: reach }, (_, i) => (start + i) % total).filter((i) => !taken.has(i));
    const place = near.find((i) => !seen.has(labelOf(i))) ?? near[0]!;
    seen.add(labelOf(place));
    taken.add(place);
  }
  return [...taken];
}
