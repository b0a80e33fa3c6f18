/**
 * The shards of one part: those that are there are taken as they are, the others are made.
 *
 * @module
 */

import { DataError } from "../dataset.ts";
import { reason } from "../files.ts";
import type { Crc32 } from "../shards/crc.ts";
import { type Part, type PartEntry, type Plan, type ShardEntry, shardName } from "../shards/format.ts";
import { type Broken, type Position, readShard, type Shard, ShardWriter } from "../shards/writer.ts";
import type { Decoder, RawImage } from "./decode/mod.ts";
import { checksumOf } from "./plan.ts";
import type { Item, SourcePart } from "./sources/source.ts";

/** What `makeShards` takes. */
export interface PartOptions {
  /** The folder. */
  readonly to: string;
  readonly part: Part;
  readonly source: SourcePart;
  readonly decoder: Decoder;
  readonly plan: Plan;
  readonly crc32: Crc32;
  readonly strict: boolean;
  readonly log: ((line: string) => void) | undefined;
  /** Told of each shard, in order, once it is there. */
  readonly took: (shard: Shard) => void;
  /** Told what was there at the beginning: how much of the source's amount, and how many broken files. */
  readonly resumed: (done: number, broken: number) => void;
  /** Told of each file: how much of the source's amount is done, and whether it is broken. */
  readonly met: (done: number, broken: boolean) => void;
}

/** A part whose shards are all there. */
export interface FinishedPart extends PartEntry {
  readonly brokenFiles: readonly Broken[];
  /** One more than the largest label. */
  readonly classes: number;
}

/**
 * Makes the shards of a part.
 *
 * @throws {DataError} as `prepare`.
 */
export async function makeShards(options: PartOptions): Promise<FinishedPart> {
  const { part, strict, log, took, resumed } = options;
  const shards: ShardEntry[] = [];
  const brokenFiles: Broken[] = [];
  let [classes, images] = [0, 0];
  const take = (shard: Shard) => {
    const { entry, record } = shard;
    shards.push(entry);
    images += entry.images;
    brokenFiles.push(...record.broken);
    classes = Math.max(classes, record.classes);
    took(shard);
    return record;
  };
  const made = await checksumOf(options.plan);
  let [position, done]: [Position | undefined, number] = [undefined, 0];
  for (;;) {
    const path = await pathOf(options, shards.length);
    const shard = await readShard(path, options.crc32);
    if (shard === null) break;
    if (shard.record.plan !== made) {
      throw new DataError(
        `${path}: was made from other images, or with other settings: delete it, or choose another folder`,
      );
    }
    ({ after: position, done } = take(shard));
  }
  if (shards.length > 0) {
    log?.(`${part}: ${shards.length === 1 ? "1 shard is" : `${shards.length} shards are`} there`);
  }
  if (strict && brokenFiles.length > 0) throw brokenError(brokenFiles[0]!);
  resumed(done, brokenFiles.length);
  for await (const shard of newShards(options, made, shards.length, position)) take(shard);
  return { images, broken: brokenFiles.length, shards, brokenFiles, classes };
}

async function pathOf({ to, part }: PartOptions, number: number): Promise<string> {
  const { join } = await import("node:path");
  return join(to, shardName(part, number));
}

function brokenError({ file, reason }: Broken): DataError {
  return new DataError(`${file}: ${reason}; without --strict it would be left out`);
}

/** Writes shard after shard. While one is made to last on the disk, the images of the next are decoded. */
async function* newShards(
  options: PartOptions,
  made: string,
  number: number,
  position: Position | undefined,
): AsyncGenerator<Shard, void, void> {
  const { plan, crc32, strict, met } = options;
  const shape = [3, plan.size, plan.size] as const;
  let writer: ShardWriter | undefined;
  let last: Item | undefined;
  let committing: Promise<Shard> | undefined;
  const commit = async function* () {
    if (committing) yield await committing;
    committing = writer?.commit(last!.after, last!.done);
    // The failure is met where the promise is awaited.
    committing?.catch(() => {});
    writer = undefined;
  };
  try {
    for await (const { item, image } of decoded(options, position)) {
      writer ??= await ShardWriter.begin(await pathOf(options, number++), { shape, plan: made, crc32 });
      last = item;
      const isBroken = !(image instanceof Uint8Array);
      if (isBroken && strict) throw brokenError(image);
      if (isBroken) writer.addBroken(image);
      else await writer.add(image, item.label);
      met(item.done, isBroken);
      if (writer.files === plan.filesPerShard) yield* commit();
    }
    yield* commit();
    yield* commit();
  } finally {
    await writer?.abandon();
    await committing?.catch(() => {});
  }
}

interface Decoded {
  readonly item: Item;
  readonly image: Uint8Array | Broken;
}

/** The files in the source's order, decoded: as many at a time as keep all cores busy. */
async function* decoded(
  { source, decoder, plan }: PartOptions,
  position: Position | undefined,
): AsyncGenerator<Decoded, void, void> {
  const waiting: Promise<Decoded>[] = [];
  for await (const item of source.items(position)) {
    const decoding = decode(item, decoder, plan.size);
    // The failure is met where the promise is awaited.
    decoding.catch(() => {});
    waiting.push(decoding);
    if (waiting.length >= decoder.concurrency) yield await waiting.shift()!;
  }
  while (waiting.length > 0) yield await waiting.shift()!;
}

/** What is wrong with a file is told with it; only what is wrong with the decoder is an error. */
async function decode(item: Item, decoder: Decoder, size: number): Promise<Decoded> {
  const broken = (reason: string): Decoded => ({ item, image: { file: item.name, reason } });
  if (item.flaw !== undefined) return broken(item.flaw);
  let file: Uint8Array | RawImage;
  try {
    file = typeof item.image === "function" ? await item.image() : item.image;
  } catch (error) {
    return broken(reason(error));
  }
  try {
    return { item, image: await decoder.decode(file, size) };
  } catch (error) {
    if (error instanceof DataError) throw error;
    return broken(reason(error));
  }
}
