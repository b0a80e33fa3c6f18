/**
 * The IDX format of MNIST and its descendants: two zero bytes, the element type (8: bytes), the rank, the sizes as
 * big-endian u32, and then the elements (LeCun, Cortes, Burges: "The MNIST database", file formats).
 *
 * @module
 */

import { DataError } from "./dataset.ts";
import { decompress } from "./files.ts";

/** The content of an IDX file of bytes. */
export interface Idx {
  /** The sizes of the axes, outermost first. */
  readonly shape: readonly number[];
  /** The elements in row-major order. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 8;

/**
 * Reads an IDX file of bytes, gzipped or plain, and checks that it is whole.
 *
 * @param rank the number of axes it must have
 * @param name the file's name, for messages
 * @throws {DataError} for a wrong magic number, another rank, missing or surplus bytes, or damaged gzip data.
 */
export async function parseIdx(file: Uint8Array, rank: number, name: string): Promise<Idx> {
  const bytes = await decompress(file, name);
  const header = 4 + 4 * rank;
  if (bytes.length < 4) throw new DataError(`${name}: has ${bytes.length} bytes, too few for an IDX file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wanted = (UNSIGNED_BYTE << 8) | rank;
  const magic = view.getUint32(0);
  if (magic !== wanted) {
    throw new DataError(
      `${name}: the magic number is ${hex(magic)}, an IDX file of this kind has ${hex(wanted)}`,
    );
  }
  if (bytes.length < header) throw new DataError(`${name}: the header is cut off`);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (bytes.length !== header + size) {
    const which = bytes.length < header + size ? "truncated" : "longer than its header says";
    throw new DataError(
      `${name}: the file is ${which}: ${shape.join(" x ")} wants ${header + size} bytes, got ${bytes.length}`,
    );
  }
  return { shape, data: bytes.subarray(header) };
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
