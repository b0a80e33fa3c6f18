// What is in a folder of checkpoints: which are kept, and that nothing damaged is taken for one.

import fc from "fast-check";
import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { DataError, encodeSafetensors, parseSafetensors } from "../../data/mod.ts";
import {
  openCheckpoint,
  prepareJob,
  readHistory,
  readModelFile,
  resumedSettings,
  runJob,
  type StartEvent,
  type TrainEvent,
  UsageError,
} from "../../train/mod.ts";
import {
  assertRefused,
  copyOfRun,
  cpu,
  forge,
  happened,
  made,
  newFolder,
  run,
  SETTINGS,
  stepsIn,
} from "./checkpoint_run.ts";

test("checkpoints: what a folder has, and what the files say", async () => {
  assert.deepEqual((await readdir(made)).sort(), ["history.jsonl", "step-2", "step-4", "step-6", "step-8"]);
  const { manifest, model, state } = await openCheckpoint(made);
  assert.deepEqual(model.metadata, { format: "pt", model: "lenet5" });
  assert.deepEqual(model.tensors.get("conv1.weight")!.shape, [6, 1, 5, 5]);
  assert.deepEqual([...state.tensors.keys()], [...model.tensors.keys()].map((name) => `velocity.${name}`));
  const { position, run: { steps, stepsPerEpoch, backend, settings } } = manifest;
  assert.deepEqual([position.step, position.epochs, position.evaluatedAt], [8, 2, 8]);
  assert.deepEqual([steps, stepsPerEpoch, backend, settings.recipe.lr], [8, 4, "cpu", 0.05]);
  // The history has everything, in order: also the end, which no checkpoint has.
  assert.deepEqual(await readHistory(made), JSON.parse(JSON.stringify(happened)));
  assert.deepEqual(
    await readHistory(made, manifest.history.bytes),
    JSON.parse(JSON.stringify(happened)).slice(0, -1),
  );
});

test("checkpoints: what prediction needs besides the parameters is in the model's file", async () => {
  const folder = await newFolder();
  const classNames = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
  const mean = Float32Array.from({ length: 28 * 28 }, (_, i) => i / 4);
  const eigenvectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const statistics = { mean, eigenvalues: [3, 2, 1], eigenvectors };
  const go = async (from?: string) => {
    const opened = from === undefined ? undefined : await openCheckpoint(from);
    const settings = opened ? resumedSettings({}, opened) : { ...SETTINGS, checkpoint: { folder, every: 2 } };
    const job = await prepareJob(settings, opened);
    const load: typeof job.load = async (key) => ({ ...await job.load(key), statistics, classNames });
    await runJob({ ...job, load }, cpu, () => {});
    return await openCheckpoint(folder);
  };
  const { model, state } = await go();
  assert.deepEqual(model.metadata, { format: "pt", model: "lenet5", classNames: JSON.stringify(classNames) });
  const stored = model.tensors.get("input.mean")!;
  assert.deepEqual([stored.dtype, stored.shape], ["F32", [1, 28, 28]]);
  assert.deepEqual(new Float32Array(stored.data.slice().buffer), mean);
  const again = await go(join(folder, "step-4"));
  assert.deepEqual([again.model, again.state], [model, state]);
});

test("checkpoints: the last ones and the best are kept", async () => {
  const folder = await newFolder();
  const events = await run({ folder, keep: 2 }, undefined, {
    ...SETTINGS,
    steps: 24,
    recipe: { batch: 4, lr: 0.3 },
  });
  const measured = events.filter((event) => event.event === "eval");
  const best = measured.reduce((a, b) => b.accuracy > a.accuracy ? b : a);
  assert.deepEqual(await stepsIn(folder), [...new Set([best.step, 20, 24])].sort((a, b) => a - b));
  assert.deepEqual((await openCheckpoint(folder)).manifest.best, {
    step: best.step,
    accuracy: best.accuracy,
  });
  assert.equal((await readModelFile(folder)).path, join(folder, `step-${best.step}`, "model.safetensors"));
  const newest = join(folder, "step-24");
  assert.equal((await readModelFile(newest)).path, join(newest, "model.safetensors"));
  const file = join(newest, "model.safetensors");
  assert.deepEqual([...(await readModelFile(file)).tensors.keys()].slice(0, 2), [
    "conv1.weight",
    "conv1.bias",
  ]);
});

