/**
 * Elements on their way between host and device, where they may be stored differently.
 *
 * @module
 */

import { f16FromBits, f16ToBits, hostArray } from "../../tensor/dtype.ts";
import type { DType, HostArray } from "../../tensor/mod.ts";

/** The bytes of an array as the device has them. */
export function encode(
  data: HostArray,
  { dtype, size }: { readonly dtype: DType; readonly size: number },
): ArrayBufferView<ArrayBuffer> {
  if (dtype === "f16") {
    const halves = new Uint16Array(Math.max(1, Math.ceil(size / 2)) * 2);
    data.forEach((value, i) => halves[i] = f16ToBits(value));
    return halves;
  }
  // Writes are whole words, and at least one: Deno's writeBuffer ends the process on an empty array.
  const words = Math.max(1, Math.ceil(data.byteLength / 4));
  if (data.byteLength === words * 4) return data as HostArray & ArrayBufferView<ArrayBuffer>;
  const padded = new Uint8Array(words * 4);
  padded.set(data);
  return padded;
}

/** The elements of an array from the device's bytes. */
export function decode(
  bytes: ArrayBuffer,
  at: number,
  { dtype, length: size }: { readonly dtype: DType; readonly length: number },
): HostArray {
  if (dtype === "f16") return Float32Array.from(new Uint16Array(bytes, at, size), f16FromBits);
  const host = hostArray(dtype, size);
  new Uint8Array(host.buffer).set(new Uint8Array(bytes, at, host.byteLength));
  return host;
}

const scalarFloat = new Float32Array(1);
const scalarBits = new Uint32Array(scalarFloat.buffer);

/** The bits of a constant of one element, in the type that it is computed in. */
export function scalarWord(number: number, dtype: DType): number {
  if (dtype !== "f32" && dtype !== "f16") return number >>> 0;
  scalarFloat[0] = number;
  return scalarBits[0]!;
}
