/**
 * The numbers of a network by name: out of the tensors of a file, and into a network.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";
import type { StoredTensor } from "../data/safetensors.ts";
import { build, init, type ModelTable, type Sequential } from "../nn/mod.ts";
import { trace, type TracedRow } from "../nn/models/trace.ts";
import { type Device, randomKey, type Shape, tensor } from "../tensor/mod.ts";
import { f16FromBits } from "../tensor/dtype.ts";
import { sameShape, show } from "../tensor/shape.ts";

/** A parameter's numbers, row-major. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** By name, as a network's `parameters()` has them: `conv1.weight`. */
export type Weights = ReadonlyMap<string, Weight>;

/**
 * A stored tensor's numbers in f32, into which f16 and bf16 are widened and f64 is rounded.
 *
 * @param what its name, and the file's, for the error
 * @throws {DataError} for a dtype that holds no real numbers.
 */
export function toWeight({ dtype, shape, data }: StoredTensor, what: string): Weight {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = (size: number, at: (place: number) => number): Weight => ({
    shape,
    data: Float32Array.from({ length: data.length / size }, (_, i) => at(i * size)),
  });
  switch (dtype) {
    case "F32":
      return { shape, data: asFloat32(data) };
    case "F64":
      return read(8, (place) => view.getFloat64(place, true));
    case "F16":
      return read(2, (place) => f16FromBits(view.getUint16(place, true)));
    case "BF16": {
      // The upper half of an f32.
      const bits = new DataView(new ArrayBuffer(4));
      return read(2, (place) => (bits.setUint32(0, view.getUint16(place, true) << 16), bits.getFloat32(0)));
    }
    default:
      throw new DataError(`${what} is ${dtype}, and weights are F32, F16, BF16 or F64`);
  }
}

/** The same bytes where they lie at a multiple of four, else a copy. */
function asFloat32(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

/** A weight as files have it. */
export function toStored({ shape, data }: Weight): StoredTensor {
  return { dtype: "F32", shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/**
 * Throws unless these are the weights of the network.
 *
 * @param name what messages call the file that they are from
 * @throws {DataError} when one is missing, has another shape, or belongs to no layer.
 */
export function checkWeights(table: ModelTable, weights: Weights, name: string): void {
  const wanted = new Map(trace(table).flatMap(shapesOf));
  for (const [key, shape] of wanted) {
    const weight = weights.get(key);
    if (weight === undefined) throw new DataError(`${name}: ${key} of ${table.name} is missing`);
    if (sameShape(weight.shape, shape)) continue;
    throw new DataError(`${name}: ${key} is ${show(weight.shape)}, ${table.name} wants ${show(shape)}`);
  }
  const other = [...weights.keys()].find((key) => !wanted.has(key));
  if (other !== undefined) throw new DataError(`${name}: ${other} belongs to no layer of ${table.name}`);
}

/** The parameters of a row, by name. */
function shapesOf({ row, input }: TracedRow): (readonly [string, Shape])[] {
  if (row.layer !== "conv2d" && row.layer !== "linear") return [];
  const { name, outputs } = row;
  const weight = row.layer === "linear"
    ? [outputs, input[0]!]
    : [outputs, input[0]! / (row.groups ?? 1), row.window, row.window];
  return [[`${name}.weight`, weight], [`${name}.bias`, [outputs]]];
}

/** Builds the network with these weights, which `checkWeights` has found to be its own. */
export function buildWith(table: ModelTable, weights: Weights, device: Device): Sequential {
  // Nothing is drawn: constants cost nothing to describe, and are never computed.
  const empty = { ...table, weight: init.constant(0) };
  const network = build(empty, { key: randomKey(0, { device }), init: "paper" });
  for (const [key, parameter] of network.parameters()) {
    const { shape, data } = weights.get(key)!;
    parameter.assign(tensor(data, { shape, device }));
  }
  return network;
}
