// Writes an array of structures as MATLAB does (level 5, packed), so that a development kit can be made.

import { deflateSync } from "node:zlib";
import { CLASS, HEADER_BYTES, LITTLE_ENDIAN, TAG, VERSION } from "../../data/prepare/sources/matlab.ts";

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function element(tag: number, data: Uint8Array): Uint8Array {
  // Short data go into the tag, as MATLAB has it.
  const isSmall = tag !== TAG.matrix && data.length > 0 && data.length <= 4;
  const size = isSmall ? 8 : 8 + Math.ceil(data.length / 8) * 8;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (isSmall) view.setUint32(0, data.length << 16 | tag, true);
  else {
    view.setUint32(0, tag, true);
    view.setUint32(4, data.length, true);
  }
  bytes.set(data, isSmall ? 4 : 8);
  return bytes;
}

const bytesOf = ({ buffer }: Int32Array | Uint32Array | Float64Array | Uint16Array) => new Uint8Array(buffer);
const ascii = (text: string) => new TextEncoder().encode(text);

function matrix(
  kind: number,
  dimensions: readonly number[],
  name: string,
  content: readonly Uint8Array[],
): Uint8Array {
  return element(
    TAG.matrix,
    concatenate([
      element(TAG.uint32, bytesOf(Uint32Array.of(kind, 0))),
      element(TAG.int32, bytesOf(Int32Array.from(dimensions))),
      element(TAG.int8, ascii(name)),
      ...content,
    ]),
  );
}

function value(field: number | string): Uint8Array {
  if (typeof field === "number") {
    return matrix(CLASS.double, [1, 1], "", [element(TAG.double, bytesOf(Float64Array.of(field)))]);
  }
  const units = Uint16Array.from(field, (letter) => letter.charCodeAt(0));
  return matrix(CLASS.char, [field === "" ? 0 : 1, units.length], "", [element(TAG.uint16, bytesOf(units))]);
}

/** The file with one variable, a column of structures that all have the same fields. */
export function encodeMatlabStructs(
  variable: string,
  structs: readonly Readonly<Record<string, number | string>>[],
): Uint8Array {
  const fields = Object.keys(structs[0]!);
  const length = 32;
  const names = new Uint8Array(length * fields.length);
  fields.forEach((field, i) => names.set(ascii(field), i * length));
  const array = matrix(CLASS.struct, [structs.length, 1], variable, [
    element(TAG.int32, bytesOf(Int32Array.of(length))),
    element(TAG.int8, names),
    ...structs.flatMap((struct) => fields.map((field) => value(struct[field]!))),
  ]);
  const header = new Uint8Array(HEADER_BYTES).fill(0x20);
  header.set(ascii("MATLAB 5.0 MAT-file, made by Fermi's scripts/make_image_sets.ts"));
  const view = new DataView(header.buffer);
  view.setUint16(HEADER_BYTES - 4, VERSION, true);
  view.setUint16(HEADER_BYTES - 2, LITTLE_ENDIAN, true);
  const packed = new Uint8Array(deflateSync(array));
  const tag = bytesOf(Uint32Array.of(TAG.compressed, packed.length));
  return concatenate([header, tag, packed]);
}
