/**
 * Fetching over HTTP to the disk, however often the connection breaks off: what has arrived is kept, and the server is
 * asked for the rest, in the same run and in the next one. Whether the bytes are the right ones is for the caller to check.
 *
 * @module
 */

import { DataError } from "./dataset.ts";
import { reason } from "./files.ts";
import { type Origin, PartFile } from "./part_file.ts";

/** What `download` takes. */
export interface DownloadOptions {
  /** Ends it; what has arrived stays. */
  readonly signal?: AbortSignal | undefined;
  /** Takes a line that says what happens. */
  readonly log?: ((line: string) => void) | undefined;
  /** Told whenever bytes arrive: the URL, how many are there, and how many it will be. */
  readonly progress?: ((url: string, received: number, total: number | null) => void) | undefined;
  /** No more than this is fetched. */
  readonly limit?: number | undefined;
  /** How often it is tried in vain, that is with no new byte or with bytes lost; default 4. */
  readonly attempts?: number | undefined;
  /** The pause before it is tried again in milliseconds, doubled for each time in vain; default 250. */
  readonly pause?: number | undefined;
  /** A connection on which nothing comes for so many milliseconds is given up; default 30,000. */
  readonly patience?: number | undefined;
}

/** The transfer has ended early, for a reason that may pass. */
class BrokenOff extends Error {}

/**
 * Fetches a file.
 *
 * @param path where the part is kept
 * @returns the part, which is now the whole, if the server's length is right; to be closed or removed
 * @throws {DataError} when it cannot be fetched; the message says how much is there.
 */
