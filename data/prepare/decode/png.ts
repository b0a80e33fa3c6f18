/**
 * Whether a PNG is as it was written: decoders differ in how much of that they look at, so it is found out before they do.
 *
 * @module
 */

import type { Crc32 } from "../../shards/crc.ts";

/** Of a chunk: its length and type before the data, and the checksum behind. */
const AROUND = 12;
const SIGNATURE = 8;
/** The type of the last chunk. */
const END = 0x49454e44;

/** Goes through the chunks: each has its checksum, and the last one is there. What comes after it belongs to nobody. */
export function isWholePng(file: Uint8Array, crc32: Crc32): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = SIGNATURE; at + AROUND <= file.length;) {
    const after = at + AROUND + view.getUint32(at);
    // The checksum is of type and data.
    if (after > file.length) return false;
    if (crc32(file.subarray(at + 4, after - 4)) !== view.getUint32(after - 4)) return false;
    if (view.getUint32(at + 4) === END) return true;
    at = after;
  }
  return false;
}
