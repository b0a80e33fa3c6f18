/**
 * Named tensors in a file, as PyTorch, MLX and others read them: safetensors. Eight bytes with the length of a JSON header,
 * the header with each tensor's dtype, shape and place, then the numbers, little-endian, without gaps. Only bytes go in and
 * out, so a browser can use it too.
 *
 * @see {@link https://huggingface.co/docs/safetensors/index#format}
 *
 * @module
 */

import { DataError } from "./dataset.ts";

/** A tensor as a file has it. */
export interface StoredTensor {
  /** The format's name of it: `F32`, `F16`, `I32`, `U32`, `U8`, `BOOL`, `I64`, ... */
  readonly dtype: string;
  /** The extents; none for a scalar. */
  readonly shape: readonly number[];
  /** The elements, row-major, little-endian. Of a file that was parsed a view, at any alignment. */
  readonly data: Uint8Array;
}

/** What a safetensors file says. */
export interface Safetensors {
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes an element. */
const SIZES: ReadonlyMap<string, number> = new Map([
  ...["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"].map((dtype) => [dtype, 1] as const),
  ...["U16", "I16", "F16", "BF16"].map((dtype) => [dtype, 2] as const),
  ...["U32", "I32", "F32"].map((dtype) => [dtype, 4] as const),
  ...["U64", "I64", "F64"].map((dtype) => [dtype, 8] as const),
]);

const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
/** The format's own limit: a longer header is damage, or an attack. */
const HEADER_LIMIT = 100_000_000;
/** The data begin at a multiple of it, so that a program can map the file and read the numbers in place. */
const ALIGNMENT = 8;

/**
 * The file of the tensors.
 *
 * @throws {TypeError} for an unknown dtype, data that do not fill the shape, or a tensor named `__metadata__`.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const parts = [safetensorsHeader(tensors, metadata), ...[...tensors.values()].map(({ data }) => data)];
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/**
 * What a file begins with; the tensors' data follow, in the map's order. Apart from `encodeSafetensors`, so that a large file
 * can be written in pieces.
 *
 * @throws {TypeError} as `encodeSafetensors`.
 */
export function safetensorsHeader(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let end = 0;
  const places = [...tensors].map(([name, { dtype, shape, data }]) => {
    if (name === METADATA) throw new TypeError(`safetensors: a tensor cannot be named ${METADATA}`);
    const wanted = byteLength(dtype, shape);
    if (wanted !== data.length) {
      const wants = wanted === undefined ? "a dtype of the format" : `${wanted} bytes`;
      throw new TypeError(
        `safetensors: ${name}: ${dtype} [${shape}] wants ${wants}, got ${data.length} bytes`,
      );
    }
    return [name, { dtype, shape, data_offsets: [end, end += data.length] }] as const;
  });
  const notes = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...notes, ...places])));
  // What is over at the end stays blank, as the format allows.
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

/** How many bytes a tensor has; undefined for a dtype that is none, or a shape that is none. */
function byteLength(dtype: string, shape: readonly number[]): number | undefined {
  const bytes = shape.reduce((product, extent) => product * extent, SIZES.get(dtype) ?? NaN);
  return shape.every(isCount) && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * Reads a file. The data are views of it.
 *
 * @param name what messages call the file
 * @throws {DataError} in one line, for anything but a whole file in which every byte belongs to exactly one tensor.
 */
export function parseSafetensors(file: Uint8Array, name: string): Safetensors {
  const refuse = (why: string): never => {
    throw new DataError(`${name}: ${why}`);
  };
  if (file.length < LENGTH_BYTES) refuse(`is no safetensors file: it has ${file.length} bytes`);
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (length > HEADER_LIMIT) refuse(`is no safetensors file: its header would be ${length} bytes long`);
  const start = LENGTH_BYTES + length;
  if (start > file.length) refuse(`is truncated: its header wants ${start} bytes, got ${file.length}`);
  const { [METADATA]: notes, ...entries } = parseHeader(file.subarray(LENGTH_BYTES, start), refuse);
  const places = Object.entries(entries).map(([key, entry]) => placeOf(key, entry, refuse))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const place of places) {
    if (place.begin !== end) {
      const what = place.begin < end
        ? "overlaps the tensor before it"
        : `leaves ${place.begin - end} bytes free`;
      refuse(`is damaged: ${quote(place.name)} ${what}`);
    }
    end = place.end;
  }
  const got = file.length - start;
  if (got < end) refuse(`is truncated: its tensors want ${end} bytes, got ${got}`);
  if (got > end) refuse(`is damaged: ${got - end} bytes after the last tensor belong to none`);
  // Plain bytes, also of Node's Buffer, whose `slice` is not a copy.
  const data = new Uint8Array(file.buffer, file.byteOffset + start, end);
  const tensors = places.map(({ name, dtype, shape, begin, end }) =>
    [name, { dtype, shape, data: data.subarray(begin, end) }] as const
  );
  return { tensors: new Map(tensors), metadata: metadataOf(notes, refuse) };
}

type Refuse = (why: string) => never;

function parseHeader(bytes: Uint8Array, refuse: Refuse): Record<string, unknown> {
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
    const twice = repeatedName(text);
    if (twice !== undefined) refuse(`is damaged: its header has ${twice} twice`);
  } catch (error) {
    if (error instanceof DataError) throw error;
    refuse("is no safetensors file: its header is not JSON");
  }
  return isRecord(header) ? header : refuse("is no safetensors file: its header is no object");
}

/** A name that an object of the JSON text has twice; `JSON.parse` would silently take the last one. */
function repeatedName(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [, bracket, text, isName] of json.matchAll(/([{}])|("(?:[^"\\]|\\.)*")(\s*:)?/g)) {
    if (bracket === "{") open.push(new Set());
    if (bracket === "}") open.pop();
    if (!isName) continue;
    // Compared as what it means: the same letter can be written as an escape, too.
    const name = JSON.stringify(JSON.parse(text!));
    if (open.at(-1)!.has(name)) return name;
    open.at(-1)!.add(name);
  }
  return undefined;
}

interface Place {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function placeOf(name: string, entry: unknown, refuse: Refuse): Place {
  const { dtype, shape, data_offsets: offsets, ...others } = isRecord(entry) ? entry : {};
  const bad = (what: string) => refuse(`is damaged: ${quote(name)} has ${what}`);
  if (typeof dtype !== "string" || !SIZES.has(dtype)) return bad(`the unknown dtype ${quote(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) return bad(`the shape ${quote(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return bad(`the place ${quote(offsets)}`);
  }
  const [other] = Object.keys(others);
  if (other !== undefined) return bad(`an unknown ${quote(other)}`);
  const [begin, end] = offsets as [number, number];
  const wanted = byteLength(dtype, shape);
  if (wanted !== end - begin) bad(`${end - begin} bytes, ${dtype} [${shape}] wants ${wanted ?? "too many"}`);
  return { name, dtype, shape, begin, end };
}

function metadataOf(notes: unknown, refuse: Refuse): Readonly<Record<string, string>> {
  if (notes === undefined) return {};
  if (!isRecord(notes) || !Object.values(notes).every((value) => typeof value === "string")) {
    return refuse("is damaged: its metadata are not all text");
  }
  return notes as Record<string, string>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** For a message: in one line whatever the file says, and not longer than one. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
