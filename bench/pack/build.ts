/**
 * Puts together what runs the benchmark and the agreement suite where there is nothing but a Vulkan driver: this Node, Dawn
 * for this system, its programs bundled, and the libraries that a bare system may lack.
 *
 * @module
 */

import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commitOf } from "../machine.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The folder in the archive. */
export const FOLDER = "fermi-bench";

/** The programs, each one file. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "run.mjs": "bench/pack/run.ts",
  "bench.mjs": "bench/main.ts",
  "agreement.mjs": "tests/agreement_test.ts",
  "forced.mjs": "tests/forced_test.ts",
  "variants.mjs": "tests/variants_test.ts",
  "race.mjs": "bench/pack/race.ts",
  "fermi_peer.mjs": "bench/peers/fermi.ts",
};

/** What is copied as it is, in place. */
const FILES: Readonly<Record<string, string>> = {
  "run.sh": "bench/pack/run.sh",
  "README.txt": "bench/pack/README.txt",
  "LICENSE": "LICENSE",
  "torch_peer.py": "bench/peers/torch_peer.py",
  ...Object.fromEntries(
    ["index.js", "package.json", "LICENSE.md", "dist/linux-x64/dawn.node"]
      .map((name) => [`node_modules/webgpu/${name}`, `node_modules/webgpu/${name}`]),
  ),
};

/** The loader, which Dawn asks for a driver, and what NVIDIA's driver is linked to even without a screen. */
const LIBRARIES: readonly string[] = ["libvulkan.so.1", "libX11.so.6", "libXext.so.6"];

/** What that driver looks for besides when it starts, and finds no adapter without: carried if this system has it. */
const LIBRARIES_IF_ANY: readonly string[] = ["libEGL.so.1", "libGLX.so.0"];

/** What every system has that these programs could run on. */
const GLIBC = /^(ld-linux|lib(c|m|dl|rt|pthread)\.so)/;

/** Where the libraries lie that programs need, and those that are looked for later, with all that they need; by name. */
function librariesFor(programs: readonly string[]): Map<string, string> {
  const output = (file: string, ...args: string[]) => execFileSync(file, args, { encoding: "utf8" });
  const known = output("/sbin/ldconfig", "-p");
  const asked = [...LIBRARIES, ...LIBRARIES_IF_ANY].flatMap((name) => {
    const [, path] = new RegExp(`^\\t${name} \\(libc6,x86-64.*\\) => (\\S+)$`, "m").exec(known) ?? [];
    if (path !== undefined) return [[name, path] as const];
    const lacks = `bench:pack: this system has no ${name} to carry`;
    if (LIBRARIES.includes(name)) throw new Error(lacks);
    console.warn(`${lacks}: NVIDIA's driver may want it`);
    return [];
  });
  const needed = [...programs, ...asked.map(([, path]) => path)]
    .flatMap((file) => [...output("ldd", file).matchAll(/^\t(\S+) => (\/\S+) /gm)])
    .map(([, name, path]) => [name!, path!] as const);
  return new Map([...asked, ...needed].filter(([name]) => !GLIBC.test(name)));
}

/**
 * Writes the archive.
 *
 * @throws {Error} where this system is none for which it could be packed.
 */
export async function buildPack(node: string, archive: string): Promise<void> {
  const system = `${process.platform} ${process.arch}`;
  if (system !== "linux x64") throw new Error(`bench:pack: packs for linux x64, and this is ${system}`);
  const shared = execFileSync(node, ["-p", "process.config.variables.node_shared"], { encoding: "utf8" });
  if (shared.trim() !== "false") {
    throw new Error(`bench:pack: ${node} is not all of Node, but needs libnode.so`);
  }
  const temporary = mkdtempSync(join(tmpdir(), "fermi-pack-"));
  try {
    const into = (name: string) => {
      const path = join(temporary, FOLDER, name);
      mkdirSync(dirname(path), { recursive: true });
      return path;
    };
    for (const [name, from] of Object.entries(FILES)) copyFileSync(join(root, from), into(name));
    const programs = [node, into("node_modules/webgpu/dist/linux-x64/dawn.node")];
    for (const [name, path] of librariesFor(programs)) copyFileSync(path, into(`lib/${name}`));
    copyFileSync(node, into("node"));
    for (const name of ["node", "run.sh"]) chmodSync(into(name), 0o755);
    for (const [name, entry] of Object.entries(PROGRAMS)) await bundleProgram(entry, into(name));
    execFileSync("tar", ["--use-compress-program=gzip -9", "-cf", archive, "-C", temporary, FOLDER]);
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** One file for Node, which knows the commit that it was made from. */
async function bundleProgram(entry: string, outfile: string): Promise<void> {
  const commit = JSON.stringify(commitOf(root));
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    minifySyntax: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["webgpu"],
    banner: { js: commit === "null" ? "" : `process.env.FERMI_COMMIT ??= ${commit};` },
    logLevel: "warning",
  });
}
