// The whole check, for a machine that has only Node: `npm ci && npm test`. Plain JavaScript, because it runs before
// anything is known to work.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO, prepareDrivers } from "./drivers.mjs";
import { allRuns, carryOut, count } from "./suites.mjs";
import { formatTable } from "./table.mjs";

/** Tests use one core most of the time; more runs at once would only wait for the same two. */
const AT_ONCE = 2;

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

function stop(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

if (!existsSync(DENO[1])) stop("node_modules has no deno: run `npm ci` first");
const drivers = (() => {
  try {
    return prepareDrivers();
  } catch (error) {
    return stop(error.message);
  }
})();

const folder = mkdtempSync(join(tmpdir(), "fermi-test-"));
const started = Date.now();

/** Checks without tests to count, and the examples in the documentation, which run as a user's `deno run -P` does. */
const documented = ["mod.ts", "README.md", "docs", "tensor", "backends", "debug", "nn", "data", "train"];
const examples = join(folder, "examples.xml");
const checks = [
  { title: "format", args: ["fmt", "--check"] },
  { title: "lint", args: ["lint"] },
  { title: "types", args: ["check"] },
  {
    title: "documentation",
    args: ["doc", "--lint", "mod.ts", "debug/mod.ts", "nn/mod.ts", "nn/initialisers.ts", "nn/tables.ts"],
  },
  { title: "pages of the API", args: ["run", "-A", "scripts/check_docs.ts", join(folder, "api")] },
  { title: "examples", args: ["test", "-P", "--doc", `--junit-path=${examples}`, ...documented] },
];
for (const { title, args } of checks) {
  console.log(`\n# ${title}`);
  const [file, ...rest] = [...DENO, ...args];
  const { status } = spawnSync(file, rest, { env: { ...process.env, ...drivers.deno }, stdio: "inherit" });
  if (status !== 0) {
    console.error(`\n# ${title} failed`);
    console.log(`\n${count(examples).passed} passed, ${Math.max(1, count(examples).failed)} failed`);
    process.exit(1);
  }
}

console.log("\n# tests");
const waiting = allRuns(drivers);
const results = [];
async function work() {
  for (let run = waiting.shift(); run; run = waiting.shift()) {
    const result = await carryOut(run, folder);
    results.push(result);
    if (result.failed > 0) console.log(`\n${result.log}\n`);
    const { suite, runtime, passed, failed, seconds } = result;
    console.log(`${suite} in ${runtime}: ${passed} passed, ${failed} failed, ${seconds} s`);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
rmSync(folder, { recursive: true, force: true });

const { table, complaints } = formatTable(results);
console.log(`\n${table}`);
for (const complaint of complaints) console.log(`error: ${complaint}`);
const sum = (key) => results.reduce((total, result) => total + result[key], count(examples)[key]);
const failed = sum("failed") + complaints.length;
console.log(`\n${sum("passed")} passed, ${failed} failed, in ${Math.round((Date.now() - started) / 1000)} s`);
process.exit(failed === 0 && results.length > 0 ? 0 : 1);
