// Copies of the working tree in which faults are planted and tests run, each of its own so that they run side by side.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import type { Command } from "./suites.ts";

/** How a run of tests ended. */
export interface Ended {
  readonly passed: boolean;
  readonly timedOut: boolean;
  readonly seconds: number;
  readonly output: string;
}

/** A fault in a shape may want all the memory there is: who takes so many bytes has taken too long. */
const MOST_MEMORY = 8 * 2 ** 30;

/** The bytes that a process has in memory, where the system tells. */
function memoryOf({ pid }: ChildProcess): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}

/** More of a run's output is not kept: an endless loop may print. */
const MOST_OUTPUT = 4_000_000;

const running = new Set<ChildProcess>();
const folders = new Set<string>();

/** Ends a process and all that it started. */
function end(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Ends what runs and removes the copies. */
export function cleanUp(): void {
  for (const child of running) end(child);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A copy of the working tree. */
export class Workplace {
  readonly root: string = mkdtempSync(`${tmpdir()}/fermi_mutate_`);
  readonly #environment: Readonly<Record<string, string>>;

  constructor(source: string, environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
    folders.add(this.root);
    const list = spawnSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
      cwd: source,
      encoding: "utf8",
    });
    if (list.status !== 0) throw new Error(`mutate: git ls-files failed: ${list.stderr}`);
    for (const file of list.stdout.split("\0")) {
      if (file === "" || !existsSync(`${source}/${file}`)) continue;
      mkdirSync(dirname(`${this.root}/${file}`), { recursive: true });
      copyFileSync(`${source}/${file}`, `${this.root}/${file}`);
    }
    symlinkSync(`${source}/node_modules`, `${this.root}/node_modules`);
  }

  /** Runs tests until the first fails, at most so many seconds. */
  test({ test, filter }: Command, limit: number): Promise<Ended> {
    const only = filter === undefined ? [] : [`--filter=${filter}`];
    return this.#deno(["test", "-A", "--no-check", "--fail-fast", ...only, `tests/${test}_test.ts`], limit);
  }

  /** Imports a module, and all that it imports. */
  load(module: string): Promise<Ended> {
    return this.#deno(["run", "-A", "--no-check", module], 30);
  }

  /** Checks the types of modules and of all that they import. */
  typeCheck(modules: readonly string[]): Promise<Ended> {
    return this.#deno(["check", ...modules], 120);
  }

  #deno(args: readonly string[], limit: number): Promise<Ended> {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const began = performance.now();
    const child = spawn(process.execPath, args, {
      cwd: this.root,
      env: { ...process.env, ...this.#environment },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    let output = "";
    let timedOut = false;
    const keep = (chunk: Uint8Array) => {
      if (output.length < MOST_OUTPUT) output += new TextDecoder().decode(chunk);
    };
    child.stdout!.on("data", keep);
    child.stderr!.on("data", keep);
    const timer = setInterval(() => {
      if (performance.now() - began < limit * 1000 && memoryOf(child) < MOST_MEMORY) return;
      timedOut = true;
      end(child);
    }, 500);
    child.on("close", (code) => {
      clearInterval(timer);
      running.delete(child);
      // Some drivers crash when a process that used them ends: what the tests found is what counts.
      const passed = code === 0 || !timedOut && /^ok \| \d+ passed.* \| 0 failed/m.test(output);
      resolve({ passed, timedOut, seconds: (performance.now() - began) / 1000, output });
    });
    return promise;
  }
}
