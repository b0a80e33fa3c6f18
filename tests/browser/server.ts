// Serves the repository to a page as it is, one module a file: TypeScript loses its types on the way, and nothing else
// changes. What the tests import from npm is bundled, each package on its own.

import { build, transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The packages that tests may import, each as the source of a module that exports what they use of it. */
const VENDOR: Readonly<Record<string, string>> = {
  "fast-check": `export * from "fast-check"; export { default } from "fast-check";`,
  // What `node:assert/strict` is in Node, and reads from `process`.
  assert: `globalThis.process ??= { env: {} }; globalThis.global ??= globalThis;
           const { strict } = await import("assert"); export default strict;`,
};

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".ts": "text/javascript; charset=utf-8",
  ".json": "application/json",
};

/** A server of a folder on a free port of this machine. */
export interface Server {
  /** Without a slash at the end. */
  readonly url: string;
  close(): void;
}

/** Starts to serve `folder`, default: the repository. */
export async function serve(folder: string = root): Promise<Server> {
  const server = createServer(async ({ url = "/" }, response) => {
    const path = decodeURIComponent(new URL(url, "http://127.0.0.1").pathname);
    try {
      const body = await content(folder, path);
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(
        body,
      );
    } catch (error) {
      response.writeHead(404).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const vendored = new Map<string, Promise<string>>();

async function content(folder: string, path: string): Promise<Uint8Array | string> {
  if (path.startsWith("/vendor/")) {
    const name = path.slice("/vendor/".length, -".js".length);
    if (!vendored.has(name)) vendored.set(name, bundle(VENDOR[name]!));
    return await vendored.get(name)!;
  }
  const file = await readFile(join(folder, normalize(path)));
  if (extname(path) !== ".ts") return file;
  return (await transform(file.toString(), { loader: "ts", target: "es2022", sourcemap: "inline" })).code;
}

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
  });
  return outputFiles[0]!.text;
}
