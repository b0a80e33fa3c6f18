/**
 * Where a user's machine keeps datasets that were fetched.
 *
 * @module
 */

import { type Platform, userCache } from "../tensor/user_cache.ts";
import { DataError } from "./dataset.ts";

/**
 * The folder for `name` below Fermi's own in the user's cache: `XDG_CACHE_HOME` where it is set, else where the platform
 * has it. The folder is not made.
 *
 * @param platform default: the one it runs on
 * @throws {DataError} when no variable says where the cache is.
 */
export async function cacheFolder(name: string, platform?: Platform): Promise<string> {
  const here = platform ?? (await import("node:process")).default;
  const { folder, variable } = userCache(name, here, await import("node:path"));
  if (folder === null) {
    throw new DataError(
      `there is no cache folder: neither XDG_CACHE_HOME nor ${variable} is an absolute path, or they may not be read` +
        ("Deno" in globalThis ? " (`deno run -P=full` grants that)" : ""),
    );
  }
  return folder;
}
