/**
 * One process at a time writes into a folder, of checkpoints or of shards. Whoever does has a file there, its claim, whose name says who it
 * is, and looks for those of others. Each has its own before it looks, so of two that begin at once at least one sees the
 * other. A claim counts while its process lives; what a killed one has left is deleted by the next.
 *
 * Deno may not ask whether a process lives, but can lock a file, and the lock ends with the process. Node and Bun can lock
 * none, but may ask. So Deno sees Deno, Node and Bun see all three, and Deno sees those two only where it may do all (`-A`).
 *
 * @module
 */

import { failed, listFolder } from "./files.ts";
import { temporaryName } from "./whole_files.ts";

/** A folder that is another process's. */
export class FolderInUseError extends Error {
  /** The message says whose. */
  override readonly name = "FolderInUseError";
}

/** A folder that is this process's. */
export interface FolderLock {
  /** Lets others have it. */
  release(): Promise<void>;
}

/** The claims of this process, by their paths. */
const own = new Set<string>();

const CLAIM = /^(deno|bun|node)-(\d+)-[0-9a-f]{8}\.lock$/;

/** Whether a name in a folder is a claim's. */
export function isClaim(name: string): boolean {
  return CLAIM.test(name);
}

/**
 * Takes a folder.
 *
 * @throws {FolderInUseError} when a living process has it.
 * @throws {DataError} when it cannot be written to.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const { rm } = await import("node:fs/promises");
  const path = await claimPath(folder);
  let close: () => void;
  try {
    close = "Deno" in globalThis ? await lockFile(path) : await noteStart(path);
  } catch (error) {
    throw failed(path, "written", error);
  }
  own.add(path);
  const release = async () => {
    own.delete(path);
    await rm(path, { force: true });
    close();
  };
  try {
    await refuseInUse(folder, path);
    for (const { path } of await claimsIn(folder)) if (!own.has(path)) await rm(path, { force: true });
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

/**
 * Throws when a folder has a living process's claim, other than `mine`.
 *
 * @throws {FolderInUseError} that says which process it is.
 */
export async function refuseInUse(folder: string, mine?: string): Promise<void> {
  for (const claim of await claimsIn(folder)) {
    if (claim.path === mine || !await isHeld(claim)) continue;
    throw new FolderInUseError(
      `${folder} is in use by process ${claim.pid}: wait for its end, or take another folder`,
    );
  }
}

interface Claim {
  readonly path: string;
  readonly runtime: string;
  readonly pid: number;
}

async function claimsIn(folder: string): Promise<Claim[]> {
  const { join, resolve } = await import("node:path");
  return (await listFolder(folder)).flatMap((name) => {
    const [, runtime, pid] = name.match(CLAIM) ?? [];
    return runtime === undefined ? [] : { path: join(resolve(folder), name), runtime, pid: Number(pid) };
  });
}

async function isHeld(claim: Claim): Promise<boolean> {
  if (own.has(claim.path)) return true;
  return await (claim.runtime === "deno" && "Deno" in globalThis ? isLocked(claim) : lives(claim));
}

async function claimPath(folder: string): Promise<string> {
  const { randomUUID } = await import("node:crypto");
  const { join, resolve } = await import("node:path");
  const { pid, versions } = await import("node:process");
  const runtime = versions["deno"] ? "deno" : versions["bun"] ? "bun" : "node";
  return join(resolve(folder), `${runtime}-${pid}-${randomUUID().slice(0, 8)}.lock`);
}

/** Makes a file that Deno keeps locked. It has its name when it is, so nobody finds it without its lock. */
async function lockFile(path: string): Promise<() => void> {
  const { rename } = await import("node:fs/promises");
  const temporary = await temporaryName(path);
  const file = await Deno.open(temporary, { createNew: true, write: true });
  await file.lock(true);
  await rename(temporary, path);
  return () => file.close();
}

/** Whether a process in Deno has the file locked. */
async function isLocked({ path }: Claim): Promise<boolean> {
  try {
    using file = await Deno.open(path, { read: true, write: true });
    return !await file.tryLock(true);
  } catch (error) {
    // Its process has just let it go.
    if (error instanceof Deno.errors.NotFound) return false;
    throw failed(path, "read", error);
  }
}

/** Makes a file that says when this process began. */
async function noteStart(path: string): Promise<() => void> {
  const { writeFile } = await import("node:fs/promises");
  const { pid } = await import("node:process");
  await writeFile(path, (await startOf(pid)) ?? "", { flag: "wx" });
  return () => {};
}

/** Whether the process lives that made a claim; its number may be another one's by now. */
async function lives({ path, pid }: Claim): Promise<boolean> {
  const { readFile } = await import("node:fs/promises");
  const { default: process } = await import("node:process");
  // It would be among its own.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process lives, too.
    if ((error as { code?: string }).code !== "EPERM") return false;
  }
  const [then, now] = [await readFile(path, "utf8").catch(() => ""), await startOf(pid)];
  return now === undefined || then === "" ? now !== ENDED : now === then;
}

const ENDED = "ended";

/** When a process began, as Linux counts it; undefined where that cannot be known. */
async function startOf(pid: number): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // After the name in parentheses the state comes first, and the start as the 22nd of all (proc_pid_stat(5)).
  const [, state, start] = stat.match(/\) (\w) (?:\S+ ){18}(\d+)[^)]*$/) ?? [];
  // Nobody has asked how it ended.
  return state === "Z" ? ENDED : start;
}