test("checkpoints: from an older one to the same end, and what was made after it is made again", async () => {
  const folder = await copyOfRun();
  const events = await run({ folder }, join(folder, "step-4"));
  assert.deepEqual(events.flatMap((event) => event.event === "step" ? [event.step] : []), [5, 6, 7, 8]);
  const [before, now] = [await openCheckpoint(made), await openCheckpoint(folder)];
  assert.deepEqual(now.model, before.model);
  assert.deepEqual(now.state, before.state);
  const without = (events: TrainEvent[]) =>
    events.map((event) => ({ ...event, imagesPerSecond: 0, seconds: 0 }));
  assert.deepEqual(without(await readHistory(folder)), without(await readHistory(made)));
  assert.deepEqual(await stepsIn(folder), [2, 4, 6, 8]);
});

test("checkpoints: a file that was cut off or changed anywhere is refused, and the one before named", async () => {
  const folder = await copyOfRun();
  const [six, eight] = [join(folder, "step-6"), join(folder, "step-8")];
  const hint = `; --resume=${six} goes on from the one before it`;
  for (const name of ["model.safetensors", "state.safetensors", "checkpoint.json"]) {
    const path = join(eight, name);
    const whole = new Uint8Array(await readFile(path));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (place, change) => {
        await writeFile(path, whole.map((byte, i) => i === place ? byte ^ change : byte));
        await assertRefused(folder, new RegExp(`${basename(path)}: is .*${hint.replaceAll("/", ".")}$`));
        await writeFile(path, whole.subarray(0, place));
        await assertRefused(folder, new RegExp(`${basename(path)}: is .*${hint.replaceAll("/", ".")}$`));
      }),
      { numRuns: 8 },
    );
    await rm(path);
    await assertRefused(folder, /cannot be read \(ENOENT\); --resume=.*step-6 goes on/);
    await writeFile(path, whole);
  }
  await openCheckpoint(folder);
  // Where the one before is damaged too, the next one is named; where all are, that is said.
  await truncate(join(eight, "model.safetensors"), 100);
  await truncate(join(six, "model.safetensors"), 100);
  await assertRefused(folder, /truncated: it has 100 bytes, wants \d+; --resume=.*step-4 goes on/);
  for (const step of [2, 4]) await rm(join(folder, `step-${step}`), { recursive: true });
  await assertRefused(folder, /truncated: .*; no checkpoint before it is whole$/);
});

test("checkpoints: a damaged history is refused", async () => {
  const folder = await copyOfRun();
  const path = join(folder, "history.jsonl");
  const whole = await readFile(path, "utf8");
  await writeFile(path, whole.replace('"step":3', '"step":4'));
  await assertRefused(
    folder,
    /history.jsonl: is damaged: .*; --resume=.*step-8, which is whole, goes on with a new history, --resume=.*step-2 with this one up to there$/,
  );
  await writeFile(path, whole.slice(0, 300));
  await assertRefused(folder, /history.jsonl: is truncated/);
  await rm(path);
  await assertRefused(
    folder,
    /history.jsonl: cannot be read \(ENOENT\); --resume=.*step-8, .* a new history$/,
  );
  // What a process that was killed wrote after the checkpoint is no damage.
  await writeFile(path, whole + '{"event":"st');
  assert.equal((await readHistory(folder)).length, happened.length);
  await run({ folder }, folder);
  assert.deepEqual((await readHistory(folder)).length, happened.length);
});

