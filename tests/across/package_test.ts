// Fermi as others install it, in an empty folder: the tarball for npm, the files that JSR gets, and the bundle in a
// page. In each a user's program (`network.ts`) learns on both backends.

import { build } from "esbuild";
import assert from "node:assert/strict";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { openChromium } from "../browser/chromium.ts";
import { serve } from "../browser/server.ts";
import { root, run, RUNTIMES } from "./runtimes.ts";

const folder = await mkdtemp(join(tmpdir(), "fermi-package-"));
after(() => rm(folder, { recursive: true }));

const program = join(root, "tests/across/network.ts");
const tsc = [process.execPath, join(root, "node_modules/typescript/bin/tsc")];
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

const MAIN = (network: string) =>
  `import { learn } from "${network}";
console.log(JSON.stringify(await learn("cpu")));
console.log(JSON.stringify(await learn("webgpu")));
`;

/** What finds a wrong op has an entry of its own, and so has what is worked out from tables of networks. */
const DEBUG = `import { device, nn, tensor } from "@fermi/fermi";
import { checkGradients, compareOps, type GradientCheck, traceNonFinite } from "@fermi/fermi/debug";
import { summarise, type Variation, vary } from "@fermi/fermi/tables";
const without: Variation = { lrn: false };
const { parameters } = summarise(vary(nn.models.alexnet, without));
const cpu = await device("cpu", { precision: "f64" });
const checks: readonly GradientCheck[] = await checkGradients((x) => x.exp(), [tensor([1, 2], { device: cpu })]);
const { first } = await compareOps([tensor([1, 2], { device: cpu }).exp()]);
const found = await traceNonFinite(() => tensor([0], { device: cpu }).log());
console.log(checks.length, first, found?.op, parameters);
`;

interface Learnt {
  readonly device: string;
  readonly first: number;
  readonly last: number;
  readonly accuracy: number;
}

/** Both backends have learnt, and the same. */
function check(who: string, [cpu, webgpu]: readonly Learnt[]): void {
  assert(cpu && webgpu, who);
  assert.deepEqual([cpu.device, webgpu.device], ["cpu", "webgpu"], who);
  console.log(
    `${who}: loss ${cpu.first} to ${cpu.last}, accuracy ${cpu.accuracy}; on webgpu to ${webgpu.last}`,
  );
  assert(cpu.last < 0.3 * cpu.first && cpu.accuracy > 0.9, JSON.stringify(cpu));
  assert(Math.abs(webgpu.first / cpu.first - 1) < 1e-5, JSON.stringify([cpu, webgpu]));
  assert(webgpu.last < 0.3 * webgpu.first && webgpu.accuracy > 0.9, JSON.stringify(webgpu));
}

const linesOf = (stdout: string) => stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Learnt);

/** An empty folder, but for a user's program. */
async function project(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, "package.json"), JSON.stringify({ type: "module" }));
  await copyFile(program, join(path, "network.ts"));
  await writeFile(join(path, "main.ts"), MAIN("./network.ts"));
  return path;
}

