/** What `crc-32/crc32c.js` gives; the package describes its other file only. */
declare const crc32c: { buf(data: Uint8Array, seed?: number): number };
export default crc32c;
