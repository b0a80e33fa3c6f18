/**
 * What shards are made from, and how; whether the shards in a folder are those that a run would make.
 *
 * @module
 */

import { DataError } from "../dataset.ts";
import { listFolder } from "../files.ts";
import type { Crc32 } from "../shards/crc.ts";
import { FORMAT, INDEX, isShardName, type Part, PLAN, type Plan, VERSION } from "../shards/format.ts";
import { readShard } from "../shards/writer.ts";
import { writeJson } from "../whole_files.ts";
import type { Source } from "./sources/source.ts";

/** Plans to make shards of a source. */
export async function planOf(
  source: Source,
  settings: Pick<Plan, "decoder" | "size" | "filesPerShard">,
): Promise<Plan> {
  const contents = (part: Part) => sha256Of([source.classes, source[part].contents]);
  return {
    source: source.kind,
    ...settings,
    train: await contents("train"),
    test: await contents("test"),
  };
}

/** A checksum of all of it and of the format: each shard has that of the plan by which it was made. */
export async function checksumOf(plan: Plan): Promise<string> {
  return await sha256Of([VERSION, plan]);
}

async function sha256Of(value: unknown): Promise<string> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** In words, what is not the same. */
const DIFFERENCES: { readonly [K in keyof Plan]: (before: Plan[K], now: Plan[K]) => string } = {
  source: (before, now) => `source "${before}", not "${now}"`,
  decoder: (before, now) => `decoder "${before}", not "${now}"`,
  size: (before, now) => `images of ${before}x${before}, not ${now}x${now}`,
  filesPerShard: (before, now) => `--shard=${before}, not ${now}`,
  train: () => "other train files",
  test: () => "other test files",
};

/**
 * Sees to it that the shards in a folder, if there are any, were made from the same, in the same way, and writes the plan of
 * those to come. The shards say it themselves; what else is in the folder only says what is not the same.
 *
 * @throws {DataError} when they were not, in one line.
 */
export async function agree(to: string, plan: Plan, crc32: Crc32): Promise<void> {
  const { rm } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const note = async () => await writeJson(join(to, PLAN), { format: FORMAT, version: VERSION, plan });
  const [first] = (await listFolder(to)).filter(isShardName).sort();
  if (first === undefined) {
    await note();
    // Of shards that are gone.
    return await rm(join(to, INDEX), { force: true });
  }
  const before = await noted(to);
  if (before !== undefined && before.version !== VERSION) {
    const of = `of version ${before.version ?? 1} of their format, this program makes version ${VERSION}`;
    throw new DataError(`${to}: has shards ${of}: choose another folder, or delete it`);
  }
  const shard = await readShard(join(to, first), crc32);
  if (shard?.record.plan !== await checksumOf(plan)) {
    throw new DataError(
      `${to}: has shards that were made with ${
        difference(before?.plan, plan)
      }: choose another folder, or delete it`,
    );
  }
  if (before === undefined) await note();
}

function difference(before: Partial<Plan> | undefined, now: Plan): string {
  for (const key of Object.keys(DIFFERENCES) as (keyof Plan)[]) {
    const [a, b, tell] = [before?.[key], now[key], DIFFERENCES[key] as (a: unknown, b: unknown) => string];
    if (a !== undefined && a !== b) return tell(a, b);
  }
  return "other images, or other settings";
}

interface Noted {
  readonly version?: unknown;
  readonly plan?: Partial<Plan>;
}

/** What the folder says of its shards; undefined where it says nothing, or nothing that can be read. */
async function noted(to: string): Promise<Noted | undefined> {
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  for (const name of [INDEX, PLAN]) {
    try {
      const value: unknown = JSON.parse(await readFile(join(to, name), "utf8"));
      if (typeof value === "object" && value !== null) return value;
    } catch {
      // The next one may do.
    }
  }
  return undefined;
}
