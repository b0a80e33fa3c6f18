/**
 * `index.json`: what is written, and what is believed when it is read.
 *
 * @module
 */

import { DataError } from "../dataset.ts";
import type { Crc32 } from "./crc.ts";
import {
  damaged,
  FORMAT,
  hex,
  type Part,
  type ShardIndex,
  shardName,
  STATISTICS,
  VERSION,
} from "./format.ts";

/** The text of the file. Its last entry is the CRC-32 of the others as JSON without blanks. */
export function encodeIndex(index: ShardIndex, crc32: Crc32): string {
  return JSON.stringify({ ...index, crc32: checksum(index, crc32) }, null, 2) + "\n";
}

/** The order of the keys survives writing and reading. */
function checksum(index: unknown, crc32: Crc32): string {
  return hex(crc32(new TextEncoder().encode(JSON.stringify(index))));
}

/**
 * Reads the text of the file.
 *
 * @throws {DataError} when it is no index, of another version, or not what was written.
 */
export function parseIndex(text: string, name: string, crc32: Crc32): ShardIndex {
  let json: (ShardIndex & { readonly crc32: unknown }) | null;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${name}: is no JSON: it is damaged, prepare the shards again`, { cause: error });
  }
  if (json?.format !== FORMAT) {
    throw new DataError(`${name}: is no index of shards: its "format" wants to be "${FORMAT}"`);
  }
  if (json.version !== VERSION) {
    throw new DataError(`${name}: is of version ${json.version}, this program reads version ${VERSION}`);
  }
  const { crc32: wanted, ...index } = json;
  const actual = checksum(index, crc32);
  if (actual !== wanted) throw damaged(name, `its checksum is ${actual}, wants ${wanted}`);
  // Another program may have written it, with its checksum.
  const flaw = flawOf(index);
  if (flaw !== undefined) throw damaged(name, flaw);
  return index;
}

const isCount = (value: unknown, least: number) => Number.isSafeInteger(value) && value as number >= least;
const isChecksum = (value: unknown) => typeof value === "string" && /^[0-9a-f]{8}$/.test(value);

/** What is wrong with an index that claims to be one; undefined for nothing. */
function flawOf({ shape, classes, statistics, plan, ...parts }: ShardIndex): string | undefined {
  const isShape = Array.isArray(shape) && shape.length === 3 && shape.every((extent) => isCount(extent, 1));
  if (!isShape || shape[0] !== 3) return `its shape is ${JSON.stringify(shape)}, wants [3, height, width]`;
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((name) => typeof name === "string")) {
    return "its classes want to be a list of names";
  }
  if (statistics?.file !== STATISTICS || !isChecksum(statistics.crc32)) {
    return `its statistics want to be the file ${STATISTICS} and a checksum`;
  }
  if (typeof plan?.source !== "string") return "its plan has no source";
  return flawOfPart("train", parts.train) ?? flawOfPart("test", parts.test);
}

function flawOfPart(part: Part, entry: ShardIndex[Part] | undefined): string | undefined {
  const { images, broken, shards } = entry ?? {};
  if (!Array.isArray(shards)) return `it has no list of ${part} shards`;
  for (const [i, shard] of shards.entries()) {
    // No other name: it would be opened, wherever it leads.
    const file = shardName(part, i);
    if (shard?.file !== file || !isCount(shard.images, 0) || !isChecksum(shard.crc32)) {
      return `its ${part} shard ${i} wants to be the file ${file}, a number of images and a checksum`;
    }
  }
  const sum = shards.reduce((total, shard) => total + shard.images, 0);
  if (sum !== images) return `its ${part} shards have ${sum} images together, not ${images}`;
  if (sum === 0) return `it has no ${part} images`;
  return isCount(broken, 0) ? undefined : `its number of broken ${part} files is ${broken}`;
}
