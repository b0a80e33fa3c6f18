/**
 * A trained network in a file: which one it is, its weights, what it wants done to images, and what its classes are called.
 * Checkpoints are read, and state dicts of torchvision's `alexnet`.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";
import { encodeSafetensors } from "../data/safetensors.ts";
import { forClasses, type ModelName, models, type ModelTable } from "../nn/mod.ts";
import { type Variation, vary } from "../nn/tables.ts";
import { MANIFEST, MEAN, MODEL, type ModelFile, parametersOf, readModelFile } from "../train/checkpoint.ts";
import { formatPreprocessing, parseObject, parsePreprocessing, type Preprocessing } from "./preprocessing.ts";
import { fromTorchvision, isCentred, isTorchvision, torchvisionPreprocessing } from "./torchvision.ts";
import { checkWeights, toStored, toWeight, type Weight, type Weights } from "./weights.ts";

/** A trained network. */
export interface Model {
  /** Where it is from, for messages. */
  readonly path: string;
  /** Which network it is, and how it differs from what was published. */
  readonly name: ModelName;
  readonly variation: Variation;
  /** The network, with as many outputs as it has classes. */
  readonly table: ModelTable;
  readonly weights: Weights;
  /** The training set's mean image, 0 to 255, where the network sees images minus it. */
  readonly mean?: Weight | undefined;
  /** Where the network sees neither that nor x / 255 - 0.5. */
  readonly preprocessing?: Preprocessing | undefined;
  readonly classNames?: readonly string[] | undefined;
}

/**
 * Reads a network.
 *
 * @param path a safetensors file, ours or torchvision's; a folder with one; a checkpoint, or a folder with checkpoints
 * @throws {DataError} in one line.
 */
export async function readModel(path: string): Promise<Model> {
  const file = await readModelFile(await fileIn(path));
  return isTorchvision(file.tensors.keys()) ? torchvisionModel(file) : ownModel(file);
}

/** A folder that `import.ts` made has the model's file, but nothing that makes a checkpoint of it. */
async function fileIn(path: string): Promise<string> {
  const { stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const has = (name: string) => stat(join(path, name)).then(() => true, () => false);
  return await has(MODEL) && !await has(MANIFEST) ? join(path, MODEL) : path;
}

/**
 * A model of torchvision's, whose file says nothing of what its published weights were trained on; one that was written here
 * does.
 */
function torchvisionModel({ path, tensors, metadata }: ModelFile): Model {
  if (isCentred(metadata)) {
    throw new DataError(
      `${path}: its network sees images minus a mean image, which it does not have: use what it was exported from`,
    );
  }
  const weights = weightsOf(fromTorchvision(tensors, path), path);
  const notes = { preprocessing: formatPreprocessing(torchvisionPreprocessing), ...metadata };
  return finish(path, "alexnet_owt", {}, weights, notes);
}

function ownModel(file: ModelFile): Model {
  const { path, tensors, metadata } = file;
  const { model: name } = metadata;
  if (name === undefined) throw new DataError(`${path}: does not say which network it is (metadata: model)`);
  if (!Object.hasOwn(models, name)) {
    throw new DataError(`${path}: is of ${name}, and there are ${Object.keys(models).join(", ")}`);
  }
  const variation = metadata.network === undefined ? {} : parseObject(metadata.network) as Variation;
  const mean = tensors.get(MEAN);
  const weights = weightsOf(parametersOf(file), path);
  return {
    ...finish(path, name as ModelName, variation, weights, metadata),
    ...mean && { mean: toWeight(mean, `${path}: ${MEAN}`) },
  };
}

function weightsOf(tensors: ModelFile["tensors"], path: string): Weights {
  return new Map([...tensors].map(([name, stored]) => [name, toWeight(stored, `${path}: ${name}`)]));
}

function finish(
  path: string,
  name: ModelName,
  variation: Variation,
  weights: Weights,
  { preprocessing, classNames }: Readonly<Record<string, string>>,
): Model {
  const published = variedTable(name, variation, path);
  // The last layer says how many classes there are.
  const scores = weights.get(`${published.rows.at(-1)!.name}.weight`);
  const classes = scores?.shape[0] ?? published.classes;
  if (classes === 0) throw new DataError(`${path}: has no class: its last layer has no outputs`);
  const table = forClasses(published, classes);
  checkWeights(table, weights, path);
  const model = { path, name, variation, table, weights };
  return {
    ...model,
    ...preprocessing !== undefined && {
      preprocessing: parsePreprocessing(preprocessing, table.input[0], path),
    },
    ...classNames !== undefined && { classNames: parseClassNames(classNames, table.classes, path) },
  };
}

function variedTable(name: ModelName, variation: Variation, path: string): ModelTable {
  try {
    return vary(models[name], variation);
  } catch (error) {
    if (error instanceof RangeError) throw new DataError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

function parseClassNames(text: string, classes: number, path: string): readonly string[] {
  const names = Object.values(parseObject(text));
  if (names.length === classes && names.every((name) => typeof name === "string")) return names as string[];
  throw new DataError(`${path}: has ${names.length} class names for ${classes} classes`);
}

/** What a file says besides the tensors. */
export function metadataOf(
  { name, variation, preprocessing, classNames }: Omit<Model, "path" | "table" | "weights">,
): Readonly<Record<string, string>> {
  return {
    model: name,
    ...Object.keys(variation).length > 0 && { network: JSON.stringify(variation) },
    ...preprocessing && { preprocessing: formatPreprocessing(preprocessing) },
    ...classNames && { classNames: JSON.stringify(classNames) },
  };
}

/** The file of a network under our names, which `readModel` reads; it may say more. */
export function encodeModelFile(model: Model, more: Readonly<Record<string, string>> = {}): Uint8Array {
  const tensors = new Map([...model.weights].map(([name, weight]) => [name, toStored(weight)]));
  if (model.mean) tensors.set(MEAN, toStored(model.mean));
  return encodeSafetensors(tensors, { ...more, ...metadataOf(model) });
}