test("checkpoints: without its history a run goes on from the checkpoint that is named", async () => {
  const damages: ((path: string, whole: string) => Promise<void>)[] = [
    (path) => rm(path),
    (path, whole) => writeFile(path, whole.replace('"step":3', '"step":4')),
  ];
  for (const [i, damage] of damages.entries()) {
    const folder = await copyOfRun();
    const path = join(folder, "history.jsonl");
    await damage(path, await readFile(path, "utf8"));
    const damaged = await readFile(path, "utf8").catch(() => null);
    const opened = await openCheckpoint(join(folder, "step-4"));
    assert.match(opened.lostHistory!, /history.jsonl: (cannot be read|is damaged)/);
    await run({ folder }, join(folder, "step-4"));
    const again = await openCheckpoint(folder);
    assert.equal(again.lostHistory, null);
    const before = await openCheckpoint(made);
    assert.deepEqual([again.model, again.state], [before.model, before.state]);
    const [first, ...others] = await readHistory(folder);
    assert.deepEqual([first!.event, (first as StartEvent).resumedAt], ["start", 4]);
    assert.deepEqual(others.flatMap((each) => each.event === "step" ? [each.step] : []), [5, 6, 7, 8]);
    // What was damaged is still there for whoever wants to mend it.
    const aside = await readFile(join(folder, "history.lost.jsonl"), "utf8").catch(() => null);
    assert.equal(aside, damaged, `${i}`);
  }
});

