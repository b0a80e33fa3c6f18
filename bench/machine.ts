/**
 * What it was measured on: a number without its machine is worth nothing.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import os from "node:os";
import process from "node:process";

/** The machine and what ran. */
export interface Machine {
  /** As in `linux 6.1.0 x64`. */
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** As in `Deno 2.9.5`. */
  readonly runtime: string;
  /** Of the sources, where they are a clone (a `+` says that it was changed), or `FERMI_COMMIT` says so. */
  readonly commit: string | null;
}

/** Describes this machine. */
export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    system: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    runtime: runtime(),
    commit: process.env["FERMI_COMMIT"] ?? commitOf(import.meta.dirname),
  };
}

function runtime(): string {
  const { deno, bun, node } = process.versions;
  return deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`;
}

/** What a clone is at, with a `+` when it was changed; null for a folder that is none. */
export function commitOf(cwd: string | undefined): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { cwd, encoding: "utf8", stdio: "pipe" }).trim();
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "-uno") === "" ? "" : "+");
  } catch {
    return null;
  }
}