export async function download(url: string, path: string, options: DownloadOptions = {}): Promise<PartFile> {
  const { signal, log, attempts = 4, pause = 250 } = options;
  const part = await PartFile.open(path);
  try {
    log?.(continues(part, url) ? `fetching ${url} from ${amount(part)} on` : `fetching ${url}`);
    for (let inVain = 0; !(continues(part, url) && part.complete);) {
      const before = { size: part.size, losses: part.losses };
      try {
        await transfer(url, part, options);
        break;
      } catch (error) {
        if (signal?.aborted) throw new DataError(`interrupted${kept(part, url)}`, { cause: error });
        if (!(error instanceof BrokenOff)) throw error;
        if (part.losses === before.losses) inVain = part.size > before.size ? 0 : inVain + 1;
        const failures = inVain + part.losses;
        if (failures >= attempts) {
          const times = `given up after ${failures} attempts in vain`;
          throw new DataError(`${url}: ${error.message}, ${times}${kept(part, url)}`, { cause: error });
        }
        log?.(`${url}: ${error.message}${continues(part, url) ? ` at ${amount(part)}` : ""}, trying again`);
        await sleep(pause * 2 ** failures, signal);
      }
    }
    return part;
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** Whether a part can be made longer with what comes from the URL. One of unknown length is never known to be whole. */
function continues({ origin, size }: PartFile, url: string): boolean {
  return origin !== undefined && origin.url === url && origin.length !== null && size > 0;
}

/** Asks once, and writes what comes; returns when the whole is there. */
async function transfer(url: string, part: PartFile, options: DownloadOptions): Promise<void> {
  const { signal, progress, limit = Infinity, patience = 30_000 } = options;
  const watch = new Watch(patience, signal);
  try {
    const rest = continues(part, url);
    const response = await watch.until(ask(url, part, watch.signal));
    if (rest && response.status === 206 && fits(response, part)) {
      part.fromOneAnswer = false;
    } else if (rest && (response.status === 206 || response.status === 416)) {
      // Not the rest of what is there: the server has another file now. It is asked once more, for the whole.
      watch.release();
      await part.remove();
      return await transfer(url, part, options);
    } else if (response.status === 200) {
      const origin = originOf(url, response);
      if ((origin.length ?? 0) > limit) {
        throw new DataError(`${url}: has ${origin.length} bytes, wants no more than ${limit}`);
      }
      await part.begin(origin);
    } else {
      const answer = `the server answered ${`${response.status} ${response.statusText}`.trim()}`;
      const { status } = response;
      const mayPass = status >= 500 || status === 429 || status === 408 || status === 206;
      throw mayPass ? new BrokenOff(answer) : new DataError(`${url}: ${answer}`);
    }
    const total = part.origin!.length;
    progress?.(url, part.size, total);
    const reader = response.body?.getReader();
    for (;;) {
      const piece = await watch.until(reader?.read());
      if (piece === undefined || piece.done) break;
      await part.append(piece.value);
      progress?.(url, part.size, total);
      if (part.size > limit) {
        await part.remove();
        throw new DataError(`${url}: has more than ${limit} bytes`);
      }
    }
    // The end of a body proves nothing: what counts is the length that was announced.
    if (total !== null && part.size < total) throw new BrokenOff("the answer ended early");
  } finally {
    watch.release();
  }
}

/** Asks for what is missing, or for the whole where nothing is there that can be used. */
function ask(url: string, part: PartFile, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (continues(part, url)) {
    headers["range"] = `bytes=${part.size}-`;
    if (part.origin!.validator !== null) headers["if-range"] = part.origin!.validator;
  }
  return fetch(url, { headers, signal });
}

/** Whether an answer with 206 begins where the part ends, and belongs to the same file. */
function fits(response: Response, { origin, size }: PartFile): boolean {
  const [, start, total] = response.headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/) ?? [];
  const validator = validatorOf(response);
  return Number(start) === size && (total === "*" || Number(total) === origin?.length) &&
    (validator === null || origin?.validator === null || validator === origin?.validator);
}

function originOf(url: string, response: Response): Origin {
  // Where the server says that it packed the content, runtimes differ in whether they unpack it, and the announced length
  // is another one's.
  const packed = response.headers.has("content-encoding");
  const length = packed ? null : response.headers.get("content-length");
  return { url, validator: validatorOf(response), length: length === null ? null : Number(length) };
}

/** What identifies the server's file in `If-Range`; a weak ETag does not. */
function validatorOf({ headers }: Response): string | null {
  const tag = headers.get("etag");
  return tag !== null && !tag.startsWith("W/") ? tag : headers.get("last-modified");
}

/** Waits for the network, but not for ever, and not for longer than the user wants. */
class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #patience: number;
  readonly #ended: Promise<never>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(patience: number, outer: AbortSignal | undefined) {
    this.#patience = patience;
    this.#outer = outer;
    this.#ended = new Promise((_, reject) => {
      this.signal.addEventListener("abort", () => reject(this.signal.reason));
    });
    this.#ended.catch(() => {});
    outer?.addEventListener("abort", this.#stop);
    if (outer?.aborted) this.#stop();
  }

  /** For `fetch`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the network gives. Not every runtime ends a read when its signal says so, hence the race. */
  async until<T>(given: Promise<T> | T): Promise<T> {
    this.#timer = setTimeout(() => {
      this.#controller.abort(new BrokenOff(`nothing came for ${this.#patience / 1000} s`));
    }, this.#patience);
    try {
      return await Promise.race([given, this.#ended]);
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      const deepest = rootCause(error);
      // Deno's word for a missing permission: trying again does not help.
      if (deepest instanceof Error && deepest.name === "NotCapable") throw error;
      // Deno says the URL again, and more.
      const why = reason(deepest).replace(/^error sending request .*: client error \(\w+\): /, "");
      throw new BrokenOff(`the connection failed (${why})`, { cause: error });
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** Ends the request, if it has not ended. */
  release(): void {
    this.#outer?.removeEventListener("abort", this.#stop);
    this.#stop();
  }

  readonly #stop = () => this.#controller.abort(new BrokenOff("interrupted"));
}

function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootCause(error.cause) : error;
}

/** Resolves after a time, or as soon as the signal is set; the next wait finds that out. */
function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}

function amount({ size, origin }: PartFile): string {
  return `${size} of ${origin!.length} bytes`;
}

function kept(part: PartFile, url: string): string {
  if (!continues(part, url)) return "";
  return `; ${amount(part)} are kept in ${part.path}, and the next run asks for the rest`;
}
