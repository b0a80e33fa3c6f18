// The whole check, for a machine that has only Node: `npm ci && npm test`. Plain JavaScript, because it runs
// before anything is known to work. It stops without a WebGPU adapter, since half of the house would go untested.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

// The package's launcher works on every platform, also where npm was told to run no install scripts.
const denoLauncher = "node_modules/deno/bin.cjs";
const runDeno = (args, options) => spawnSync(process.execPath, [denoLauncher, ...args], options);

// Without a Vulkan driver Deno may still offer OpenGL, which lacks part of what WebGPU promises: not a test of it.
const env = { ...process.env, DENO_WEBGPU_BACKEND: "vulkan,metal,dx12" };
const probe = "Deno.exit(await navigator.gpu?.requestAdapter() ? 0 : 1)";
const hasAdapter = () => runDeno(["eval", "--no-config", probe], { env, stdio: "ignore" }).status === 0;

function stop(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** Installs a software Vulkan driver where that is ours to do; gives the reason when it could not. */
function installDriver() {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return "not root on a Debian-like system";
  console.log("# no WebGPU adapter: installing mesa-vulkan-drivers");
  // Only the installation's outcome counts: `update` also fails for a foreign source that is down.
  const apt = (...args) => spawnSync("apt-get", args, { stdio: "ignore" }).status;
  process.env.DEBIAN_FRONTEND = "noninteractive";
  apt("update");
  if (apt("install", "-y", "--no-install-recommends", "mesa-vulkan-drivers") !== 0) {
    return "apt-get install failed";
  }
  return "the driver that apt-get installed does not work here";
}

if (!existsSync(denoLauncher)) stop("node_modules has no deno: run `npm ci` first");
if (!hasAdapter()) {
  const reason = installDriver();
  if (!hasAdapter()) {
    stop(
      `no WebGPU adapter (${reason}): install a Vulkan driver, for example ` +
        "`sudo apt-get install mesa-vulkan-drivers` on Debian or Ubuntu, and run `npm test` again",
    );
  }
}

// Examples run with the permissions that a user's `deno run -P` has; the tests start servers and write files.
const documented = ["mod.ts", "README.md", "tensor", "backends", "nn", "data", "train"].filter(existsSync);
const stages = [
  { title: "format", args: ["fmt", "--check"] },
  { title: "lint", args: ["lint"] },
  { title: "types", args: ["check"] },
  { title: "documentation", args: ["doc", "--lint", "mod.ts"] },
  { title: "examples", args: ["test", "-P", "--doc", ...documented], counted: true },
  { title: "tests", args: ["test", "-A", "--no-check", "tests/"], counted: true },
];

const reports = mkdtempSync(join(tmpdir(), "fermi-test-"));
const total = { passed: 0, failed: 0, skipped: 0 };

/** Adds the results of one `deno test` from its JUnit report; a test and each of its steps count as one. */
function count(report) {
  if (!existsSync(report)) return;
  const xml = readFileSync(report, "utf8");
  const cases = (pattern) => xml.match(pattern)?.length ?? 0;
  const failed = cases(/<(failure|error)\b/g);
  const skipped = cases(/<skipped\b/g);
  total.failed += failed;
  total.skipped += skipped;
  total.passed += cases(/<testcase\b/g) - failed - skipped;
}

let status = 0;
for (const { title, args, counted } of stages) {
  console.log(`\n# ${title}: deno ${args.join(" ")}`);
  const report = join(reports, `${title}.xml`);
  const withReport = counted ? [args[0], `--junit-path=${report}`, ...args.slice(1)] : args;
  status = runDeno(withReport, { env, stdio: "inherit" }).status ?? 1;
  if (counted) count(report);
  if (status !== 0) {
    console.error(`\n# ${title} failed`);
    break;
  }
}
rmSync(reports, { recursive: true });

// A stage without tests that fails counts as one failure, and a run in which no test ran is not a pass.
if (total.passed + total.failed === 0) status ||= 1;
if (status !== 0) total.failed ||= 1;
const skips = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skips}`);
process.exit(status);
