/**
 * What a network wants done to an image before it sees it, where the network was trained elsewhere; its file says so, so that
 * nobody has to remember.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";

/** The shorter side is scaled to `resize`, the middle cut out; then x / 255 minus the mean, over the deviation. */
export interface Preprocessing {
  /** Pixels of the shorter side, before the middle is cut out. */
  readonly resize: number;
  /** Of x / 255, a channel. */
  readonly mean: readonly number[];
  /** Of x / 255, a channel. */
  readonly std: readonly number[];
}

/** As a file's metadata have it. */
export function formatPreprocessing(preprocessing: Preprocessing): string {
  return JSON.stringify(preprocessing);
}

/**
 * Reads it from a file's metadata.
 *
 * @param channels of the network's input
 * @param file what messages call it
 * @throws {DataError} when it is none.
 */
export function parsePreprocessing(text: string, channels: number, file: string): Preprocessing {
  const { resize, mean, std } = parseObject(text);
  const numbers = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length === channels && list.every(Number.isFinite);
  if (Number.isSafeInteger(resize) && numbers(mean) && numbers(std) && std.every((each) => each > 0)) {
    return { resize: resize as number, mean, std };
  }
  throw new DataError(
    `${file}: its preprocessing is ${text}, and should have resize, and mean and std of ${channels} channels`,
  );
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
