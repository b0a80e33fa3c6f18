/**
 * Where the tuner's winners are kept: a file for each adapter in the user's cache folder, in a browser IndexedDB. Whatever
 * goes wrong there is no failure of anybody's program: what is not kept is measured again.
 *
 * @module
 */

import { type Paths, type Platform, userCache } from "../../tensor/user_cache.ts";

/** Which candidate is best, by question. */
export type Winners = Readonly<Record<string, string>>;

/** Keeps the winners of one adapter. */
export interface TuneStore {
  /** What is kept; nothing where it cannot be read or belongs to other kernels. */
  load(): Promise<Winners>;
  /** Adds to what is kept, where it can be written. */
  add(winners: Winners): Promise<void>;
}

/** Counts the changes of the kernels after which what was measured means nothing any more. */
const KERNELS = 1;

/** A text that is kept. */
interface Place {
  read(): Promise<unknown>;
  write(text: string): Promise<void>;
}

/** Finds the place for an adapter's winners. */
export function tuneStore(adapter: string): TuneStore {
  const place = "indexedDB" in globalThis ? inDatabase(adapter) : inFile(adapter);
  const load = async () => {
    try {
      return winnersIn(JSON.parse(await place.read() as string), adapter);
    } catch {
      return {};
    }
  };
  return {
    load,
    async add(winners) {
      const all = { ...await load(), ...winners };
      const text = JSON.stringify({ adapter, kernels: KERNELS, winners: all }, null, 1);
      await place.write(text).catch(() => {});
    },
  };
}

function winnersIn(kept: Record<string, unknown>, adapter: string): Winners {
  if (kept["adapter"] !== adapter || kept["kernels"] !== KERNELS) return {};
  const entries = Object.entries(kept["winners"] as Winners);
  return Object.fromEntries(entries.filter(([, name]) => typeof name === "string"));
}

/** The runtime's own modules, without `import`: bundlers for a page would look for them. */
interface Runtime extends Platform {
  getBuiltinModule(name: "node:path"): Paths & { join(...parts: string[]): string };
  getBuiltinModule(name: "node:fs"): {
    readonly promises: {
      readFile(file: string, encoding: "utf8"): Promise<string>;
      writeFile(file: string, text: string): Promise<void>;
      mkdir(folder: string, options: { recursive: true }): Promise<unknown>;
      rename(from: string, to: string): Promise<void>;
    };
  };
}

function inFile(adapter: string): Place {
  const { process } = globalThis as unknown as { process: Runtime };
  const find = () => {
    const path = process.getBuiltinModule("node:path");
    const { folder } = userCache("tuning", process, path);
    if (folder === null) throw new Error("there is no cache folder");
    const file = path.join(folder, `${adapter.replace(/[^\w.]+/g, "-")}.json`);
    return { fs: process.getBuiltinModule("node:fs").promises, folder, file };
  };
  return {
    async read() {
      const { fs, file } = find();
      return await fs.readFile(file, "utf8");
    },
    async write(text) {
      const { fs, folder, file } = find();
      await fs.mkdir(folder, { recursive: true });
      // Another process may read or write it meanwhile.
      const own = `${file}.${Math.random().toString(36).slice(2)}`;
      await fs.writeFile(own, text);
      await fs.rename(own, file);
    },
  };
}

/** What is used of a browser's database; the types of a page are not those of a program. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: () => void;
  onerror: () => void;
  onupgradeneeded: () => void;
}

interface Kept {
  get(key: string): Request<unknown>;
  put(value: string, key: string): Request<unknown>;
}

interface Database {
  createObjectStore(name: string): Kept;
  transaction(name: string, mode: string): { objectStore(name: string): Kept };
  close(): void;
}

function inDatabase(adapter: string): Place {
  const { indexedDB } = globalThis as unknown as { indexedDB: { open(name: string): Request<Database> } };
  const settled = <T>(request: Request<T>) =>
    new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const within = async (mode: string, use: (kept: Kept) => Request<unknown>) => {
    const opening = indexedDB.open("fermi");
    opening.onupgradeneeded = () => opening.result.createObjectStore("tuning");
    const database = await settled(opening);
    try {
      return await settled(use(database.transaction("tuning", mode).objectStore("tuning")));
    } finally {
      database.close();
    }
  };
  return {
    read: () => within("readonly", (kept) => kept.get(adapter)),
    write: (text) => within("readwrite", (kept) => kept.put(text, adapter)).then(() => {}),
  };
}
