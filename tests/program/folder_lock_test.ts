// One process at a time has a folder of checkpoints; one that was killed does not have it any more.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { isClaim, lockFolder, refuseInUse } from "../../data/folder_lock.ts";
import { inFolder } from "./in_folder.ts";
import { startTraining } from "./killed_run.ts";

const claimsIn = async (folder: string) => (await readdir(folder)).filter(isClaim);

const LONG = [
  "--backend=cpu",
  "--model=lenet5",
  "--dataset=synthetic",
  "--batch=4",
  "--limit=40",
  "--schedule=plateau",
  "--epochs=100000",
  "--json",
];

test("lock: a second process is refused while the first one lives, and not when it was killed", () =>
  inFolder(async (folder) => {
    let kill: (signal: "SIGKILL") => void = () => {};
    let begin = () => {};
    const begun = new Promise<void>((resolve) => begin = resolve);
    const first = startTraining([...LONG, `--checkpoint=${folder}`], {
      kill: new Promise((resolve) => kill = resolve),
      // The checkpoint after step 10 is there: the one after step 20 has waited for it.
      onOutput: (stdout) => stdout.includes(`"step":21,`) && begin(),
    });
    await Promise.race([begun, first]);
    const [claim] = await claimsIn(folder);
    const [, pid] = claim!.split("-");
    for (const flags of [[...LONG, `--checkpoint=${folder}`], [`--resume=${folder}`]]) {
      const { code, stdout, stderr } = await startTraining(flags);
      const message = `${folder} is in use by process ${pid}: wait for its end, or take another folder`;
      assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: "", stderr: `error: ${message}\n` });
    }
    assert.deepEqual(await claimsIn(folder), [claim]);
    kill("SIGKILL");
    await first;
    assert.deepEqual(await claimsIn(folder), [claim], "what a killed process leaves");
    let sent = false;
    const next = await startTraining([`--resume=${folder}`, "--json"], {
      onOutput: (stdout, send) => {
        if (sent || !stdout.includes(`"event":"step"`)) return;
        sent = true;
        send("SIGTERM");
      },
    });
    assert.deepEqual([next.code, next.stderr], [0, ""]);
    assert.deepEqual(await claimsIn(folder), []);
  }));

test("lock: of two runs in one process, too, until it is given back", () =>
  inFolder(async (folder) => {
    const lock = await lockFolder(folder);
    await assert.rejects(lockFolder(folder), { name: "FolderInUseError" });
    await assert.rejects(refuseInUse(folder), { name: "FolderInUseError" });
    assert.equal((await claimsIn(folder)).length, 1);
    await lock.release();
    assert.deepEqual(await readdir(folder), []);
    await (await lockFolder(folder)).release();
  }));

test("lock: a claim of Node's or Bun's counts while its process lives and is the one that made it", () =>
  inFolder(async (folder) => {
    // Deno sees this where it may do all, as in tests.
    const alive = join(folder, `node-${process.ppid}-01234567.lock`);
    await writeFile(alive, "");
    await assert.rejects(lockFolder(folder), { name: "FolderInUseError" });
    assert.deepEqual(await claimsIn(folder), [`node-${process.ppid}-01234567.lock`]);
    if (existsSync("/proc/self/stat")) {
      // Another process has its number by now.
      await writeFile(alive, "1");
      await refuseInUse(folder);
    }
    await rm(alive);
    const { pid } = spawnSync(process.execPath, ["--version"]);
    await writeFile(join(folder, `bun-${pid}-01234567.lock`), "");
    await writeFile(join(folder, "notes.lock"), "");
    const lock = await lockFolder(folder);
    assert.equal((await claimsIn(folder)).length, 1);
    await lock.release();
    assert.deepEqual(await readdir(folder), ["notes.lock"]);
  }));
