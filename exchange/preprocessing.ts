/**
 * What a network wants done to an image before it sees it, where the network was trained elsewhere; its file says so, so that
 * nobody has to remember.
 *
 * @module
 */

import { cropRange } from "../data/augment.ts";
import { DataError } from "../data/dataset.ts";
import type { ChannelScaling } from "../data/input.ts";
import type { ModelTable } from "../nn/mod.ts";
import type { Weight } from "./weights.ts";

/** The shorter side is scaled to `resize`, the middle cut out; then x / 255 minus the mean, over the deviation. */
export interface Preprocessing extends ChannelScaling {
  /** Pixels of the shorter side, before the middle is cut out. */
  readonly resize: number;
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

/** The object or list that a text is in JSON; an empty one where it is none. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

/** What a network sees of bytes: (x - offset) / scale, in shapes that broadcast to [N, channels, height, width]. */
export interface Scaling {
  readonly offset: Weight;
  readonly scale: Weight;
}

/** A model's, for images as large as its input. */
export function scalingOf(
  { table, mean, preprocessing }: {
    readonly table: ModelTable;
    readonly mean?: Weight | undefined;
    readonly preprocessing?: Preprocessing | undefined;
  },
): Scaling {
  const channels = (values: readonly number[]): Weight => ({
    shape: [1, values.length, 1, 1],
    data: Float32Array.from(values, (value) => 255 * value),
  });
  if (mean) return { offset: middle(mean, table.input), scale: channels([1 / 255]) };
  if (preprocessing) return { offset: channels(preprocessing.mean), scale: channels(preprocessing.std) };
  return { offset: channels([0.5]), scale: channels([1]) };
}

/** The part of a mean image that belongs to the middle of the images. */
function middle({ shape, data }: Weight, [channels, height, width]: ModelTable["input"]): Weight {
  const [, rows, columns] = shape as readonly [number, number, number];
  const [top, left] = cropRange([rows, columns], [height, width]).centre;
  const part = new Float32Array(channels * height * width);
  for (let row = 0; row < channels * height; row++) {
    const from = (Math.floor(row / height) * rows + top + row % height) * columns + left;
    part.set(data.subarray(from, from + width), row * width);
  }
  return { shape: [1, channels, height, width], data: part };
}
