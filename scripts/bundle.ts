// The whole library as one module for a page: bundled by esbuild, put in order (`order.ts`), minified by terser, which knows
// what is used, and given names that gzip sees again (`names.ts`, `mangle.ts`). What no page needs but one that asks for it
// lies in files beside it.

import { build, type Plugin } from "esbuild";
import { readFile } from "node:fs/promises";
import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { minify, type MinifyOptions } from "terser";
import { compact } from "./compact.ts";
import { nameLocals, squeezeNames } from "./mangle.ts";
import { chooseNames } from "./names.ts";
import { withPlainNamespaces } from "./namespaces.ts";
import { neighbourly } from "./neighbours.ts";
import { ordered } from "./order.ts";
import { type Quoting, withTemplates } from "./quotes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** By name: the library, and what it imports on demand, which has its own copy of the few small functions that it needs. */
const FILES: Readonly<Record<string, string>> = {
  "fermi": "mod.ts",
  "fermi.gpu": "backends/webgpu/kernels/gpu.ts",
  "fermi.tune": "backends/webgpu/tune.ts",
  "fermi.dawn": "backends/webgpu/dawn.ts",
};

/** Makes files compact as they are bundled. */
export const compacting: Plugin = {
  name: "compact",
  setup({ initialOptions: { entryPoints }, onLoad }) {
    const names = chooseNames(root, Object.values(entryPoints as Readonly<Record<string, string>>));
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: compact(relative(root, path).replaceAll("\\", "/"), source, names), loader: "ts" };
    });
  },
};

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
    plugins: [compacting, onDemand],
    logLevel: "warning",
  });
  const textOf = (name: string) => outputFiles.find(({ path }) => basename(path) === name)!.text;
  const [fermi, ...others] = Object.keys(FILES).map(async (file) => {
    const name = `${file}.js`;
    const { code, map } = await minified(name, textOf(name), textOf(`${name}.map`));
    return { name, code, map };
  });
  return [await fermi!, ...await Promise.all(others)];
}

/** Minifies a module. The minifier's tree is asked for, put in order, compressed, given names, and printed. */
async function minified(
  name: string,
  bundled: string,
  content: string,
): Promise<{ code: string; map: string }> {
  const source = withPlainNamespaces(bundled);
  const module = { module: true, ecma: 2020 } as const;
  const raw = await treeOf({ [name]: source }, { ...module, compress: false, mangle: false });
  const places = new Map(ordered(source).map((start, i) => [start, i]));
  raw.body.sort((a, b) => places.get(a.start.pos)! - places.get(b.start.pos)!);
  const tree = await treeOf(raw as unknown as string, {
    ...module,
    compress: {
      passes: 4,
      unsafe: true,
      inline: 1,
      unsafe_arrows: true,
      lhs_constants: false,
      keep_fargs: false,
    },
  });
  const asItIs = { ...module, compress: false, mangle: false } as const;
  withTemplates(tree, (await treeOf("``", asItIs)).body[0]!.body);
  // A copy, since what was printed is of no use afterwards.
  const printed = async () => (await minify(tree.clone(true) as unknown as string, asItIs)).code!;
  await nameLocals(tree, printed);
  const statements = [...tree.body];
  neighbourly(await printed()).forEach((from, to) => tree.body[to] = statements[from]!);
  await squeezeNames(tree, printed);
  const { code, map } = await minify(tree as unknown as string, {
    ...asItIs,
    sourceMap: { content, filename: name, url: `${name}.map` },
  });
  return { code: code!, map: String(map) };
}

/** The minifier's own tree, which its types do not know. */
interface Tree extends Quoting {
  readonly body: { readonly start: { readonly pos: number }; readonly body: Quoting }[];
}

async function treeOf(source: Parameters<typeof minify>[0], options: MinifyOptions): Promise<Tree> {
  const format = { ast: true, code: false } as object;
  return (await minify(source, { ...options, format }) as { ast: Tree }).ast;
}