test("package: the tarball, in an empty folder, in Node without tsx, in Bun and in Deno", async () => {
  const packed = JSON.parse(await run([npm, "pack", "--json", "--pack-destination", folder])) as unknown;
  const [{ filename }] = Object.values(packed as object) as [{ filename: string }];
  const path = await project("npm");
  await run([npm, "install", "--no-audit", "--no-fund", join(folder, filename)], { cwd: path });
  assert.deepEqual((await readdir(join(path, "node_modules"))).filter((name) => name[0] !== "."), ["@fermi"]);

  // Types as a careful user checks them, the library's declarations too; it also writes the plain JavaScript.
  await writeFile(join(path, "main.js"), MAIN("./network.js"));
  const strict = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--types", ""];
  await writeFile(join(path, "debug.ts"), DEBUG);
  const files = ["network.ts", "debug.ts"];
  await run([...tsc, ...strict, "--target", "es2022", "--module", "nodenext", ...files], { cwd: path });
  assert.equal(await run([process.execPath, "debug.js"], { cwd: path }), "1 null log 60965224\n");
  await assert.rejects(
    run([process.execPath, "main.js"], { cwd: path }),
    /Error: webgpu: there is no navigator.gpu here, and the npm package "webgpu" .* is not installed: npm install webgpu/,
  );
  check("npm in deno", linesOf(await run([...RUNTIMES.deno, "--cached-only", "main.ts"], { cwd: path })));

  await run([npm, "install", "--no-audit", "--no-fund", join(root, "node_modules/webgpu")], { cwd: path });
  check("npm in node", linesOf(await run([process.execPath, "main.js"], { cwd: path })));
  // A bundler takes the library in, and leaves Dawn where it is.
  const [entryPoints, outfile] = [[join(path, "main.js")], join(path, "bundled.mjs")];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  check("npm, bundled, in node", linesOf(await run([process.execPath, "bundled.mjs"], { cwd: path })));
  check("npm in bun", linesOf(await run([...RUNTIMES.bun, "main.ts"], { cwd: path })));
});

test("package: the files that JSR gets, in an empty folder, in Deno, Bun and Node", async () => {
  const [node, deno, ...rest] = RUNTIMES.deno;
  assert.equal(rest[0], "run");
  // It prints the list of files to stderr, and succeeds only where types and files are fit for JSR.
  const listed = await run([node!, deno!, "publish", "--dry-run", "--allow-dirty"], { both: true });
  const files = [...listed.matchAll(/^ +file:\/\/(\S+) \([\d.]+[KM]?B\)$/gm)].map(([, path]) => path!);
  assert(files.some((path) => path.endsWith("/mod.ts")), listed);
  assert.doesNotMatch(listed, /warning/i);
  const path = await project("jsr");
  for (const file of files) {
    const target = join(path, "fermi", file.slice(root.length));
    await mkdir(dirname(target), { recursive: true });
    await cp(file, target);
  }
  await writeFile(join(path, "deno.json"), JSON.stringify({ imports: { "@fermi/fermi": "./fermi/mod.ts" } }));
  const paths = { "@fermi/fermi": ["./fermi/mod.ts"] };
  await writeFile(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions: { paths } }));
  check("jsr in deno", linesOf(await run([...RUNTIMES.deno, "--cached-only", "main.ts"], { cwd: path })));
  await run([node!, deno!, "check", "main.ts"], { cwd: path });

  await mkdir(join(path, "node_modules"));
  await cp(join(root, "node_modules/webgpu"), join(path, "node_modules/webgpu"), { recursive: true });
  check("jsr in bun", linesOf(await run([...RUNTIMES.bun, "main.ts"], { cwd: path })));
  check("jsr in node", linesOf(await run([...RUNTIMES.node, "main.ts"], { cwd: path })));
});

test("package: the bundle in a page", async () => {
  const path = join(folder, "page");
  await mkdir(path);
  await copyFile(join(root, "dist/fermi.js"), join(path, "fermi.js"));
  await copyFile(join(folder, "npm/network.js"), join(path, "network.js"));
  const importmap = JSON.stringify({ imports: { "@fermi/fermi": "./fermi.js" } });
  await writeFile(
    join(path, "index.html"),
    `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${importmap}</script>`,
  );
  const server = await serve(path);
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}/index.html`);
    const learnt = await page.evaluate(`(async () => {
      const { learn } = await import("/network.js");
      return [await learn("cpu"), await learn("webgpu")];
    })()`);
    check("bundle in chromium", learnt as Learnt[]);
    const refused = await page.evaluate(`(async () => {
      delete Navigator.prototype.gpu;
      const { learn } = await import("/network.js");
      return await learn("webgpu").catch(({ message }) => message);
    })()`);
    assert.match(
      String(refused),
      /^webgpu: this page has no navigator.gpu: it takes a browser with WebGPU, and/,
    );
  } finally {
    await browser.close();
    server.close();
  }
  assert.doesNotMatch(await readFile(join(path, "fermi.js"), "utf8"), /^import /m);
});
