// What gzip makes of a text, or of a part of one, which takes a tenth of the time.

import { Buffer } from "node:buffer";
import { deflateRawSync, gzipSync } from "node:zlib";

/** How far gzip looks back, and how much of what follows is compressed together with a part. */
const [WINDOW, AFTER] = [1 << 15, 1 << 12];

/** The bytes of a text. */
export const sizeOf = (text: string): number => gzipSync(text, { level: 9 }).length;

/** The bytes of a part of a text, with the beginning of what follows, to compare with those of another part in its place. */
export function sizeWithin(before: string, part: string, after: string): number {
  const dictionary = Buffer.from(before.slice(-WINDOW));
  return deflateRawSync(part + after.slice(0, AFTER), { level: 9, dictionary }).length;
}
