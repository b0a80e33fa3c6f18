// The whole library as one module for a page: bundled by esbuild, and minified by terser, which knows what is used and
// names things so that gzip sees them again; it makes the file smaller than esbuild alone by a twentieth. What no page
// needs but one that asks for it lies in files beside it.

import { build, type Plugin } from "esbuild";
import { readFile } from "node:fs/promises";
import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";
import { compact } from "./compact.ts";
import { chooseNames } from "./names.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** By name: the library, and what it imports on demand, which has its own copy of the few small functions that it needs. */
const FILES: Readonly<Record<string, string>> = {
  "fermi": "mod.ts",
  "fermi.gpu": "backends/webgpu/kernels/gpu.ts",
  "fermi.tune": "backends/webgpu/tune.ts",
  "fermi.dawn": "backends/webgpu/dawn.ts",
};

/** Makes files compact as they are bundled; those of `others` are the library's own too. */
export const compacting = (others: readonly string[] = []): Plugin => ({
  name: "compact",
  setup({ onLoad }) {
    const names = chooseNames(root, others);
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: compact(relative(root, path).replaceAll("\\", "/"), source, names), loader: "ts" };
    });
  },
});

const onDemand: Plugin = {
  name: "on demand",
  setup({ onResolve }) {
    onResolve({ filter: /\.ts$/ }, ({ kind, path }) => {
      const name = `fermi.${basename(path, ".ts")}`;
      if (kind !== "dynamic-import" || !(name in FILES)) return undefined;
      return { path: `./${name}.js`, external: true };
    });
  },
};

/** A file that a page loads, and the map to the sources. */
export interface BundledFile {
  readonly name: string;
  readonly code: string;
  readonly map: string;
}

/** Bundles `mod.ts`: `fermi.js`, and behind it what it imports on demand. */
export async function bundle(): Promise<[BundledFile, ...BundledFile[]]> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: FILES,
    outdir: "dist",
    bundle: true,
    write: false,
    sourcemap: "external",
    format: "esm",
    platform: "browser",
    target: "es2022",
    // Imported on demand where there is no `navigator.gpu`, or are files: not in a page that can compute on a GPU.
    external: ["webgpu", "node:*"],
    plugins: [compacting(), onDemand],
    logLevel: "warning",
  });
  const textOf = (name: string) => outputFiles.find(({ path }) => basename(path) === name)!.text;
  const [fermi, ...others] = Object.keys(FILES).map(async (file) => {
    const name = `${file}.js`;
    const { code, map } = await minify({ [name]: textOf(name) }, {
      module: true,
      ecma: 2020,
      compress: { passes: 4, unsafe_arrows: true, lhs_constants: false, keep_fargs: false },
      sourceMap: { content: textOf(`${name}.map`), filename: name, url: `${name}.map` },
    });
    return { name, code: code!, map: String(map) };
  });
  return [await fermi!, ...await Promise.all(others)];
}
