// A server that has a file, and a folder that is to keep it: what the tests of downloads share.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { DownloadOptions } from "../../data/download.ts";
import { keepFile, type KnownFile } from "../../data/known_file.ts";
import { DataError } from "../../data/mod.ts";
import { type FileServer, serve } from "./file_server.ts";

export const SIZE = 300_000;

/** Bytes that gzip cannot make much smaller, so a byte of the download is about a byte of the file. */
export function noise(seed: number, size: number = SIZE): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: size }, () => {
    state = Math.imul(state, 1664525) + 1013904223;
    return state >>> 24;
  });
}

export function pack(content: Uint8Array, level = 6): Uint8Array {
  return new Uint8Array(gzipSync(content, { level }));
}

export function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export const content: Uint8Array = noise(1);
export const packed: Uint8Array = pack(content);
export const file: KnownFile = { name: "noise", size: SIZE, sha256: sha256(content) };

export interface Place {
  readonly server: FileServer;
  readonly folder: string;
  readonly lines: string[];
  /** Fetches the file, with short pauses. */
  keep(options?: DownloadOptions): Promise<void>;
  /** The names in the folder. */
  names(): Promise<string[]>;
  /** Asserts that the folder has the right file and nothing else. */
  assertKept(): Promise<void>;
}

/** Runs a test with a server that has the file, and an empty folder. */
export async function at(work: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-download-"));
  const server = await serve({ "/noise.gz": packed });
  const lines: string[] = [];
  const names = async () => (await readdir(folder)).sort();
  try {
    await work({
      server,
      folder,
      lines,
      names,
      keep: (options) =>
        keepFile(file, `${server.url}/noise.gz`, folder, {
          pause: 1,
          log: (line) => lines.push(line),
          ...options,
        }),
      async assertKept() {
        assert.deepEqual(await names(), ["noise"]);
        assert.deepEqual(new Uint8Array(await readFile(join(folder, "noise"))), content);
      },
    });
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}

export async function assertFails(given: Promise<unknown>, ...messages: RegExp[]): Promise<void> {
  await assert.rejects(given, (error: unknown) => {
    assert(error instanceof DataError, `${error}`);
    for (const message of messages) assert.match(error.message, message);
    assert(!error.message.includes("\n"));
    return true;
  });
}

/** The first bytes of the ranges that were asked for. */
export function ranges(server: FileServer): (number | null)[] {
  return server.requests.map(({ from }) => from);
}
