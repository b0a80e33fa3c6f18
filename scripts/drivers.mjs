// Finds a driver that Deno's wgpu takes, one that Dawn takes, and Chromium; installs what is missing where that is ours
// to do. A test run without WebGPU does not exist, since half of the house would go untested.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { chromiumPath } from "../tests/browser/chromium_path.mjs";

// The package's launcher works on every platform, also where npm was told to run no install scripts.
export const DENO = [process.execPath, "node_modules/deno/bin.cjs"];

// Without a Vulkan driver Deno may still offer OpenGL, which lacks part of what WebGPU promises: not a test of it.
export const DENO_ENV = { DENO_WEBGPU_BACKEND: "vulkan,metal,dx12" };
const DENO_PROBE = "Deno.exit(await navigator.gpu?.requestAdapter() ? 0 : 1)";
const DAWN_PROBE = `globalThis.gpu = (await import("webgpu")).create([]);
process.exit(await gpu.requestAdapter() ? 0 : 1)`;

/** Chromium brings a software driver, which Dawn takes where it finds a system's Mesa too old. */
export const SWIFTSHADER = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

const succeeds = ([file, ...args], env) =>
  spawnSync(file, args, { env: { ...process.env, ...env }, stdio: "ignore" }).status === 0;
const denoWorks = () => succeeds([...DENO, "eval", "--no-config", DENO_PROBE], DENO_ENV);
const dawnWorks = (env) => succeeds([process.execPath, "--input-type=module", "-e", DAWN_PROBE], env);

/** The variables with which Dawn finds an adapter; null where nothing helps. */
function dawnEnvironment() {
  const choices = [{}, ...SWIFTSHADER.filter(existsSync).map((path) => ({ VK_ICD_FILENAMES: path }))];
  return choices.find(dawnWorks) ?? null;
}

/** What is there: whether Deno finds an adapter, with which variables Dawn does, and whether there is Chromium. */
function look() {
  return { deno: denoWorks(), dawn: dawnEnvironment(), chromium: chromiumPath() !== undefined };
}

const MISSING = {
  deno: "a Vulkan driver for Deno (Debian, Ubuntu: `sudo apt-get install mesa-vulkan-drivers`)",
  dawn: "a Vulkan driver that Dawn takes (Debian's chromium brings one, docs/gpu.md names others)",
  chromium: "Chromium (Debian: `sudo apt-get install chromium`), or its path in the variable CHROMIUM",
};
const PACKAGES = { deno: "mesa-vulkan-drivers", dawn: "chromium", chromium: "chromium" };

const missingFrom = (found) => Object.keys(MISSING).filter((name) => !found[name]);

/** Installs Debian packages; gives the reason when it could not. */
function install(packages) {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return "not root on a Debian-like system";
  console.log(`# installing ${packages.join(" and ")}`);
  process.env.DEBIAN_FRONTEND = "noninteractive";
  // Only the installation's outcome counts: `update` also fails for a foreign source that is down.
  succeeds(["apt-get", "update"]);
  const installed = succeeds(["apt-get", "install", "-y", "--no-install-recommends", ...packages]);
  return installed ? "what apt-get installed does not help here" : "apt-get install failed";
}

/**
 * Makes sure of the drivers.
 *
 * @returns {{ deno: object, dawn: object }} the variables that Deno, and that Node and Bun are to be run with
 * @throws {Error} one sentence that says what to install.
 */
export function prepareDrivers() {
  let found = look();
  const missing = missingFrom(found);
  if (missing.length > 0) {
    const reason = install([...new Set(missing.map((name) => PACKAGES[name]))]);
    found = look();
    const still = missingFrom(found).map((name) => MISSING[name]);
    if (still.length > 0) {
      throw new Error(`${reason}: install ${still.join(", and ")}, and run \`npm test\` again`);
    }
  }
  return { deno: DENO_ENV, dawn: found.dawn };
}
