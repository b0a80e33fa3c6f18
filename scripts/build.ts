// Builds what is published on npm: `dist/` has one JavaScript file and one declaration a source file, and `fermi.js`,
// the whole library as one module for a page, with what it imports on demand beside it. Run by `npm run build`, and by npm before it packs.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { bundle } from "./bundle.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("dist", { recursive: true, force: true });

// Types are checked by `deno check`; this only takes them off, and writes the declarations.
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: ["ignore", 2, 2],
});
// For `Symbol.dispose`, which a user's own settings may not know.
const declarations = readFileSync("dist/mod.d.ts", "utf8");
writeFileSync("dist/mod.d.ts", `/// <reference lib="esnext.disposable" />\n${declarations}`);

// A bundler is not to look for Dawn, nor tsc for a path in its name: it is found where the program runs.
const dawn = readFileSync("dist/backends/webgpu/dawn.js", "utf8");
const [imported] = dawn.match(/import\([^)]*`webgpu\/\$\{file\}`\)*/) ?? [];
if (imported === undefined) throw new Error("dist/backends/webgpu/dawn.js imports no `webgpu/${file}`");
writeFileSync(
  "dist/backends/webgpu/dawn.js",
  dawn.replace(imported, "import(/* webpackIgnore: true */ /* @vite-ignore */ `webgpu/${file}`)"),
);

const kilobytes = (text: string | Uint8Array) => `${(text.length / 1000).toFixed(1)} kB`;
for (const { name, code, map } of await bundle()) {
  writeFileSync(`dist/${name}`, code);
  writeFileSync(`dist/${name}.map`, map);
  // To stderr: what npm prints when it packs may be read by a program.
  const small = gzipSync(code, { level: 9 });
  console.error(`dist/${name}: ${kilobytes(code)} minified, ${kilobytes(small)} gzipped`);
}