test("checkpoints: a network is read where it is whole, and else those that are are named", async () => {
  const folder = await copyOfRun();
  const eight = join(folder, "step-8");
  const refused = async (path: string, message: RegExp) =>
    await assert.rejects(readModelFile(path), (error: unknown) => {
      assert(error instanceof DataError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  await truncate(join(eight, "checkpoint.json"), 100);
  const named =
    /step-8.checkpoint\.json: is damaged: it is not JSON; whole: \S+step-6, \S+step-4, \S+step-2$/;
  await refused(folder, named);
  await refused(eight, named);
  await readModelFile(join(folder, "step-6"));
  for (const step of [2, 4, 6]) await rm(join(folder, `step-${step}`), { recursive: true });
  await refused(folder, /it is not JSON; no other is whole$/);
  await writeFile(join(eight, "checkpoint.json"), "{}");
  await assertRefused(folder, /checkpoint\.json: is damaged: it has no SHA-256 of its own; no checkpoint/);
  const file = join(eight, "model.safetensors");
  await assertRefused(file, /model\.safetensors: is a file, and a checkpoint is a folder: \S+step-8$/);
  await assertRefused(
    join(folder, "history.jsonl"),
    /history\.jsonl: is a file, and a checkpoint is a folder$/,
  );
});

test("checkpoints: of another network, other images or another format", async () => {
  const cases: [RegExp, (path: string) => Promise<void>][] = [
    [
      /step-8: is the checkpoint after 7 steps/,
      (path) => forge(path, (manifest) => ({ ...manifest, position: { step: 7 } })),
    ],
    [
      /is of format 2, and this version reads format 1/,
      (path) => forge(path, (manifest) => ({ ...manifest, format: 2 })),
    ],
    [
      /other images: on synthetic with 16 and 64 images \(SHA-256 0{12}\), these are synthetic with/,
      (path) =>
        forge(path, ({ run, ...manifest }: Record<string, Record<string, unknown>>) => ({
          ...manifest,
          run: { ...run, data: { ...run!["data"] as object, sha256: "0".repeat(64) } },
        })),
    ],
    [
      /model.safetensors: conv1.weight is F32 \[6, 25\], lenet5 wants F32 \[6, 1, 5, 5\]/,
      (path) =>
        replace(
          path,
          (name, tensor) => [name, name === "conv1.weight" ? { ...tensor, shape: [6, 25] } : tensor],
        ),
    ],
    [
      /model.safetensors: has no conv1.weight, which lenet5 wants/,
      (path) => replace(path, (name, tensor) => [name.replace("conv1.weight", "first.weight"), tensor]),
    ],
  ];
  for (const [message, change] of cases) {
    const folder = await copyOfRun();
    await change(join(folder, "step-8"));
    const before = await filesOf(folder);
    await assert.rejects(run({ folder }, folder), (error: unknown) => {
      assert(error instanceof DataError, `${error}`);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.deepEqual(await filesOf(folder), before, "nothing was touched");
  }
});

type Entry = [
  string,
  { readonly dtype: string; readonly shape: readonly number[]; readonly data: Uint8Array },
];

/** Replaces a model's file by another sound one, checksums included. */
async function replace(path: string, change: (...entry: Entry) => Entry): Promise<void> {
  const file = join(path, "model.safetensors");
  const { tensors, metadata } = parseSafetensors(await readFile(file), file);
  const bytes = encodeSafetensors(new Map([...tensors].map((entry) => change(...entry))), metadata);
  await writeFile(file, bytes);
  const { createHash } = await import("node:crypto");
  const note = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  await forge(path, ({ files, ...manifest }: Record<string, object>) => ({
    ...manifest,
    files: { ...files, "model.safetensors": note },
  }));
}

async function filesOf(folder: string): Promise<[string, string][]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  const read = async (name: string): Promise<[string, string]> => [
    name,
    await readFile(join(folder, name), "latin1").catch(() => "a folder"),
  ];
  return await Promise.all(names.map(read));
}

test("checkpoints: what killed processes have left is swept away or put back, and nothing else", async () => {
  const folder = await copyOfRun();
  await rename(join(folder, "step-8"), join(folder, "step-8.aside"));
  await cp(join(folder, "step-6"), join(folder, "step-6.aside"), { recursive: true });
  for (const name of ["step-9.0123abcd.tmp", "step-2.aside.0123abcd.tmp", "notes.tmp", "step-1.tmp"]) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "model.safetensors"), "half");
  }
  await run({ folder, keep: 4 }, join(folder, "step-6"));
  const names = ["history.jsonl", "notes.tmp", "step-1.tmp", "step-2", "step-4", "step-6", "step-8"];
  assert.deepEqual((await readdir(folder)).sort(), names);
});

test("checkpoints: one that lost its name when its process was killed is there all the same", async () => {
  const folder = await copyOfRun();
  for (const step of [6, 8]) await rm(join(folder, `step-${step}`), { recursive: true });
  for (const step of [2, 4]) await rename(join(folder, `step-${step}`), join(folder, `step-${step}.aside`));
  // Nor does another run begin there, which would delete it.
  await assert.rejects(run({ folder }), /^UsageError: .* has the checkpoints of another run/);
  for (const path of [folder, join(folder, "step-4")]) {
    const { manifest, model } = await openCheckpoint(path);
    assert.equal(manifest.position.step, 4);
    const { path: file, tensors } = await readModelFile(join(folder, "step-4"));
    assert.deepEqual([file, tensors], [join(folder, "step-4.aside", "model.safetensors"), model.tensors]);
  }
  await run({ folder }, folder);
  const [before, now] = [await openCheckpoint(made), await openCheckpoint(folder)];
  assert.deepEqual([now.model, now.state], [before.model, before.state]);
  assert.deepEqual((await readdir(folder)).sort(), [
    "history.jsonl",
    ...[2, 4, 6, 8].map((step) => `step-${step}`),
  ]);
});

test("checkpoints: a run begins where there are none, and where it can write", async () => {
  await assert.rejects(run({ folder: made }), (error) => error instanceof UsageError);
  const file = join(await newFolder(), "file");
  await writeFile(file, "");
  await assert.rejects(
    run({ folder: join(file, "inside") }),
    /DataError: .* cannot be (made|read) \(ENOTDIR\)/,
  );
});
