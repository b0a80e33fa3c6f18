// Fails when a public symbol lacks a docblock, an example or a page, or a page has a dead link: `deno doc` asks for none
// of them, and silently leaves out what a namespace re-exports by name and what a namespace inside one holds.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as debug from "../debug/mod.ts";
import * as fermi from "../mod.ts";
import * as tables from "../nn/tables.ts";

/** A symbol in the output of `deno doc --json`. */
interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly { jsDoc?: { doc?: string }; def?: { elements?: DocSymbol[] } }[];
}

/** What is documented, what its symbols are called, and where their pages lie. */
const entries = [
  { file: "mod.ts", prefix: "", pages: "~/" },
  { file: "debug/mod.ts", prefix: "debug.", pages: "debug/~/" },
  { file: "nn/tables.ts", prefix: "tables.", pages: "tables/~/" },
  { file: "nn/initialisers.ts", prefix: "nn.init.", pages: "nn/initialisers.ts/~/" },
];
const complaints = new Set<string>();
const pageOf = new Map<string, string>();

function denoDoc(...options: string[]): string {
  const args = ["doc", ...options, ...entries.map(({ file }) => file)];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, maxBuffer: 2 ** 28 });
  if (status === 0) return stdout.toString();
  console.error(`error: deno ${args.join(" ")} failed\n${stderr}`);
  process.exit(1);
}

function checkSymbols(symbols: readonly DocSymbol[], prefix: string, pages: string): void {
  for (const { name, declarations } of symbols) {
    pageOf.set(prefix + name, `${pages}${name}.html`);
    const docs = declarations.map(({ jsDoc }) => jsDoc?.doc ?? "");
    if (docs.includes("")) complaints.add(`${prefix}${name}: has no docblock`);
    else if (!docs.some((doc) => doc.includes("```ts\n"))) complaints.add(`${prefix}${name}: has no example`);
    const inside = declarations.flatMap(({ def }) => def?.elements ?? []);
    checkSymbols(inside, `${prefix}${name}.`, `${pages}${name}.`);
  }
}

/** The names of everything that can be imported, types aside. */
function importable(module: object, prefix = ""): string[] {
  return Object.entries(module).flatMap(([name, value]) =>
    value[Symbol.toStringTag] === "Module" ? importable(value, `${prefix}${name}.`) : [prefix + name]
  );
}

const nodes: Record<string, { symbols: DocSymbol[] }> = JSON.parse(denoDoc("--json")).nodes;
for (const { file, prefix, pages } of entries) {
  checkSymbols(Object.entries(nodes).find(([url]) => url.endsWith(`/${file}`))![1].symbols, prefix, pages);
}
for (const name of [...importable(fermi), ...importable(debug, "debug."), ...importable(tables, "tables.")]) {
  if (!pageOf.has(name)) complaints.add(`${name}: deno doc leaves it out`);
}
if (complaints.size === 0) console.log(`${pageOf.size} public symbols, each with an example`);

if (process.argv[2] !== undefined) {
  const folder = resolve(process.argv[2]);
  denoDoc("--html", "--name=Fermi", `--output=${folder}`);
  const files = new Set(
    readdirSync(folder, { recursive: true }).map((path) => String(path).replaceAll("\\", "/")),
  );
  for (const page of ["index.html", ...pageOf.values()]) {
    if (!files.has(page)) complaints.add(`${page}: there is no such page`);
  }
  for (const page of [...files].filter((file) => file.endsWith(".html"))) {
    for (const [, href] of readFileSync(join(folder, page), "utf8").matchAll(/href="([^"]*)"/g)) {
      const link = decodeURIComponent(href!.replaceAll("&#x2F;", "/").replaceAll("&amp;", "&")).split(
        "#",
      )[0]!;
      const isHere = /^[a-z]+:/.test(link) || existsSync(join(folder, dirname(page), link));
      if (!isHere) complaints.add(`${page}: the link ${link} leads nowhere`);
    }
  }
}
for (const complaint of complaints) console.error(complaint);
process.exit(complaints.size === 0 ? 0 : 1);
