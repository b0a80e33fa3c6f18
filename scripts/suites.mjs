// The suites of tests, and where each runs: the library in three runtimes and in a page, programs in the three runtimes,
// and what concerns all of them at once.

import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { DENO } from "./drivers.mjs";

const NODE = [process.execPath, "--import", "tsx"];
const BUN = ["node_modules/bun/bin/bun.exe"];

const filesIn = (folder) =>
  readdirSync(folder).filter((name) => name.endsWith("_test.ts")).sort().map((name) => `./${folder}/${name}`);

// What is run, one process after the other, each with a report of its own.
const inDeno =
  (files) => (report) => [[...DENO, "test", "-A", "--no-check", `--junit-path=${report}-0.xml`, ...files]];
const inNode = (files) => (report) => [[
  ...NODE,
  "--test",
  "--test-reporter=spec",
  "--test-reporter-destination=stdout",
  "--test-reporter=junit",
  `--test-reporter-destination=${report}-0.xml`,
  ...files,
]];
// Its own limit on a test is five seconds. A process for each file, as Node has it: Bun crashes in Dawn where many files
// have opened and destroyed devices in one.
const inBun = (files) => (report) =>
  files.map((file, i) => [
    ...BUN,
    "test",
    "--timeout=3600000",
    "--reporter=junit",
    `--reporter-outfile=${report}-${i}.xml`,
    file,
  ]);
const inChromium = () => (report) => [[...NODE, "tests/browser/run.ts", `--junit=${report}-0.xml`]];

const output = ([file, ...args], env) =>
  spawnSync(file, args, { env: { ...process.env, ...env }, encoding: "utf8" }).stdout.trim();

/** All runs, the longest first; `drivers` as `prepareDrivers` gives it. */
export function allRuns(drivers) {
  const [deno, dawn] = [{ ...process.env, ...drivers.deno }, { ...process.env, ...drivers.dawn }];
  // For Dawn in Deno, which may not like the driver that wgpu takes.
  deno.FERMI_DAWN_DRIVER = drivers.dawn.VK_ICD_FILENAMES ?? "";
  const describe = (command, env) =>
    output([...command, "scripts/adapter.ts"], env).replace(/ \([^()]*\)$/, "");
  const runtimes = {
    deno: {
      runtime: output([...DENO, "--version"]).split(/ \(|\n/)[0].replace("deno", "Deno"),
      webgpu: "wgpu",
      adapter: describe([...DENO, "run", "-A"], deno),
      env: deno,
      command: inDeno,
    },
    node: {
      runtime: `Node ${process.versions.node}`,
      webgpu: "Dawn",
      adapter: describe(NODE, dawn),
      env: dawn,
      command: inNode,
    },
    bun: {
      runtime: `Bun ${output([...BUN, "--version"])}`,
      webgpu: "Dawn",
      adapter: describe(BUN, dawn),
      env: dawn,
      command: inBun,
    },
    chromium: { runtime: "Chromium", webgpu: "Dawn", adapter: "", env: dawn, command: inChromium },
  };
  const suite = (name, files, where) => where.map((key) => ({ suite: name, ...runtimes[key], files }));
  return [
    ...suite("library", filesIn("tests"), ["node", "chromium", "bun", "deno"]),
    ...suite("programs", filesIn("tests/program"), ["node", "bun", "deno"]),
    // Started from Node, they start the others.
    ...suite("across", filesIn("tests/across"), ["node"]).map((run) => ({
      ...run,
      runtime: "all",
      webgpu: "",
      adapter: "",
    })),
  ];
}

/** Several times what the longest run takes on two slow cores: what is still there then hangs. */
const LIMIT_MINUTES = 30;

/** Carries out one run, with what it prints in a file; gives the run with its results. */
export async function carryOut(run, folder) {
  const name = `${run.suite}-${run.runtime}`.replace(/\W+/g, "-").toLowerCase();
  const log = `${folder}/${name}.log`;
  const start = Date.now();
  const commands = run.command(run.files)(`${folder}/${name}`);
  const counts = { tests: 0, failed: 0, skipped: 0, passed: 0 };
  for (const [i, command] of commands.entries()) {
    const minutes = LIMIT_MINUTES - (Date.now() - start) / 60_000;
    const status = await toFile(command, run.env, log, minutes);
    const counted = count(`${folder}/${name}-${i}.xml`);
    if (status !== 0 && counted.failed === 0) counted.failed = 1;
    for (const key of Object.keys(counts)) counts[key] += counted[key];
  }
  const text = readFileSync(log, "utf8");
  const seconds = Math.round((Date.now() - start) / 1000);
  // A page says itself what it runs on.
  const [, runtime = run.runtime, adapter = run.adapter] = text.match(/^# (Chromium .*) on (.*) \(/m) ?? [];
  return { ...run, runtime, adapter, seconds, ...counts, log: text };
}

function toFile([file, ...args], env, log, minutes) {
  return new Promise((resolve, reject) => {
    const stream = createWriteStream(log, { flags: "a" });
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(stream, { end: false });
    child.stderr.pipe(stream, { end: false });
    const late = setTimeout(() => {
      stream.write(`\nstopped: it took more than ${LIMIT_MINUTES} minutes\n`);
      child.kill("SIGKILL");
    }, Math.max(0, minutes) * 60_000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(late);
      stream.end(() => resolve(code ?? 1));
    });
  });
}

/** The results in a JUnit report: every runtime writes one. */
export function count(report) {
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  const cases = (pattern) => xml.match(pattern)?.length ?? 0;
  const failed = cases(/<(failure|error)\b/g);
  const skipped = cases(/<skipped\b/g);
  const tests = cases(/<testcase\b/g);
  return { tests, failed, skipped, passed: tests - failed - skipped };
}
