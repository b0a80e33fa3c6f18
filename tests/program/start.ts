// Starts a program as a user of this runtime does, and waits for its end.

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** The runtime in which the tests run. */
export const runtime: "deno" | "bun" | "node" = process.versions["deno"]
  ? "deno"
  : process.versions["bun"]
  ? "bun"
  : "node";

const COMMANDS: Readonly<Record<typeof runtime, readonly string[]>> = {
  deno: ["run", "-q", "-P", "--no-check"],
  bun: [],
  node: ["--import", import.meta.resolve("tsx")],
};

/** How a program ended, and what it said. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `start` takes. */
export interface StartOptions {
  /** Deno's flags instead of the usual. */
  readonly deno?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called with what is there of stdout; may send signals. */
  readonly onOutput?: (stdout: string, kill: (signal: Signal) => void) => void;
  /** Called with what is there of stderr. */
  readonly onError?: (stderr: string) => void;
  /** Sends the signal once it is there. */
  readonly kill?: Promise<Signal>;
}

type Signal = "SIGINT" | "SIGTERM" | "SIGKILL";

/** Runs a TypeScript file with the runtime that runs the tests, in the repository's folder unless it is said. */
export function start(
  file: string,
  args: readonly string[] = [],
  { deno = COMMANDS.deno, env = {}, cwd = root, onOutput, onError, kill }: StartOptions = {},
): Promise<Outcome> {
  const flags = runtime === "deno" ? deno : COMMANDS[runtime];
  const child = spawn(process.execPath, [...flags, file, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    // Not child.kill: after it Deno 2.9 reports a signal as the end of a child that ended by itself.
    onOutput?.(stdout, (signal) => process.kill(child.pid!, signal));
  });
  kill?.then((signal) => {
    // Its number may be another process's by then.
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, signal);
  }).catch(
    () => {/* It was not to be sent after all. */},
  );
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    onError?.(stderr);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr: withoutNotices(stderr) }));
  });
}

/** What drivers write there is not ours: Dawn of limits that it lowers, Mesa's Vulkan of a desktop that is not there. */
function withoutNotices(stderr: string): string {
  const ours = stderr.replace(/^error: XDG_RUNTIME_DIR is .*\n/gm, "");
  return runtime === "deno" ? ours : ours.replace(/^Warning: .*\n( {4}at .*\n\n)?/gm, "");
}
