/**
 * Which images a run learns from.
 *
 * @module
 */

import { listFolder } from "../data/files.ts";
import {
  DataError,
  fashionMnist,
  fetchFashionMnist,
  isFashionMnistFile,
  isShardFolder,
  readShards,
  spread,
  synthetic,
  take,
} from "../data/mod.ts";
import type { ModelTable } from "../nn/mod.ts";
import type { Job, JobSettings } from "./job.ts";
import { UsageError } from "./usage_error.ts";

const SYNTHETIC_COUNTS = { trainCount: 1024, testCount: 64 };

/**
 * Finds the images that the settings name, and checks that the network takes them and that they fill a batch.
 *
 * @throws {UsageError} when the settings do not go together.
 * @throws {DataError} when a file is missing or damaged.
 */
export async function imagesOf(
  settings: JobSettings,
  table: ModelTable,
  batch: number,
): Promise<Job["load"]> {
  const { dataset, folder, full, limit = Infinity } = settings;
  if (dataset === "synthetic") {
    if (folder !== undefined || full !== undefined) {
      const flag = folder !== undefined ? "--data" : "--full";
      throw new UsageError(`${flag} belongs to --dataset=fashion-mnist, not to synthetic`);
    }
    checkBatch(batch, Math.min(limit, SYNTHETIC_COUNTS.trainCount));
    return async (key) => {
      const { input: shape, classes } = table;
      const made = await synthetic({ key, shape, classes, ...SYNTHETIC_COUNTS });
      return { ...made, train: take(made.train, limit) };
    };
  }
  if (folder !== undefined && full === undefined) {
    // Before anything is said of networks: what is there to be trained on?
    const names = await listFolder(folder);
    if (isShardFolder(names)) return await shardLoader(folder, table, batch, limit);
    if (!names.some(isFashionMnistFile)) {
      const wanted = "neither train-images-idx3-ubyte nor an index.json of shards";
      throw new DataError(`${folder}: has ${wanted}: prepare.ts makes shards of images`);
    }
  }
  const [channels, height, width] = table.input;
  if (channels !== 1 || height !== 28 || width !== 28) {
    const what = `${table.name} takes ${channels}x${height}x${width} images, ${dataset} has 1x28x28`;
    const shards = folder === undefined && full === undefined
      ? "use --data with shards, which prepare.ts makes of images"
      : "make shards of them with prepare.ts";
    throw new UsageError(`${what}: ${shards}, or use --dataset=synthetic`);
  }
  if (folder !== undefined && full !== undefined) {
    throw new UsageError("--full and --data both say where the images are: use one of them");
  }
  checkBatch(batch, limit);
  const read = await fashionMnist({ folder: full === undefined ? folder : await fetchFashionMnist(full) });
  const limited = { ...read, train: take(read.train, limit) };
  checkBatch(batch, limited.train.count);
  return () => Promise.resolve(limited);
}

/** What prepare.ts has made; a network may see parts of its images. */
async function shardLoader(
  folder: string,
  { name, input }: ModelTable,
  batch: number,
  limit: number,
): Promise<Job["load"]> {
  const shards = await readShards(folder);
  const { shape, train } = shards;
  if (shape[0] !== input[0] || input.some((extent, axis) => extent > shape[axis]!)) {
    shards.close();
    const which = `${name} takes ${input.join("x")} images, ${folder} has ${shape.join("x")}`;
    throw new UsageError(`${which}: use --model=alexnet`);
  }
  // The first ones would be of one class.
  const limited = { ...shards, train: spread(train, limit) };
  checkBatch(batch, limited.train.count);
  return () => Promise.resolve(limited);
}

function checkBatch(batch: number, images: number): void {
  if (images < batch) throw new UsageError(`${images} training images do not fill a batch of ${batch}`);
}
