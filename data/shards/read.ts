/**
 * Reading shards: any image by its number, as fast as the disk and the page cache give it, and checked.
 *
 * @module
 */

import { DataError, type Dataset, type ImageStatistics, type Split } from "../dataset.ts";
import { readPath } from "../files.ts";
import { parseSafetensors } from "../safetensors.ts";
import { type Crc32, loadCrc32 } from "./crc.ts";
import {
  damaged,
  HEADER_BYTES,
  hex,
  INDEX,
  parseHeader,
  parseIndex,
  type PartEntry,
  PLAN,
  type ShardIndex,
} from "./format.ts";

/** Deno reads an open file once at a time: where there are few shards, each is opened so often that there are as many. */
const LEAST_FILES = 8;

/** A dataset on a disk. */
export interface ShardDataset extends Dataset {
  readonly statistics: ImageStatistics;
  readonly classNames: readonly string[];
  /** Closes the files; nothing can be read afterwards. */
  close(): void;
}

/** Whether a folder has shards in it, or is to have some. */
export async function isShardFolder(folder: string): Promise<boolean> {
  return await has(folder, INDEX) || await has(folder, PLAN);
}

async function has(folder: string, name: string): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  return await stat(join(folder, name)).then(() => true, () => false);
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
  if (!await has(folder, INDEX) && await has(folder, PLAN)) {
    throw new DataError(
      `${folder}: its shards are not all there: run prepare.ts again, it goes on where it was`,
    );
  }
  const crc32 = await loadCrc32();
  const text = new TextDecoder().decode(await readPath(join(folder, INDEX)));
  const index = parseIndex(text, join(folder, INDEX));
  const files: number[] = [];
  const close = () => files.splice(0).forEach((file) => fs.closeSync(file));
  try {
    const part = ({ shards }: PartEntry) =>
      shards.map(({ file, images, crc32: expected }) => {
        const path = join(folder, file);
        const open = () => files[files.push(openFile(fs, path)) - 1]!;
        const copies = Array.from({ length: Math.ceil(LEAST_FILES / shards.length) }, open);
        const shard = readAround(fs, path, copies, index, crc32);
        if (shard.crc !== expected) {
          throw damaged(path, `the checksum of its labels is ${shard.crc}, wants ${expected}`);
        }
        if (shard.labels.length !== images) {
          throw damaged(path, `it has ${shard.labels.length} images, wants ${images}`);
        }
        return shard;
      });
    const [train, test] = [part(index.train), part(index.test)];
    return {
      name: index.plan.source,
      shape: index.shape,
      classes: index.classes.length,
      classNames: index.classes,
      statistics: await readStatistics(join(folder, index.statistics.file), index, crc32),
      train: splitOf(train, index, fs, crc32),
      test: splitOf(test, index, fs, crc32),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

interface OpenShard {
  readonly path: string;
  /** The same file, open once or several times. */
  readonly files: readonly number[];
  readonly labels: Int32Array;
  /** Of each image. */
  readonly crcs: Uint32Array;
  /** Of header, labels, checksums and record, in hexadecimal. */
  readonly crc: string;
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

/** Reads all of a shard but the images and their sum. */
function readAround(
  fs: Fs,
  path: string,
  files: readonly number[],
  { shape }: ShardIndex,
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
  const count = images.shape[0]!;
  return {
    path,
    files,
    labels: new Int32Array(tail.buffer, 0, count),
    crcs: new Uint32Array(tail.buffer, crcs.begin - labels.begin, count),
    crc: hex(crc32(tail, crc32(header))),
  };
}

async function readStatistics(path: string, index: ShardIndex, crc32: Crc32): Promise<ImageStatistics> {
  const bytes = await readPath(path);
  const crc = hex(crc32(bytes));
  if (crc !== index.statistics.crc32) {
    throw damaged(path, `its checksum is ${crc}, wants ${index.statistics.crc32}`);
  }
  const { tensors } = parseSafetensors(bytes, path);
  const buffer = (name: string) => Uint8Array.from(tensors.get(name)!.data).buffer;
  const vectors = new Float64Array(buffer("eigenvectors"));
  return {
    mean: new Float32Array(buffer("mean")),
    eigenvalues: [...new Float64Array(buffer("eigenvalues"))],
    eigenvectors: [0, 1, 2].map((i) => [...vectors.subarray(3 * i, 3 * i + 3)]),
  };
}

/** The images of several shards as one list. */
function splitOf(shards: readonly OpenShard[], { shape }: ShardIndex, fs: Fs, crc32: Crc32): Split {
  const size = shape[0] * shape[1] * shape[2];
  const count = shards.reduce((sum, { labels }) => sum + labels.length, 0);
  // Of each image its shard, and its number there: eight bytes an image, and no search.
  const shardOf = new Uint32Array(count);
  const numberOf = new Uint32Array(count);
  let start = 0;
  shards.forEach(({ labels }, s) => {
    shardOf.fill(s, start, start + labels.length);
    for (let i = 0; i < labels.length; i++) numberOf[start++] = i;
  });
  return {
    count,
    label: (index) => shards[shardOf[index]!]!.labels[numberOf[index]!]!,
    // Callbacks cost a third of what promises do; the system's threads read several images at once.
    read: (indices, images) =>
      new Promise((resolve, reject) => {
        let [left, failure]: [number, Error | undefined] = [indices.length, undefined];
        // Not before all are there: whoever hears of a failure may use the array for something else.
        const settle = () => failure ? reject(failure) : resolve();
        if (left === 0) settle();
        indices.forEach((index, i) => {
          const { path, files, crcs } = shards[shardOf[index]!]!;
          const number = numberOf[index]!;
          fs.read(
            files[i % files.length]!,
            images,
            i * size,
            size,
            HEADER_BYTES + number * size,
            (error, bytes) => {
              if (error) {
                failure ??= new DataError(`${path}: cannot be read (${error.code})`, { cause: error });
              } else if (bytes !== size) failure ??= damaged(path, `it ends in image ${number}`);
              else {
                const crc = crc32(images.subarray(i * size, (i + 1) * size));
                if (crc !== crcs[number]) {
                  const wanted = hex(crcs[number]!);
                  failure ??= damaged(
                    path,
                    `the checksum of image ${number} is ${hex(crc)}, wants ${wanted}`,
                  );
                }
              }
              if (--left === 0) settle();
            },
          );
        });
      }),
  };
}
