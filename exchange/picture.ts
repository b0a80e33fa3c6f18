/**
 * Image files as the bytes that a network's input is cut from.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";
import { readPath } from "../data/files.ts";
import { type Decoder, firstLine } from "../data/prepare/decode/mod.ts";

/** Red's, green's and blue's share of what the eye takes for grey (ITU-R BT.601), as JPEG and Pillow have it. */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * Reads an image, scales it so that its shorter side fills the square, and cuts out the middle.
 *
 * @param shape channels, height and width, which are the same
 * @returns [channels, height, width]
 * @throws {DataError} when there is no image.
 */
export async function readPicture(
  path: string,
  [channels, size]: readonly [number, number, number],
  decoder: Decoder,
): Promise<Uint8Array> {
  const file = await readPath(path);
  try {
    const planes = await decoder.decode(file, size);
    return channels === 1 ? toGrey(planes) : planes;
  } catch (error) {
    throw new DataError(`${path}: ${firstLine(error)}`, { cause: error });
  }
}

/** [3, height, width] to [1, height, width]. */
export function toGrey(planes: Uint8Array): Uint8Array {
  const size = planes.length / 3;
  const [red, green, blue] = LUMA;
  return Uint8Array.from({ length: size }, (_, i) => {
    return Math.round(red * planes[i]! + green * planes[size + i]! + blue * planes[2 * size + i]!);
  });
}
