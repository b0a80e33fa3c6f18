/**
 * Networks for others to read.
 *
 * @module
 */

import { encodeSafetensors } from "../data/safetensors.ts";
import { UsageError } from "../train/usage_error.ts";
import { metadataOf, type Model } from "./model.ts";
import { encodeOnnx, OPSET } from "./onnx.ts";
import { scalingOf } from "./preprocessing.ts";
import { toTorchvision } from "./torchvision.ts";
import { toStored } from "./weights.ts";

/** A file to be written. */
export interface ExportedFile {
  readonly bytes: Uint8Array;
  /** What it is, in words. */
  readonly format: string;
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
  const metadata = metadataOf(model);
  if (/\.onnx$/i.test(name)) {
    const scaling = pixels ? scalingOf(model) : undefined;
    return { bytes: encodeOnnx(table, weights, { metadata, scaling }), format: `ONNX, opset ${OPSET}` };
  }
  if (!/\.safetensors$/i.test(name)) {
    throw new UsageError(`--to names a file that ends in .onnx or .safetensors, got ${name}`);
  }
  if (pixels) throw new UsageError("--pixels is about ONNX files: leave it out");
  const stored = new Map([...weights].map(([name, weight]) => [name, toStored(weight)]));
  const torchvision = model.name === "alexnet_owt";
  return {
    // PyTorch's own programs look for `format`.
    bytes: encodeSafetensors(torchvision ? toTorchvision(stored) : stored, { format: "pt", ...metadata }),
    format: `safetensors, ${torchvision ? "torchvision's names" : "our names"}`,
  };
}
