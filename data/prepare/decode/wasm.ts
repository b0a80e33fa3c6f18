/**
 * Decoding by WebAssembly, for platforms that sharp has no build for: one thread a core, each with decoders of its own.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { DataError } from "../../dataset.ts";
import { type Decoder, firstLine, type RawImage } from "./mod.ts";
import type { Answer, Question } from "./wasm_worker.ts";

interface Waiting {
  readonly resolve: (planes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** A worker, and who waits for it. */
class Thread {
  readonly #worker: Worker;
  readonly waiting: Map<number, Waiting> = new Map();
  #asked = 0;
  #failure: DataError | undefined;

  constructor() {
    this.#worker = startWorker(new URL("./wasm_worker.ts", import.meta.url));
    this.#worker.on("message", ({ id, ...answer }: Answer) => {
      const waiting = this.waiting.get(id)!;
      this.waiting.delete(id);
      if ("planes" in answer) waiting.resolve(answer.planes);
      else waiting.reject(new Error(answer.reason));
    });
    this.#worker.on("error", (error) => {
      this.#failure = new DataError(`a thread of the decoder has ended: ${firstLine(error)}`, {
        cause: error,
      });
      for (const { reject } of this.waiting.values()) reject(this.#failure);
      this.waiting.clear();
    });
  }

  ask(image: Uint8Array | RawImage, size: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const id = this.#asked++;
      this.waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, image, size } satisfies Question);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Node's threads do not inherit tsx, which lets it read TypeScript: it is registered anew. */
function startWorker(url: URL): Worker {
  if (!process.execArgv.includes("tsx")) return new Worker(url);
  const start = `import("tsx/esm/api").then(({ register }) => { register(); return import("${url.href}"); })`;
  return new Worker(start, { eval: true });
}

/** Starts the threads. */
export function loadWasm(): Promise<Decoder> {
  const threads = Array.from({ length: availableParallelism() }, () => new Thread());
  return Promise.resolve({
    name: "jSquash 1.6 (MozJPEG, png)",
    concurrency: 2 * threads.length + 2,
    decode(image, size) {
      const idle = threads.reduce((best, thread) => thread.waiting.size < best.waiting.size ? thread : best);
      return idle.ask(image, size);
    },
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  });
}
