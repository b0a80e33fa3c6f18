/**
 * From a source of images to a folder of shards. Shard k is made from the files k n to (k + 1) n - 1 of its part, and from
 * nothing else, so a run that was killed goes on behind the last shard that is there, and ends with the same bytes.
 *
 * @module
 */

import { DataError } from "../dataset.ts";
import { failed } from "../files.ts";
import { type FolderLock, isClaim, lockFolder } from "../folder_lock.ts";
import { loadCrc32 } from "../shards/crc.ts";
import { isShardFile, type Part } from "../shards/format.ts";
import { Totals } from "../shards/statistics.ts";
import type { Broken } from "../shards/writer.ts";
import { sweep } from "../whole_files.ts";
import { type DecoderName, loadDecoder } from "./decode/mod.ts";
import { finish } from "./finish.ts";
import { makeShards } from "./part.ts";
import { agree, planOf } from "./plan.ts";
import { findSource } from "./sources/mod.ts";

/** What `prepare` takes. */
export interface PrepareOptions {
  /** The folder with the images, in one of the layouts that `findSource` knows. */
  readonly from: string;
  /** The folder of the shards; it is made. */
  readonly to: string;
  /** A broken image ends it; default false: they are left out, and listed in `broken.txt`. */
  readonly strict?: boolean | undefined;
  /** Height and width of the images, default 256. */
  readonly size?: number | undefined;
  /** How many files of the source go into a shard, default 4,096: 768 MiB. */
  readonly filesPerShard?: number | undefined;
  /** Default `auto`. */
  readonly decoder?: DecoderName | undefined;
  /** Takes a line that says what happens. */
  readonly log?: ((line: string) => void) | undefined;
  /** Told of every file. */
  readonly progress?: ((progress: PrepareProgress) => void) | undefined;
}

/** How far it is. */
export interface PrepareProgress {
  readonly part: Part;
  /** How many files this run has decoded, or tried to. */
  readonly files: number;
  /** How many are broken, those that earlier runs have met included. */
  readonly broken: number;
  /** How much of the whole was there when this run began, from 0 to 1. */
  readonly began: number;
  /** How much is there now. */
  readonly done: number;
}

/** What has become of the images. */
export interface PrepareResult {
  /** Images in the shards to train with. */
  readonly train: number;
  /** Images in the shards to test with. */
  readonly test: number;
  /** Files that are in no shard. */
  readonly broken: readonly Broken[];
  /** How many files this run has decoded, or tried to: fewer where it went on with another one's work. */
  readonly files: number;
}

const DEFAULT_SIZE = 256;
const DEFAULT_FILES_PER_SHARD = 4096;

/**
 * Makes the shards, or those that are missing.
 *
 * @throws {FolderInUseError} while another process does so.
 * @throws {DataError} when the images cannot be found or the shards not be written; with `strict` also for a broken image.
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  const { from, to, size = DEFAULT_SIZE, filesPerShard = DEFAULT_FILES_PER_SHARD, log, progress } = options;
  const source = await findSource(from);
  for (const part of ["train", "test"] as const) {
    if (source[part].amount === 0) throw new DataError(`${from}: has no ${part} images`);
  }
  const crc32 = await loadCrc32();
  const decoder = await loadDecoder(options.decoder);
  log?.(`${from}: ${source.kind}, decoded by ${decoder.name}`);
  let lock: FolderLock | undefined;
  try {
    lock = await takeFolder(to);
    // What runs that were killed have left: of a shard up to 768 MiB.
    await sweep(to, (name) => isShardFile(name) || isClaim(name));
    const plan = await planOf(source, { decoder: decoder.name, size, filesPerShard });
    await agree(to, plan, crc32);
    const totals = new Totals(3 * size * size);
    const whole = source.train.amount + source.test.amount;
    let [files, broken, began] = [0, 0, 0];
    const run = async (part: Part, before: number) =>
      await makeShards({
        ...{ to, part, source: source[part], decoder, plan, crc32, log, strict: options.strict ?? false },
        took(shard) {
          if (part === "train") totals.add(shard.entry.images, shard.sums, shard.record.products);
        },
        resumed(done, brokenFiles) {
          broken += brokenFiles;
          began += done / whole;
        },
        met(done, isBroken) {
          files++;
          if (isBroken) broken++;
          progress?.({ part, files, broken, began, done: (before + done) / whole });
        },
      });
    const train = await run("train", 0);
    const test = await run("test", source.train.amount);
    const brokenFiles = await finish({ from, to, plan, classes: source.classes, train, test, totals, crc32 });
    return { train: train.images, test: test.images, broken: brokenFiles, files };
  } finally {
    await lock?.release();
    await decoder.close();
  }
}

/** Makes the folder where there is none, and takes it. */
async function takeFolder(to: string): Promise<FolderLock> {
  const { mkdir } = await import("node:fs/promises");
  await mkdir(to, { recursive: true }).catch((error) => {
    throw failed(to, "made", error);
  });
  return await lockFolder(to);
}
