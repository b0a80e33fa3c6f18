// prepare.ts is killed at random moments, with SIGKILL. No shard is half-written or lost, the next run redoes none, and the
// result is that of a run that was left alone, byte for byte. FERMI_KILLS says how often; 30 take some minutes.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { contentsOf, makeSets } from "./image_sets.ts";
import { inFolder } from "./in_folder.ts";
import { start } from "./start.ts";

const KILLS = Number(process.env["FERMI_KILLS"] ?? 3);
const [TRAIN, VAL, SHARD] = [100, 20, 8];
/** How many kills come while a run starts, and not while it works. */
const EARLY = 0.1;

const isShard = (name: string) => /^(train|test)-\d{5}\.safetensors$/.test(name);

/** Starts a run; tells when it begins with its work, and ends it when asked. */
function run(root: string, to: string) {
  let kill: (signal: "SIGKILL") => void = () => {};
  let begin = () => {};
  const begun = new Promise<void>((resolve) => begin = resolve);
  const ended = start("prepare.ts", [`--from=${root}/ilsvrc`, `--to=${to}`, `--shard=${SHARD}`], {
    deno: ["run", "-q", "-P=prepare", "--no-check"],
    kill: new Promise((resolve) => kill = resolve),
    onError: begin,
  });
  return { begun: Promise.race([begun, ended]), ended, kill: () => kill("SIGKILL") };
}

test(`prepare: killed ${KILLS} times, it goes on to the same bytes`, () =>
  inFolder(async (root) => {
    await makeSets(root, TRAIN, VAL);
    const times = [performance.now()];
    const alone = run(root, `${root}/wanted`);
    await alone.begun;
    times.push(performance.now());
    const { code, stderr } = await alone.ended;
    assert.equal(code, 0, stderr);
    const [startup, work] = [times[1]! - times[0]!, performance.now() - times[1]!];
    const wanted = await contentsOf(`${root}/wanted`);
    const wantedShards = [...wanted.keys()].filter(isShard).length;

    /** The shards that are there are whole; gives their number and that of the files they were made from. */
    const check = async (to: string) => {
      // It may have been too early for a folder.
      const left = await contentsOf(to).catch(() => new Map<string, Uint8Array>());
      const shards = [...left].filter(([name]) => isShard(name));
      for (const [name, bytes] of shards) assert.deepEqual(bytes, wanted.get(name), name);
      const train = shards.filter(([name]) => name.startsWith("train")).length;
      const files = Math.min(TRAIN, train * SHARD) + Math.min(VAL, (shards.length - train) * SHARD);
      return { shards: shards.length, files, isWhole: left.has("index.json") };
    };
    /** The next run makes what is missing, and nothing else. */
    const finish = async (to: string) => {
      const { files } = await check(to);
      const resumed = await run(root, to).ended;
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(
        resumed.stderr,
        new RegExp(`^${TRAIN + VAL - files} files were decoded in this run,`, "m"),
      );
      assert.deepEqual(await contentsOf(to), wanted);
    };

    const found: number[] = [];
    let folder = 0;
    for (let i = 0; i < KILLS; i++) {
      const to = `${root}/killed-${folder}`;
      const before = await check(to);
      const { begun, ended, kill } = run(root, to);
      const early = Math.random() < EARLY;
      if (!early) await begun;
      // What is left takes some time to begin with, however little it is.
      const left = work * Math.max(0.5, 1 - before.shards / wantedShards);
      await sleep(Math.random() * (early ? startup : left));
      kill();
      await ended;
      const { shards, isWhole } = await check(to);
      assert.ok(shards >= before.shards);
      if (isWhole) assert.equal(shards, wantedShards);
      found.push(shards);
      // Another kill where this one was, as long as there is something left to do.
      if (shards < wantedShards / 2 && i < KILLS - 1) continue;
      await finish(to);
      folder++;
    }
    console.log(`prepare: killed when ${found.join(", ")} of ${wantedShards} shards were there`);
  }));
