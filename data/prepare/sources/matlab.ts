/**
 * Reads arrays of structures from MATLAB's files, as much of level 5 as they need: numbers, text, nested structures, packed
 * or not ("MAT-File Format", MathWorks, chapter 1).
 *
 * @module
 */

import { inflateSync } from "node:zlib";
import { DataError } from "../../dataset.ts";

/** The fields of a structure: of numbers the first, of text all; what is neither is left out. */
export type Fields = Readonly<Record<string, number | string>>;

/** The tags of data elements (table 1-1). */
export const TAG = {
  int8: 1,
  uint8: 2,
  int16: 3,
  uint16: 4,
  int32: 5,
  uint32: 6,
  single: 7,
  double: 9,
  matrix: 14,
  compressed: 15,
  utf8: 16,
  utf16: 17,
} as const;
/** The classes of arrays (table 1-3); those from `double` on are of numbers. */
export const CLASS = { struct: 2, char: 4, double: 6 } as const;
/** A file begins with so many bytes that say what it is: text, and at the end of them the version and the order of bytes. */
export const HEADER_BYTES = 128;
/** As numbers with the lowest byte first, the last two of the header. */
export const VERSION = 0x0100;
export const LITTLE_ENDIAN = 0x4d49;

type Numbers = (view: DataView, at: number) => number;

/** How numbers are stored, by the tag. Text is stored as one of them, or as UTF-8 and UTF-16. */
const NUMBERS: ReadonlyMap<number, readonly [bytes: number, read: Numbers]> = new Map([
  [TAG.int8, [1, (view, at) => view.getInt8(at)]],
  [TAG.uint8, [1, (view, at) => view.getUint8(at)]],
  [TAG.int16, [2, (view, at) => view.getInt16(at, true)]],
  [TAG.uint16, [2, (view, at) => view.getUint16(at, true)]],
  [TAG.int32, [4, (view, at) => view.getInt32(at, true)]],
  [TAG.uint32, [4, (view, at) => view.getUint32(at, true)]],
  [TAG.single, [4, (view, at) => view.getFloat32(at, true)]],
  [TAG.double, [8, (view, at) => view.getFloat64(at, true)]],
  [TAG.utf8, [1, (view, at) => view.getUint8(at)]],
  [TAG.utf16, [2, (view, at) => view.getUint16(at, true)]],
]);

interface Element {
  readonly tag: number;
  readonly data: DataView;
}

/**
 * Reads the structures of an array.
 *
 * @param variable the array's name
 * @param name the file's name, for messages
 * @throws {DataError} when the file is none of level 5, little-endian, or has no such array.
 */
export function parseMatlabStructs(file: Uint8Array, variable: string, name: string): Fields[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (
    file.length < HEADER_BYTES || view.getUint16(HEADER_BYTES - 4, true) !== VERSION ||
    view.getUint16(HEADER_BYTES - 2, true) !== LITTLE_ENDIAN
  ) {
    throw new DataError(`${name}: is no MATLAB file of level 5, as MATLAB's "save -v6" or "-v7" writes it`);
  }
  try {
    for (const element of elements(part(view, HEADER_BYTES, file.length - HEADER_BYTES))) {
      const array = arrayOf(element);
      if (array?.name === variable && array.structs !== undefined) return array.structs;
    }
  } catch (error) {
    throw new DataError(`${name}: is damaged or truncated`, { cause: error });
  }
  throw new DataError(`${name}: has no array of structures "${variable}"`);
}

function part(view: DataView, at: number, length: number): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length);
}

/** The elements in a piece of a file. Small ones have their length in the tag, and four bytes of data. */
function* elements(view: DataView): Generator<Element, void, void> {
  for (let at = 0; at + 8 <= view.byteLength;) {
    const word = view.getUint32(at, true);
    const isSmall = word >>> 16 !== 0;
    const [tag, length] = isSmall ? [word & 0xffff, word >>> 16] : [word, view.getUint32(at + 4, true)];
    const data = part(view, at + (isSmall ? 4 : 8), length);
    if (tag === TAG.compressed) {
      const unpacked = inflateSync(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      yield* elements(new DataView(unpacked.buffer, unpacked.byteOffset, unpacked.byteLength));
    } else {
      yield { tag, data };
    }
    // Elements begin at multiples of eight, but for packed ones.
    at += isSmall ? 8 : 8 + (tag === TAG.compressed ? length : Math.ceil(length / 8) * 8);
  }
}

interface MatlabArray {
  readonly name: string;
  /** What a field has of it. */
  readonly value: number | string | undefined;
  readonly structs?: Fields[];
}

function arrayOf({ tag, data }: Element): MatlabArray | undefined {
  if (tag !== TAG.matrix || data.byteLength === 0) return undefined;
  const [flags, dimensions, label, ...content] = [...elements(data)];
  const kind = flags!.data.getUint8(0);
  const count = numbers(dimensions!).reduce((product, extent) => product * extent, 1);
  const name = text(label!);
  if (kind === CLASS.struct) return { name, value: undefined, structs: structsOf(content, count) };
  if (kind === CLASS.char) return { name, value: text(content[0]!) };
  return { name, value: kind >= CLASS.double ? numbers(content[0]!)[0] : undefined };
}

/** First the names, each filled up with zeros to the same length; then structure after structure, field after field. */
function structsOf([lengths, names, ...values]: Element[], count: number): Fields[] {
  const [length] = numbers(lengths!);
  const all = text(names!);
  const fields = Array.from({ length: all.length / length! }, (_, i) => {
    return all.slice(i * length!, (i + 1) * length!).replace(/\0.*$/s, "");
  });
  return Array.from({ length: count }, (_, i) => {
    const entries = fields.map((field, j) =>
      [field, arrayOf(values[i * fields.length + j]!)?.value] as const
    );
    return Object.fromEntries(
      entries.filter((entry): entry is [string, number | string] => entry[1] !== undefined),
    );
  });
}

function numbers({ tag, data }: Element): number[] {
  const [bytes, read] = NUMBERS.get(tag)!;
  return Array.from({ length: data.byteLength / bytes }, (_, i) => read(data, i * bytes));
}

function text(element: Element): string {
  const { buffer, byteOffset, byteLength } = element.data;
  if (element.tag === TAG.utf8) {
    return new TextDecoder().decode(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  }
  return String.fromCharCode(...numbers(element));
}
