// What the tuner keeps in the user's cache folder: one device finds what another measured, and whatever is wrong with the
// folder or the file is nobody's failure.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { openGpu } from "../../backends/webgpu/adapter.ts";
import { tuneStore } from "../../backends/webgpu/tune_store.ts";
import { planted, wayOf } from "../planted_ways.ts";
import { start } from "./start.ts";

/** Runs `work` with a cache folder of its own. */
async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-"));
  const before = process.env["XDG_CACHE_HOME"];
  process.env["XDG_CACHE_HOME"] = folder;
  try {
    await work(folder);
  } finally {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
    await rm(folder, { recursive: true });
  }
}

test("tuning: what one device measures the next finds in the cache folder", () =>
  withFolder((folder) =>
    planted(["slow", "fast"], async (taken) => {
      assert.equal(await wayOf("on", taken), "fast");
      const [name, ...others] = await readdir(join(folder, "fermi/tuning"));
      assert.deepEqual(others, []);
      assert.match(name!, /^[\w.-]+\.json$/);
      const kept = JSON.parse(await readFile(join(folder, "fermi/tuning", name!), "utf8"));
      const [[question, winner], ...more] = Object.entries(kept.winners) as [[string, string]];
      assert.match(question, /^planted: slow,fast: max.* f32\[256,2\]/);
      assert.deepEqual([winner, more], ["fast", []]);
      // Nothing is left to be measured: the slow way is not even tried.
      for (const tune of ["on", "cached"] as const) {
        taken.length = 0;
        assert.equal(await wayOf(tune, taken), "fast");
        assert.ok(!taken.includes("slow"));
      }
    })
  ));

test("tuning: a folder that cannot be written, and a file that cannot be read, are as if there were none", () =>
  withFolder((folder) =>
    planted(["slow", "fast"], async (taken) => {
      await writeFile(join(folder, "fermi"), "a file where the folder should be");
      assert.equal(await wayOf("on", taken), "fast");
      assert.equal(await wayOf("cached", taken), "slow");
      await rm(join(folder, "fermi"));
      await wayOf("on", taken);
      const [name] = await readdir(join(folder, "fermi/tuning"));
      await writeFile(join(folder, "fermi/tuning", name!), "{");
      assert.equal(await wayOf("cached", taken), "slow");
      // It is measured again, and written again.
      await wayOf("on", taken);
      assert.equal(await wayOf("cached", taken), "fast");
    })
  ));

test("tuning: of what several keep at a time nothing is lost", () =>
  withFolder(async (folder) => {
    const name = "an adapter / of | this test";
    const questions = Array.from({ length: 20 }, (_, i) => `question ${i}`);
    await Promise.all(
      questions.map((question) => tuneStore(name).add({ [question]: "x".repeat(10_000) })),
    );
    const kept = Object.keys(await tuneStore(name).load());
    assert.deepEqual(kept.sort(), questions.sort());
    assert.deepEqual(await tuneStore("another").load(), {});
    // A process that ended meanwhile holds nobody up for long.
    const files = await readdir(join(folder, "fermi/tuning"));
    assert.deepEqual(files.length, 1);
    await mkdir(join(folder, "fermi/tuning", `${files[0]}.lock`));
    await tuneStore(name).add({ another: "y" });
    assert.equal((await tuneStore(name).load())["another"], "y");
    assert.deepEqual(await readdir(join(folder, "fermi/tuning")), files);
  }));

test("tuning: the command line uses what is kept, and writes nothing then", () =>
  withFolder(async (folder) => {
    const opened = await openGpu("auto");
    opened.device.destroy();
    await tuneStore(opened.identity).add({ "a question of another network": "x" });
    const [name] = await readdir(join(folder, "fermi/tuning"));
    const file = join(folder, "fermi/tuning", name!);
    const before = await readFile(file, "utf8");
    const args = ["--backend=webgpu", "--model=lenet5", "--dataset=synthetic", "--batch=4", "--steps=1"];
    // Mesa keeps its shaders where it always does.
    const env = { XDG_CACHE_HOME: folder, MESA_SHADER_CACHE_DIR: join(homedir(), ".cache") };
    const { code, stderr } = await start("train.ts", [...args, "--tune=cached"], { env });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(await readFile(file, "utf8"), before);
    assert.deepEqual(await readdir(join(folder, "fermi/tuning")), [name]);
  }));
