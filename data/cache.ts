/**
 * Where a user's machine keeps what can be made or fetched again.
 *
 * @module
 */

import { DataError } from "./dataset.ts";

/** What the place depends on; `node:process` has both. */
export interface Platform {
  /** The environment variables. */
  readonly env: { readonly [name: string]: string | undefined };
  /** As in `process.platform`. */
  readonly platform: string;
}

/**
 * The folder for `name` below Fermi's own in the user's cache: `XDG_CACHE_HOME` where it is set, else where the platform
 * has it. The folder is not made.
 *
 * @param platform default: the one it runs on
 * @throws {DataError} when no variable says where the cache is.
 */
export async function cacheFolder(name: string, platform?: Platform): Promise<string> {
  const { env, platform: system } = platform ?? (await import("node:process")).default;
  const { posix, win32 } = await import("node:path");
  const path = system === "win32" ? win32 : posix;
  // The XDG specification says that a relative path is to be ignored.
  const absolute = (text: string | undefined) => text && path.isAbsolute(text) ? text : undefined;
  const [variable, ...below] = system === "win32"
    ? ["LOCALAPPDATA"] as const
    : system === "darwin"
    ? ["HOME", "Library", "Caches"] as const
    : ["HOME", ".cache"] as const;
  const own = absolute(env[variable]);
  const base = absolute(env["XDG_CACHE_HOME"]) ?? (own && path.join(own, ...below));
  if (base === undefined) {
    throw new DataError(
      `there is no cache folder: neither XDG_CACHE_HOME nor ${variable} is an absolute path, or they may not be read` +
        ("Deno" in globalThis ? " (`deno run -P=full` grants that)" : ""),
    );
  }
  return path.join(base, "fermi", name);
}
