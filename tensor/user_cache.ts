/**
 * Where a user's machine keeps what can be made or fetched again: datasets, and what was measured of an adapter. It is
 * here because backends and `data/`, which both keep something there, have nothing else below them in common.
 *
 * @module
 */

/** What the place depends on; `node:process` has both. */
export interface Platform {
  /** The environment variables. */
  readonly env: { readonly [name: string]: string | undefined };
  /** As in `process.platform`. */
  readonly platform: string;
}

/** Joins paths; `node:path` has both. */
export interface Paths {
  readonly posix: PathStyle;
  readonly win32: PathStyle;
}

interface PathStyle {
  isAbsolute(path: string): boolean;
  join(...parts: string[]): string;
}

/** The folder for `name` below Fermi's own, which is not made; and which variable says where the platform has it. */
export interface CachePlace {
  /** Null when no variable says where the cache is. */
  readonly folder: string | null;
  readonly variable: string;
}

/** Finds the folder: below `XDG_CACHE_HOME` where it is set, else where the platform has it. */
export function userCache(name: string, { env, platform }: Platform, { posix, win32 }: Paths): CachePlace {
  const path = platform === "win32" ? win32 : posix;
  // The XDG specification says that a relative path is to be ignored.
  const absolute = (text: string | undefined) => text && path.isAbsolute(text) ? text : undefined;
  const [variable, ...below] = platform === "win32"
    ? ["LOCALAPPDATA"] as const
    : platform === "darwin"
    ? ["HOME", "Library", "Caches"] as const
    : ["HOME", ".cache"] as const;
  const own = absolute(env[variable]);
  const base = absolute(env["XDG_CACHE_HOME"]) ?? (own && path.join(own, ...below));
  return { folder: base === undefined ? null : path.join(base, "fermi", name), variable };
}
