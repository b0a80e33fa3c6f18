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

/**
 * Stands for the text of the kernels that have a choice: after a change of it, what was measured means nothing any more.
 * `tune_test.ts` knows what it should be.
 */
export const KERNELS = "8d89e4eb";

/** For how long a file is waited for that another process changes: so many times so many ms. */
const [LOCK_TRIES, LOCK_WAIT] = [400, 5];

/** A text that is kept. */
interface Place {
  read(): Promise<unknown>;
  /** Puts another in its place, made of it; nobody else does so meanwhile, in this process or another. */
  change(make: (before: unknown) => string): Promise<void>;
}

/** Finds the place for an adapter's winners. */
export function tuneStore(adapter: string): TuneStore {
  const place = "indexedDB" in globalThis ? inDatabase(adapter) : inFile(adapter);
  return {
    load: async () => winnersIn(await place.read().catch(() => null), adapter),
    add: (winners) =>
      place.change((before) => {
        const all = { ...winnersIn(before, adapter), ...winners };
        return JSON.stringify({ adapter, kernels: KERNELS, winners: all }, null, 1);
      }).catch(() => {}),
  };
}

function winnersIn(text: unknown, adapter: string): Winners {
  try {
    const kept = JSON.parse(text as string) as Record<string, unknown>;
    if (kept["adapter"] !== adapter || kept["kernels"] !== KERNELS) return {};
    const entries = Object.entries(kept["winners"] as Winners);
    return Object.fromEntries(entries.filter(([, name]) => typeof name === "string"));
  } catch {
    return {};
  }
}

/** The runtime's own modules, without `import`: bundlers for a page would look for them. */
interface Runtime extends Platform {
  getBuiltinModule(name: "node:path"): Paths & { join(...parts: string[]): string };
  getBuiltinModule(name: "node:fs"): { readonly promises: Files };
}

interface Files {
  readFile(file: string, encoding: "utf8"): Promise<string>;
  writeFile(file: string, text: string): Promise<void>;
  mkdir(folder: string, options: { recursive?: true }): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rmdir(folder: string): Promise<void>;
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
    async change(make) {
      const { fs, folder, file } = find();
      await fs.mkdir(folder, { recursive: true });
      const unlock = await lock(fs, `${file}.lock`);
      try {
        const before = await fs.readFile(file, "utf8").catch(() => null);
        // Another process may read it meanwhile.
        const own = `${file}.${Math.random().toString(36).slice(2)}`;
        await fs.writeFile(own, make(before));
        await fs.rename(own, file);
      } finally {
        await unlock();
      }
    },
  };
}

/** Waits until nobody else has the folder of that name, which whoever makes it has; after two seconds its maker is gone. */
async function lock(fs: Files, name: string): Promise<() => Promise<void>> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const error = await fs.mkdir(name, {}).then(() => null, (error: { readonly code?: string }) => error);
    if (error === null) break;
    if (error.code !== "EEXIST") throw error;
    await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT));
  }
  return () => fs.rmdir(name).catch(() => {});
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
  const within = async (mode: string, use: (kept: Kept) => Promise<unknown>) => {
    const opening = indexedDB.open("fermi");
    opening.onupgradeneeded = () => opening.result.createObjectStore("tuning");
    const database = await settled(opening);
    try {
      return await use(database.transaction("tuning", mode).objectStore("tuning"));
    } finally {
      database.close();
    }
  };
  return {
    read: () => within("readonly", (kept) => settled(kept.get(adapter))),
    async change(make) {
      // One transaction, which has the store for itself.
      await within(
        "readwrite",
        async (kept) => await settled(kept.put(make(await settled(kept.get(adapter))), adapter)),
      );
    },
  };
}
