/**
 * What is written once all shards are there: the statistics, the list of broken files, and at last the index.
 *
 * @module
 */

import { DataError } from "../dataset.ts";
import { encodeSafetensors, type StoredTensor } from "../safetensors.ts";
import type { Crc32 } from "../shards/crc.ts";
import {
  BROKEN,
  FORMAT,
  hex,
  INDEX,
  type PartEntry,
  PLAN,
  type Plan,
  type ShardIndex,
  STATISTICS,
  VERSION,
} from "../shards/format.ts";
import { encodeIndex } from "../shards/index.ts";
import type { Totals } from "../shards/statistics.ts";
import type { Broken } from "../shards/writer.ts";
import { writeWhole } from "../whole_files.ts";
import type { FinishedPart } from "./part.ts";

/** What `finish` takes. */
export interface FinishOptions {
  /** Where the images come from. */
  readonly from: string;
  /** The folder. */
  readonly to: string;
  readonly plan: Plan;
  /** By label; null where the files have only numbers. */
  readonly classes: readonly string[] | null;
  readonly train: FinishedPart;
  readonly test: FinishedPart;
  /** Over the training images. */
  readonly totals: Totals;
  readonly crc32: Crc32;
}

/**
 * Writes the last files.
 *
 * @returns the broken files of both parts
 * @throws {DataError} when there is no image at all in one of the parts.
 */
export async function finish(
  { from, to, plan, train, test, totals, crc32, ...rest }: FinishOptions,
): Promise<Broken[]> {
  const { rm } = await import("node:fs/promises");
  const { join } = await import("node:path");
  for (const [part, { images, broken }] of Object.entries({ train, test })) {
    if (images === 0) throw new DataError(`${from}: there is no ${part} image, and ${broken} broken files`);
  }
  const { mean, eigenvalues, eigenvectors } = totals.statistics();
  const statistics = encodeSafetensors(
    new Map([
      ["mean", stored("F32", [3, plan.size, plan.size], mean)],
      ["eigenvalues", stored("F64", [3], Float64Array.from(eigenvalues))],
      ["eigenvectors", stored("F64", [3, 3], Float64Array.from(eigenvectors.flat()))],
    ]),
  );
  await writeWhole(join(to, STATISTICS), statistics);
  const broken = [...train.brokenFiles, ...test.brokenFiles];
  const lines = broken.map(({ file, reason }) => `${escape(file)}\t${escape(reason)}\n`);
  await writeWhole(join(to, BROKEN), lines.join(""));
  const numbers = Math.max(train.classes, test.classes);
  const index: ShardIndex = {
    format: FORMAT,
    version: VERSION,
    shape: [3, plan.size, plan.size],
    classes: rest.classes ?? Array.from({ length: numbers }, (_, label) => String(label)),
    train: entryOf(train),
    test: entryOf(test),
    statistics: { file: STATISTICS, crc32: hex(crc32(statistics)) },
    plan,
  };
  await writeWhole(join(to, INDEX), encodeIndex(index, crc32));
  await rm(join(to, PLAN), { force: true });
  return broken;
}

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** Names may have line breaks and tabs in them: they are written as in JSON, so that each file is one line. */
function escape(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\\]/gu, (character) => {
    return ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function entryOf({ images, broken, shards }: FinishedPart): PartEntry {
  return { images, broken, shards };
}

function stored(dtype: string, shape: readonly number[], values: Float32Array | Float64Array): StoredTensor {
  return { dtype, shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}
