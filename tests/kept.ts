// What the tuner keeps, in a page's IndexedDB; where there is none, in a stand-in that is made here, so that nothing of a
// test gets into the user's cache folder.

interface Request {
  result?: unknown;
  onsuccess?: () => void;
  onupgradeneeded?: () => void;
}

/** Settles as IndexedDB does: after the caller had time to listen. */
function later(result: unknown, upgrade = false): Request {
  const request: Request = { result };
  queueMicrotask(() => {
    if (upgrade) request.onupgradeneeded?.();
    request.onsuccess?.();
  });
  return request;
}

function standIn(): { open: (name: string) => Request } {
  const stores = new Map<string, Map<string, unknown>>();
  const database = {
    createObjectStore: (name: string) => void stores.set(name, new Map()),
    transaction: () => ({
      objectStore: (name: string) => ({
        get: (key: string) => later(stores.get(name)!.get(key)),
        put: (value: unknown, key: string) => later(stores.get(name)!.set(key, value)),
      }),
    }),
    close() {},
  };
  return { open: () => later(database, stores.size === 0) };
}

const scope = globalThis as unknown as { indexedDB?: { open: (name: string) => Request } };
scope.indexedDB ??= standIn();

const settled = (request: Request) =>
  new Promise<unknown>((resolve) => request.onsuccess = () => resolve(request.result));

async function kept() {
  const request = scope.indexedDB!.open("fermi");
  type Store = { get: (key: string) => Request; put: (value: string, key: string) => Request };
  type Database = {
    createObjectStore: (name: string) => void;
    transaction: (name: string, mode: string) => { objectStore: (name: string) => Store };
    close: () => void;
  };
  request.onupgradeneeded = () => (request.result as Database).createObjectStore("tuning");
  const database = await settled(request) as Database;
  return { store: database.transaction("tuning", "readwrite").objectStore("tuning"), database };
}

/** The text that is kept of an adapter. */
export async function readKept(adapter: string): Promise<string | undefined> {
  const { store, database } = await kept();
  const text = await settled(store.get(adapter));
  database.close();
  return text as string | undefined;
}

/** Puts a text in its place. */
export async function writeKept(adapter: string, text: string): Promise<void> {
  const { store, database } = await kept();
  await settled(store.put(text, adapter));
  database.close();
}
