// `deno task bench:pack`: the archive is small, and what is in it runs where nothing else is: no environment, an empty home,
// a folder outside of the repository.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { commitOf } from "../../bench/machine.ts";
import { buildPack, FOLDER } from "../../bench/pack/build.ts";
import { torches } from "../../bench/peers/contender.ts";
import type { RaceRecord } from "../../bench/peers/record.ts";
import type { Result } from "../../bench/results.ts";
import { root } from "./runtimes.ts";

const MOST_BYTES = 60 * 2 ** 20;
const LINUX = `${process.platform} ${process.arch}` === "linux x64";

const folder = mkdtempSync(join(tmpdir(), "fermi-pack-test-"));
after(() => rmSync(folder, { recursive: true }));
const archive = join(folder, "pack.tar.gz");
const place = join(folder, FOLDER);

/** Runs a program of the pack with nothing but what says which Vulkan driver to take. */
function start(program: string, args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const drivers = Object.entries(process.env).filter(([name]) => name.startsWith("VK_"));
  const env = {
    ...Object.fromEntries(drivers),
    PATH: "/usr/bin:/bin",
    HOME: join(folder, "home"),
    ...variables,
  };
  const { status, stdout, stderr } = spawnSync(join(place, program), args, {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("pack: under 60 MiB, with Dawn for this system alone, and no file that leads out of it", async () => {
  if (!LINUX) return await assert.rejects(buildPack(process.execPath, archive), /packs for linux x64/);
  await buildPack(process.execPath, archive);
  const bytes = statSync(archive).size;
  console.log(`${(bytes / 2 ** 20).toFixed(1)} MiB`);
  assert(bytes < MOST_BYTES, `${bytes} bytes`);
  execFileSync("tar", ["-xzf", archive, "-C", folder]);
  const listed = execFileSync("find", [FOLDER, "-not", "-type", "d", "-printf", "%y %p\n"], {
    cwd: folder,
    encoding: "utf8",
  });
  const names = listed.trim().split("\n").sort();
  assert(names.every((name) => name.startsWith("f ")), listed);
  assert.deepEqual(names.filter((name) => name.endsWith(".node")), [
    `f ${FOLDER}/node_modules/webgpu/dist/linux-x64/dawn.node`,
  ]);
  for (const name of ["libvulkan.so.1", "libstdc++.so.6", "libgcc_s.so.1"]) {
    assert(names.includes(`f ${FOLDER}/lib/${name}`), `${name} of ${listed}`);
  }
});

if (LINUX) {
  test("pack: one command measures, and leaves a JSON that docs/performance.md takes, and a page", () => {
    const args = ["--quick", "--only=^loss", "--cpu=off", "--agreement=0", "--name=here"];
    const { status, stdout, stderr } = start("run.sh", args);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /\nloss +cross-entropy/);
    assert.match(stdout, /\nresults\/here\.json and results\/here\.html\n$/);
    const result = JSON.parse(readFileSync(join(place, "results/here.json"), "utf8")) as Result;
    assert.deepEqual(result.rows.map(({ family, backend }) => [family, backend]), [["loss", "webgpu"]]);
    assert.match(result.adapter!, /\(Dawn\)$/);
    assert.equal(result.machine.commit, commitOf(root));
    assert.equal(result.agreement, null);
    assert.match(readFileSync(join(place, "results/here.html"), "utf8"), /^<!doctype html>/);
  });

  test("pack: where python3 has PyTorch, it races beside ours, and otherwise it is said that it does not", () => {
    const args = [
      "--quick",
      "--only=^matmul.*1024",
      "--cpu=off",
      "--agreement=0",
      "--name=raced",
      "--race=cpu",
    ];
    const { status, stdout, stderr } = start("run.sh", args);
    assert.equal(status, 0, stdout + stderr);
    if (torches().length === 0) {
      return assert.match(stdout, /\nno race beside PyTorch: no python3 has PyTorch\n/);
    }
    assert.match(stdout, /\n\| matmul 1024\^3 \| +\d.*x \|\n/);
    assert.match(stdout, /results\/raced\.json and results\/raced\.html and results\/raced\.race\.json\n$/);
    const race = JSON.parse(readFileSync(join(place, "results/raced.race.json"), "utf8")) as RaceRecord;
    assert.deepEqual(race.contenders.map(({ key }) => key), ["fermi", "torch"]);
    assert.deepEqual([race.format, race.quick, race.commit], [1, true, commitOf(root)]);
    assert(race.races.every(({ outcomes }) => outcomes.every(({ failure }) => failure === null)), stdout);
  });

  test("pack: the parts of the agreement suite are in it", () => {
    const part = (file: string, pattern: string) => {
      const args = ["--test-reporter=tap", `--test-name-pattern=${pattern}`, join(place, file)];
      const { status, stdout, stderr } = start("node", args, { FERMI_RUNS: "1" });
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /\n# fail 0\n/);
      return stdout;
    };
    assert.match(part("agreement.mjs", "agreement: neg$"), /\nok \d+ - agreement: neg\n/);
    assert.match(part("forced.mjs", "no such test"), /\nok \d+ - forced: matmul/);
    assert.match(part("variants.mjs", "variants: a name"), /\nok \d+ - variants: a name/);
  });

  test("pack: wrong arguments are one line", () => {
    for (
      const [args, message] of [
        [["--nothing"], "Unknown option '--nothing'"],
        [["--json"], "the results go to results/; --name says what they are called there"],
        [["--name=a/b"], "--name expects letters, digits, dots and dashes, got 'a/b'"],
        [["--race=all"], "--race expects cuda or cpu or off, got 'all'"],
        [["--agreement=all"], "--agreement expects a percentage, got 'all'"],
        [["--quick", "--large"], "--quick leaves out what --large asks for: use one of them"],
      ] as const
    ) {
      const { status, stderr } = start("run.sh", args);
      assert.deepEqual([status, stderr], [2, `error: ${message}\n`]);
    }
    assert.match(start("run.sh", ["--help"]).stdout, /--name=NAME(.*\n)+.*--only=REGEX/);
  });
}
