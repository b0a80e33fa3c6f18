// `deno run train.ts --backend=webgpu` as it is typed: at a terminal Deno asks, and without one the error names `-P`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { root, RUNTIMES } from "./runtimes.ts";

const SHORT = ["train.ts", "--backend=webgpu", "--model=lenet5", "--steps=2", "--batch=16"];
const [node, launcher] = RUNTIMES.deno;
const deno = [node!, launcher!, "run"];

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command; answers with "A" (allow all of this kind) as long as its output ends with a question. */
function run([file, ...args]: readonly string[]): Promise<Outcome> {
  const child = spawn(file!, args, { cwd: root, env: { ...process.env, NO_COLOR: "1" } });
  const out = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => out[stream] += text);
  }
  // Not at once, and again: before Deno listens it throws away what was typed, after the terminal has shown it.
  const answer = setInterval(
    () => /Allow\? \[[^>]*> (A\s*)*$/.test(out.stdout) && child.stdin.write("A\n"),
    300,
  );
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(answer);
      resolve({ code, ...out });
    });
  });
}

/** The command behind a terminal of its own, as util-linux's `script` makes one. */
const atTerminal = (command: readonly string[]) => ["script", "-qec", command.join(" "), "/dev/null"];

test("permissions: at a terminal Deno asks for what is needed, and the network is trained", async () => {
  const { code, stdout, stderr } = await run(atTerminal([...deno, ...SHORT]));
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /done after 2 steps/);
  assert.deepEqual([...stdout.matchAll(/Deno requests (\w+) access/g)].map(([, kind]) => kind), ["read"]);
});

test("permissions: without a terminal the error says to use -P", async () => {
  const read = await run([...deno, ...SHORT]);
  assert.deepEqual([read.code, read.stdout], [1, ""]);
  assert.match(
    read.stderr,
    /^error: Requires read access to "[^\n]*: use `deno run -P train.ts`\n$/,
  );
  const full = await run([...deno, ...SHORT, "--full"]);
  assert.match(
    full.stderr,
    /^error: Requires env access [^\n]*: use `deno run -P=full train.ts --full`\n$/,
  );
  const mirror = await run([...deno, "-q", "-P=full", ...SHORT, "--full", "--mirror=http://127.0.0.1:8123/"]);
  assert.match(
    mirror.stderr,
    /^error: .*use `deno run -P=full --allow-net=127.0.0.1:8123 train.ts --full`$/m,
  );
  const dawn = await run([...deno, "--allow-read", ...SHORT, "--gpu=dawn"]);
  assert.match(dawn.stderr, /^error: Requires ffi access [^\n]*: use `deno run -P train.ts`\n$/);
});

test("permissions: -P is enough, and grants neither writing nor the network nor programs", async () => {
  const granted = await run([...deno, "-q", "-P", ...SHORT]);
  assert.equal(granted.code, 0, granted.stderr);
  const { permissions } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as {
    permissions: { default: object };
  };
  assert.deepEqual(Object.keys(permissions.default).sort(), ["env", "ffi", "read"]);
});
