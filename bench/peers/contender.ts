/**
 * The driver's end of a child: starts it, asks it, and says in one sentence what went wrong when it does not answer.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Tune } from "../../backends/webgpu/tune.ts";
import type { Answers, Command, Failure } from "./protocol.ts";

/** Somebody who races. */
export interface Contender {
  /** On the command line. */
  readonly key: string;
  /** In the table. */
  readonly name: string;
  readonly command: readonly string[];
  /** Rounds what it multiplies: it is held to wider bounds, and nobody to it. */
  readonly rough?: boolean;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How to start Deno; what runs in it needs no launcher, whose end would not be the end of its child. */
export const DENO: readonly string[] = process.versions["deno"]
  ? [process.execPath]
  : ["node", "node_modules/deno/bin.cjs"];

// All three in one runtime: what it costs to speak to the device is the same for all of them.
const inDeno = (file: string) => [...DENO, "run", "-q", "-A", "--no-check", `bench/peers/${file}`];

/** Ours, whom all others are compared with. */
export function fermi(tune: Tune): Contender {
  return { key: OURS, name: "Fermi", command: [...inDeno("fermi.ts"), `--tune=${tune}`] };
}

/** The key of ours. */
export const OURS = "fermi";

/** Those whom we have to beat. */
export const RIVALS: readonly Contender[] = [
  { key: "jax", name: "jax-js", command: inDeno("jax.ts") },
  { key: "tfjs", name: "TensorFlow.js", command: inDeno("tfjs.ts") },
];

/** Whether the rivals are installed. */
export function rivalsInstalled(): boolean {
  return existsSync(new URL("node_modules/@jax-js/jax", import.meta.url)) &&
    existsSync(new URL("node_modules/@tensorflow/tfjs-backend-webgpu", import.meta.url));
}

const PEER = fileURLToPath(new URL("torch_peer.py", import.meta.url));

/** The keys of PyTorch: on the CPU, and with CUDA, without and with TF32. */
export const TORCH: readonly string[] = ["torch", "torch-cuda", "torch-tf32"];

/**
 * PyTorch, to know where we are: of whichever Python has it, the system's where a version manager's has not.
 *
 * @param peer the file that Python runs
 */
export function torches(peer: string = PEER): Contender[] {
  const ask = "import torch, numpy; print(torch.cuda.is_available())";
  for (const python of ["python3", "/usr/bin/python3"]) {
    const { status, stdout } = spawnSync(python, ["-c", ask], { encoding: "utf8" });
    if (status !== 0) continue;
    const one = (key: string, name: string, ...args: string[]): Contender => ({
      key,
      name: `PyTorch (${name})`,
      command: [python, peer, ...args],
    });
    const cpu = one("torch", "CPU", "--device=cpu");
    if (!/True/.test(stdout)) return [cpu];
    return [
      cpu,
      one("torch-cuda", "CUDA", "--device=cuda"),
      { ...one("torch-tf32", "CUDA, TF32", "--device=cuda", "--tf32=on"), rough: true },
    ];
  }
  return [];
}

/** Those who race if nobody is named: PyTorch on the CPU only where it has no CUDA. */
export function usual(contenders: readonly Contender[]): Contender[] {
  const cuda = contenders.some(({ key }) => key === "torch-cuda");
  return contenders.filter(({ key }) => !(cuda && key === "torch"));
}

/** Many times what the slowest first step takes, also of who measures its kernels first (`--tune=on`). */
const LIMIT_MS = 1_800_000;

/** A child that runs. */
export class Peer {
  readonly contender: Contender;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<number | null>;
  #said = "";

  /** Starts the child; `env` is added to ours. */
  constructor(contender: Contender, env: Readonly<Record<string, string>>) {
    this.contender = contender;
    const [file, ...args] = contender.command;
    this.#child = spawn(file!, args, {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr } = this.#child;
    this.#answers = createInterface({ input: stdout! })[Symbol.asyncIterator]();
    stderr!.setEncoding("utf8").on("data", (text) => this.#said = (this.#said + text).slice(-2000));
    stdin!.on("error", () => {/* It is gone; whoever waits for its answer is told. */});
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#said += error.message;
        resolve(null);
      }).on("close", resolve);
    });
  }

  /**
   * Asks, and waits for the answer.
   *
   * @throws {Error} what the child says is wrong, with `cannot` where it did not try, or its last words.
   */
  async ask<K extends keyof Answers>(command: Command & Readonly<Record<K, unknown>>): Promise<Answers[K]> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
    const late = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    // In Deno the output of a child that could not be started never ends.
    const over = this.#ended.then(() => ({ done: true, value: "" }));
    const { done, value } = await Promise.race([this.#answers.next(), over]);
    clearTimeout(late);
    if (done) throw new Error(`ended with ${await this.#ended}: ${this.#said.trim() || "it said nothing"}`);
    const answer: Answers[K] | Failure = JSON.parse(value);
    if ("error" in answer) throw Object.assign(new Error(answer.error), { cannot: answer.cannot === true });
    return answer;
  }

  /** Lets the child go, and waits until its memory is free. */
  async end(): Promise<void> {
    this.#child.stdin!.end();
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await this.#ended;
    clearTimeout(late);
  }
}
