/**
 * torchvision's names for the parameters of its `alexnet`, which is our `alexnet_owt`: `features.0.weight` to
 * `classifier.6.bias`. Shapes and the order of the numbers are the same.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";
import type { ModelTable } from "../nn/mod.ts";
import type { Preprocessing } from "./preprocessing.ts";

/** Our layers, and where torchvision's two sequences have them. */
const LAYERS: Readonly<Record<string, string>> = {
  conv1: "features.0",
  conv2: "features.3",
  conv3: "features.6",
  conv4: "features.8",
  conv5: "features.10",
  fc6: "classifier.1",
  fc7: "classifier.4",
  fc8: "classifier.6",
};

/** Ours by theirs. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(LAYERS).flatMap(([ours, theirs]) =>
    ["weight", "bias"].map((part) => [`${theirs}.${part}`, `${ours}.${part}`] as const)
  ),
);

/** What the published weights were trained on ("Standard normalization", torchvision's documentation). */
export const torchvisionPreprocessing: Preprocessing = {
  resize: 256,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** What networks see that were trained here on images without statistics, x / 255 - 0.5, in torchvision's words. */
export function plainPreprocessing({ input: [channels, height] }: ModelTable): Preprocessing {
  return { resize: height, mean: Array(channels).fill(0.5), std: Array(channels).fill(1) };
}

/** In a file's metadata: the network sees images minus a mean image, which is not there. */
export const CENTRED = { input: "0 to 255, minus a mean image" } as const;

/** Whether a file's metadata say so. */
export function isCentred({ input }: Readonly<Record<string, string>>): boolean {
  return input === CENTRED.input;
}

/** Whether a file's tensors are named as torchvision names them. */
export function isTorchvision(names: Iterable<string>): boolean {
  return [...names].some((name) => /^(features|classifier)\./.test(name));
}

/**
 * A state dict of torchvision's under our names.
 *
 * @param file what messages call it
 * @throws {DataError} when it is of another network of torchvision's.
 */
export function fromTorchvision<T>(tensors: ReadonlyMap<string, T>, file: string): Map<string, T> {
  const other = [...tensors.keys()].find((name) => !NAMES.has(name));
  if (other !== undefined) throw new DataError(`${file}: torchvision's alexnet has no ${other}`);
  const missing = [...NAMES.keys()].find((name) => !tensors.has(name));
  if (missing !== undefined) throw new DataError(`${file}: ${missing} of torchvision's alexnet is missing`);
  return new Map([...NAMES].map(([theirs, ours]) => [ours, tensors.get(theirs)!]));
}

/** The parameters of `alexnet_owt` under torchvision's names, in the order of its state dict. */
export function toTorchvision<T>(parameters: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...NAMES].map(([theirs, ours]) => [theirs, parameters.get(ours)!]));
}
