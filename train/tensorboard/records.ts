/**
 * TFRecord, the framing of TensorBoard's event files: each record carries its length and two checksums
 * (<https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>).
 *
 * @module
 */

// @ts-types="./crc32c.d.ts"
import crc32c from "crc-32/crc32c.js";

/** What is added to a checksum, so that one of data that hold checksums is no trivial one. */
const MASK = 0xa282ead8;

/** CRC32C, turned by 15 bits and shifted, as the format asks. */
export function maskedChecksum(bytes: Uint8Array): number {
  const sum = crc32c.buf(bytes) >>> 0;
  return ((sum >>> 15 | sum << 17) + MASK) >>> 0;
}

/** A record: length (64 bits), its checksum, data, their checksum; all with the lowest byte first. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(data), true);
  return record;
}
