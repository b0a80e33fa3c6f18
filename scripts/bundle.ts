// The whole library as one module for a page: bundled by esbuild, and minified by terser, which knows what is used and
// names things so that gzip sees them again; it makes the file smaller than esbuild alone by a twentieth.

import { build, type Plugin } from "esbuild";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";
import { compact } from "./compact.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

const compacting: Plugin = {
  name: "compact",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: compact(relative(root, path).replaceAll("\\", "/"), source), loader: "ts" };
    });
  },
};

/** What a page loads, and the map to the sources. */
export interface Bundle {
  readonly code: string;
  readonly map: string;
}

/** Bundles `mod.ts`. */
export async function bundle(): Promise<Bundle> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["mod.ts"],
    outfile: "dist/fermi.js",
    bundle: true,
    write: false,
    sourcemap: "external",
    format: "esm",
    platform: "browser",
    target: "es2022",
    // Imported on demand where there is no `navigator.gpu`, or are files: not in a page that can compute on a GPU.
    external: ["webgpu", "node:*"],
    plugins: [compacting],
    logLevel: "warning",
  });
  const textOf = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))!.text;
  const { code, map } = await minify({ "fermi.js": textOf(".js") }, {
    module: true,
    ecma: 2020,
    compress: { passes: 4, unsafe_arrows: true, lhs_constants: false, keep_fargs: false },
    sourceMap: { content: textOf(".map"), filename: "fermi.js", url: "fermi.js.map" },
  });
  return { code: code!, map: String(map) };
}
