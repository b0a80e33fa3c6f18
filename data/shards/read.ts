/**
 * Reading shards: any image by its number, as fast as the disk and the page cache give it, and checked.
 *
 * @module
 */

import { DataError, type Dataset, type ImageStatistics } from "../dataset.ts";
import { listFolder, readPath } from "../files.ts";
import { parseSafetensors } from "../safetensors.ts";
import { type Crc32, loadCrc32 } from "./crc.ts";
import {
  damaged,
  HEADER_BYTES,
  hex,
  INDEX,
  isShardName,
  parseHeader,
  type PartEntry,
  PLAN,
  type ShardEntry,
  type ShardIndex,
} from "./format.ts";
import { parseIndex } from "./index.ts";
import { type OpenShard, splitOf } from "./split.ts";

/** Deno reads an open file once at a time: where there are few shards, each is opened so often that there are as many. */
const LEAST_FILES = 8;

/** A dataset on a disk. */
export interface ShardDataset extends Dataset {
  readonly statistics: ImageStatistics;
  readonly classNames: readonly string[];
  /** Closes the files; nothing can be read afterwards. */
  close(): void;
}

/** Whether a folder has shards in it, or is to have some, by the names in it. */
export function isShardFolder(names: readonly string[]): boolean {
  return names.some((name) => name === INDEX || name === PLAN || isShardName(name));
}

/**
 * Opens a folder of shards. All shards are opened, and everything but the images is read and checked; each image is checked
 * whenever it is read.
 *
 * @throws {DataError} when a file is missing, truncated or damaged: the message names the shard.
 */
export async function readShards(folder: string): Promise<ShardDataset> {
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  const names = await listFolder(folder);
  if (isShardFolder(names) && !names.includes(INDEX)) {
    throw new DataError(
      `${folder}: its shards are not all there: run prepare.ts again, it goes on where it was`,
    );
  }
  const crc32 = await loadCrc32();
  const text = new TextDecoder().decode(await readPath(join(folder, INDEX)));
  const index = parseIndex(text, join(folder, INDEX), crc32);
  const files: number[] = [];
  const close = () => files.splice(0).forEach((file) => fs.closeSync(file));
  try {
    const part = ({ shards }: PartEntry) =>
      shards.map((entry) => {
        const path = join(folder, entry.file);
        const open = () => files[files.push(openFile(fs, path)) - 1]!;
        const copies = Array.from({ length: Math.ceil(LEAST_FILES / shards.length) }, open);
        return readAround(fs, path, copies, entry, index, crc32);
      });
    const size = index.shape.reduce((product, extent) => product * extent, 1);
    const [train, test] = [part(index.train), part(index.test)];
    return {
      name: index.plan.source,
      shape: index.shape,
      classes: index.classes.length,
      classNames: index.classes,
      statistics: await readStatistics(join(folder, index.statistics.file), index, crc32),
      train: splitOf(train, size, fs, crc32),
      test: splitOf(test, size, fs, crc32),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

type Fs = typeof import("node:fs");

function openFile(fs: Fs, path: string): number {
  try {
    return fs.openSync(path, "r");
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    throw new DataError(`${path}: cannot be read (${code ?? message})`, { cause: error });
  }
}

/** Reads all of a shard but the images and their sum, and checks it. */
function readAround(
  fs: Fs,
  path: string,
  files: readonly number[],
  entry: ShardEntry,
  { shape, classes }: ShardIndex,
  crc32: Crc32,
): OpenShard {
  const { size } = fs.fstatSync(files[0]!);
  const read = (begin: number, end: number) => {
    if (size < end) throw damaged(path, `it has ${size} bytes, wants at least ${end}`);
    const bytes = new Uint8Array(end - begin);
    fs.readSync(files[0]!, bytes, 0, bytes.length, begin);
    return bytes;
  };
  const header = read(0, HEADER_BYTES);
  const { images, labels, crc32: crcs, record, sums } = parseHeader(header, path);
  if (size !== sums.end) throw damaged(path, `it has ${size} bytes, wants ${sums.end}`);
  if (String(images.shape.slice(1)) !== String(shape)) {
    throw damaged(path, `its images are ${images.shape.slice(1)}, want to be ${shape}`);
  }
  const tail = read(labels.begin, record.end);
  const crc = hex(crc32(tail, crc32(header)));
  if (crc !== entry.crc32) throw damaged(path, `the checksum of its labels is ${crc}, wants ${entry.crc32}`);
  const count = images.shape[0]!;
  if (count !== entry.images) throw damaged(path, `it has ${count} images, wants ${entry.images}`);
  const shard = {
    path,
    files,
    labels: new Int32Array(tail.buffer, 0, count),
    crcs: new Uint32Array(tail.buffer, crcs.begin - labels.begin, count),
  };
  // They are as they were written, so the index has the classes of others.
  const wrong = shard.labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong !== -1) {
    const range = `the index has classes 0 to ${classes.length - 1}`;
    throw damaged(path, `the label of image ${wrong} is ${shard.labels[wrong]}, ${range}`);
  }
  return shard;
}

async function readStatistics(path: string, index: ShardIndex, crc32: Crc32): Promise<ImageStatistics> {
  const bytes = await readPath(path);
  const crc = hex(crc32(bytes));
  if (crc !== index.statistics.crc32) {
    throw damaged(path, `its checksum is ${crc}, wants ${index.statistics.crc32}`);
  }
  const { tensors } = parseSafetensors(bytes, path);
  const buffer = (name: string, dtype: string, shape: readonly number[]) => {
    const tensor = tensors.get(name);
    if (tensor?.dtype !== dtype || String(tensor.shape) !== String(shape)) {
      throw damaged(path, `it has no ${name} of ${dtype} [${shape.join(", ")}]`);
    }
    return Uint8Array.from(tensor.data).buffer;
  };
  const vectors = new Float64Array(buffer("eigenvectors", "F64", [3, 3]));
  return {
    mean: new Float32Array(buffer("mean", "F32", index.shape)),
    eigenvalues: [...new Float64Array(buffer("eigenvalues", "F64", [3]))],
    eigenvectors: [0, 1, 2].map((i) => [...vectors.subarray(3 * i, 3 * i + 3)]),
  };
}
