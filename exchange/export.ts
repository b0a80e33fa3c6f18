/**
 * Networks for others to read.
 *
 * @module
 */

import { encodeSafetensors } from "../data/safetensors.ts";
import { models } from "../nn/mod.ts";
import { vary } from "../nn/tables.ts";
import { UsageError } from "../train/usage_error.ts";
import { encodeModelFile, metadataOf, type Model } from "./model.ts";
import { encodeOnnx, OPSET } from "./onnx.ts";
import { formatPreprocessing, scalingOf } from "./preprocessing.ts";
import { CENTRED, plainPreprocessing, toTorchvision } from "./torchvision.ts";
import { toStored } from "./weights.ts";

/** A file to be written. */
export interface ExportedFile {
  readonly bytes: Uint8Array;
  /** What it is, in words. */
  readonly format: string;
  /** What whoever uses it has to know, and cannot see. */
  readonly warning?: string;
}

/** What the file is to be. */
export interface ExportOptions {
  /** ONNX only: the network takes pixels from 0 to 255, and scales them itself. */
  readonly pixels: boolean;
}

/**
 * A network in the format that the name of a file asks for: `.onnx`, or `.safetensors` with the names of torchvision's state
 * dict where torchvision has the network, else with ours.
 *
 * @throws {UsageError} for another ending.
 */
export function exportModel(model: Model, name: string, { pixels }: ExportOptions): ExportedFile {
  const { table, weights } = model;
  if (/\.onnx$/i.test(name)) {
    const scaling = pixels ? scalingOf(model) : undefined;
    const bytes = encodeOnnx(table, weights, { metadata: metadataOf(model), scaling });
    return { bytes, format: `ONNX, opset ${OPSET}` };
  }
  if (!/\.safetensors$/i.test(name)) {
    throw new UsageError(`--to names a file that ends in .onnx or .safetensors, got ${name}`);
  }
  if (pixels) throw new UsageError("--pixels is about ONNX files: leave it out");
  if (isTorchvisions(model)) return exportTorchvision(model);
  return { bytes: encodeModelFile(model, FORMAT), format: "safetensors, our names" };
}

/** PyTorch's own programs look for it. */
const FORMAT = { format: "pt" } as const;

/** Whether torchvision's class computes what the network does: with other pooling the weights would load all the same. */
function isTorchvisions({ name, variation }: Model): boolean {
  return name === "alexnet_owt" && vary(models[name], variation) === models[name];
}

/** A state dict has no place for a mean image: its class would refuse one more tensor. */
function exportTorchvision(model: Model): ExportedFile {
  const { path, mean, preprocessing = plainPreprocessing(model.table) } = model;
  const stored = new Map([...model.weights].map(([name, weight]) => [name, toStored(weight)]));
  const seen = mean ? CENTRED : { preprocessing: formatPreprocessing(preprocessing) };
  const bytes = encodeSafetensors(toTorchvision(stored), { ...FORMAT, ...metadataOf(model), ...seen });
  const format = "safetensors, torchvision's names";
  if (!mean) return { bytes, format };
  const what =
    "the network sees images from 0 to 255 minus their mean image, which torchvision's names have no place for";
  return { bytes, format, warning: `${what}: it is input.mean in ${path}` };
}
