/**
 * The same numbers for everybody: a hash of the index, so that nothing has to be sent, in any language. And what is told
 * of a result, so that little has to be sent back. `torch_peer.py` has the same functions.
 *
 * @module
 */

/** The finaliser of MurmurHash3: 32 bits that look random, from the index and a seed. */
function hash(index: number, seed: number): number {
  let h = (Math.imul(index, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** An array that every contender makes for itself. */
export interface Operand {
  /** As in `conv1.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly seed: number;
  /** The numbers are uniform in [-scale, scale). */
  readonly scale: number;
  /** Multiples of `scale` / 128, of which a contender may upload the bytes that `rawBytesOf` makes, as images are. */
  readonly bytes?: boolean;
}

/** The numbers of an operand. */
export function numbersOf({ shape, seed, scale, bytes = false }: Operand): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const dropped = bytes ? 24 : 8;
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = ((hash(i, seed) >>> dropped) * 2 ** (dropped - 31) - 1) * scale;
  }
  return numbers;
}

/** The bytes of an operand that has some: each number is (byte / 128 - 1) `scale`. */
export function rawBytesOf({ shape, seed }: Operand): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => hash(i, seed) >>> 24);
}

/** One class an image, each as likely. */
export function labelsOf(batch: number, classes: number, seed: number): Int32Array<ArrayBuffer> {
  return Int32Array.from({ length: batch }, (_, i) => Math.floor((hash(i, seed) >>> 8) * 2 ** -24 * classes));
}

/** What is told of an array. */
export interface Digest {
  /** Which array. */
  readonly name: string;
  /** The square root of the mean square. */
  readonly rms: number;
  /** Elements at places that everybody takes; all of a small array. */
  readonly samples: readonly number[];
}

const SAMPLES = 64;

/** Sums an array up. The places are random: at regular distances they might all lie in one column. */
export function digestOf(name: string, array: ArrayLike<number>): Digest {
  let squares = 0;
  for (let i = 0; i < array.length; i++) squares += array[i]! * array[i]!;
  const count = Math.min(SAMPLES, array.length);
  const place = (i: number) => array.length <= SAMPLES ? i : hash(i, array.length) % array.length;
  return {
    name,
    rms: Math.sqrt(squares / array.length),
    samples: Array.from({ length: count }, (_, i) => array[place(i)]!),
  };
}

/**
 * The rows of a parameter that stand for it: three outputs' weights, since reading a big layer would be the peak of memory.
 * Biases, of which one alone may be next to nothing, are read as a whole, which is no row.
 */
export function sampledRows({ shape: [outputs, ...others] }: Pick<Operand, "shape">): (number | null)[] {
  return others.length === 0 ? [null] : [...new Set([0, Math.floor(outputs! / 2), outputs! - 1])];
}

/** What is compared of a parameter's velocity: its gradient, but for the factors. */
export function velocityName(parameter: string, row: number | null): string {
  return row === null ? `velocity of ${parameter}` : `velocity of ${parameter}, row ${row}`;
}
