// The runtimes, each started from wherever the tests run: the ones that npm installed, and this Node.

import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

const bin = (path: string) => join(root, "node_modules", path);

/** How each runtime runs a TypeScript file. */
export const RUNTIMES: Readonly<Record<"deno" | "bun" | "node", readonly string[]>> = {
  deno: [process.execPath, bin("deno/bin.cjs"), "run", "-q", "-A", "--no-check"],
  bun: [bin("bun/bin/bun.exe")],
  node: [process.execPath, "--import", pathToFileURL(bin("tsx/dist/loader.mjs")).href],
};

/** A Python that has these modules, if there is one; Debian's is not always the first on the path. */
export function pythonWith(modules: string): string | undefined {
  return ["python3", "/usr/bin/python3"].find((file) =>
    spawnSync(file, ["-c", `import ${modules}`]).status === 0
  );
}

/** What `run` takes. */
export interface RunOptions {
  readonly cwd?: string;
  /** Give what it printed to stderr too. */
  readonly both?: boolean;
}

/** Runs a command to its end, and gives what it printed. @throws when it fails, with all that it said. */
export function run(
  [file, ...args]: readonly string[],
  { cwd = root, both = false }: RunOptions = {},
): Promise<string> {
  const child = spawn(file!, args, {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(both ? stdout + stderr : stdout);
      reject(
        new Error(`${[file, ...args].join(" ")} in ${cwd}: ended with ${code ?? signal}\n${stdout}${stderr}`),
      );
    });
  });
}
