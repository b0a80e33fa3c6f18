/**
 * CRC-32 (that of zlib, PNG and gzip), as fast as the runtime has it.
 *
 * @module
 */

/** The checksum of bytes; with a second argument, of those bytes after others whose checksum that is. */
export type Crc32 = (bytes: Uint8Array, before?: number) => number;

/** zlib's own, which uses the processor's instructions; Node before 20.15 has none, and gets a slower one in JavaScript. */
export async function loadCrc32(): Promise<Crc32> {
  const { crc32 } = await import("node:zlib") as { crc32?: Crc32 };
  // Of no bytes Node's is 0, whatever was before: they have no address, which tells zlib to begin anew.
  if (crc32 !== undefined) return (bytes, before = 0) => bytes.length === 0 ? before : crc32(bytes, before);
  const { default: { buf } } = await import("crc-32");
  return (bytes, before = 0) => buf(bytes, before) >>> 0;
}
