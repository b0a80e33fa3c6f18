// What is in a folder of checkpoints: which are kept, and that nothing damaged is taken for one.

import fc from "fast-check";
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { DataError, encodeSafetensors, parseSafetensors } from "../../data/mod.ts";
import { type Device, device } from "../../mod.ts";
import {
  type CheckpointOptions,
  type GivenSettings,
  type JobSettings,
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
import { encodeManifest } from "../../train/manifest.ts";

const cpu: Device = await device("cpu");
const places: string[] = [];
after(() => Promise.all(places.map((place) => rm(place, { recursive: true }))));

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-checkpoint-"));
  places.push(folder);
  return folder;
}

const SETTINGS: JobSettings = {
  model: "lenet5",
  dataset: "synthetic",
  seed: 1,
  limit: 16,
  steps: 8,
  recipe: { batch: 4 },
};

async function run(
  checkpoint: CheckpointOptions,
  from?: string,
  settings: JobSettings = SETTINGS,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  const opened = from === undefined ? undefined : await openCheckpoint(from);
  const all = opened ? resumedSettings({ checkpoint }, opened) : { ...settings, checkpoint };
  await runJob(await prepareJob(all, opened), cpu, (event) => void events.push(event));
  return events;
}

const stepsIn = async (folder: string) =>
  (await readdir(folder)).filter((name) => name.startsWith("step-")).map((name) => Number(name.slice(5)))
    .sort((a, b) => a - b);

/** One run, of which each test damages a copy: checkpoints after steps 2, 4, 6 and 8. */
const made = await newFolder();
const happened = await run({ folder: made, every: 2, keep: 4 });

async function copyOfRun(): Promise<string> {
  const folder = await newFolder();
  await cp(made, folder, { recursive: true });
  return folder;
}

async function assertRefused(folder: string, message: RegExp): Promise<void> {
  await assert.rejects(openCheckpoint(folder), (error: unknown) => {
    assert(error instanceof DataError, `${error}`);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

/** Changes a manifest so that its own checksum is right. */
async function forge(path: string, change: (manifest: Record<string, never>) => unknown): Promise<void> {
  const file = join(path, "checkpoint.json");
  const { sha256: _, ...manifest } = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, await encodeManifest(change(manifest) as never));
}

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

test("checkpoints: a run begins where there are none, and where it can write", async () => {
  await assert.rejects(run({ folder: made }), (error) => error instanceof UsageError);
  const file = join(await newFolder(), "file");
  await writeFile(file, "");
  await assert.rejects(
    run({ folder: join(file, "inside") }),
    /DataError: .* cannot be (made|read) \(ENOTDIR\)/,
  );
});

test("resume: a run whose schedule does not go by its length can be made longer, or shorter", async () => {
  const [longer, once] = [await newFolder(), await newFolder()];
  const plateau: JobSettings = { ...SETTINGS, recipe: { batch: 4, schedule: "plateau", patience: 1 } };
  await run({ folder: longer, keep: 9 }, undefined, { ...plateau, steps: 6 });
  // More steps than it had, then fewer than that.
  for (const [more, steps] of [[{ recipe: { epochs: 4 } }, 16], [{ steps: 12 }, 12]] as const) {
    const opened = await openCheckpoint(join(longer, "step-6"));
    const job = await prepareJob(resumedSettings(more, opened), opened);
    const { steps: made } = await runJob(job, cpu, () => {});
    assert.equal(made, steps);
  }
  await run({ folder: once, keep: 9 }, undefined, { ...plateau, steps: 12 });
  const [extended, whole] = [await openCheckpoint(longer), await openCheckpoint(once)];
  assert.deepEqual(extended.model.tensors, whole.model.tensors);
  assert.deepEqual(extended.state, whole.state);
  assert.deepEqual(extended.manifest.position.schedule, whole.manifest.position.schedule);
  assert.deepEqual(extended.manifest.run, whole.manifest.run);
  const short: GivenSettings = { recipe: { epochs: 2 } };
  assert.throws(() => resumedSettings(short, extended), {
    name: "UsageError",
    message:
      `--epochs=2 asks for 8 steps in all, but ${extended.path} has made 12: go on from an earlier checkpoint`,
  });
  // The same length in other words is the same run.
  const same = resumedSettings({ recipe: { epochs: 3 } }, extended);
  assert.deepEqual([same.steps, same.recipe.epochs], [12, undefined]);
});

test("resume: what a run has anyway may be said, and what contradicts it may not", async () => {
  const checkpoint = await openCheckpoint(made);
  const { manifest, ...rest } = checkpoint;
  const { run } = manifest;
  const of = (settings: Partial<JobSettings>) => ({
    ...rest,
    manifest: { ...manifest, run: { ...run, settings: { ...run.settings, ...settings } } },
  });
  const plateau = of({ recipe: { ...run.settings.recipe, schedule: "plateau" } });
  const mini = of({ model: "alexnet_mini" });
  const bare = of({ model: "alexnet_mini", network: { lrn: false, pool: "plain" } });
  const same: [ReturnType<typeof of>, GivenSettings][] = [
    [of({}), { augment: "none", evalCrops: 1 }],
    [plateau, { recipe: { patience: 3 } }],
    [mini, { network: { towers: 2, activation: "relu", pool: "overlapping" } }],
    [bare, { network: { pool: "plain", towers: 2 } }],
  ];
  for (const [run, given] of same) {
    const { network, augment, recipe } = resumedSettings(given, run);
    const { settings } = run.manifest.run;
    assert.deepEqual([network, augment, recipe], [settings.network, settings.augment, settings.recipe]);
  }
  const others: [ReturnType<typeof of>, GivenSettings, RegExp][] = [
    [of({}), { evalCrops: 10 }, /^--eval-crops=10 contradicts .*, which has 1: leave it out$/],
    [plateau, { recipe: { patience: 2 } }, /^--patience=2 contradicts .*, which has 3: leave it out$/],
    [of({}), { recipe: { patience: 3 } }, /^--patience=3 contradicts .*, which was made without this flag/],
    [mini, { network: { towers: 1 } }, /^--towers=1 contradicts .*, which was made without this flag/],
    [bare, { network: { pool: "overlapping" } }, /^--pool=overlapping contradicts .*, which has plain/],
    [of({}), { network: { lrn: false } }, /^--no-lrn contradicts .*, which was made without this flag/],
  ];
  for (const [run, given, message] of others) {
    assert.throws(() => resumedSettings(given, run), (error: unknown) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("resume: settings are the checkpoint's, and what differs is refused", async () => {
  const checkpoint = await openCheckpoint(made);
  const resumed = (given: GivenSettings) => resumedSettings(given, checkpoint);
  const { settings } = checkpoint.manifest.run;
  const same = resumed({ model: "lenet5", seed: 1, steps: 8, recipe: { lr: 0.05, init: undefined } });
  assert.deepEqual(same, {
    ...settings,
    traceNaN: undefined,
    checkpoint: { folder: made, every: 2, keep: 4 },
  });
  assert.deepEqual(resumed({ checkpoint: { folder: made, keep: 1 } }).checkpoint, {
    folder: made,
    every: 2,
    keep: 1,
  });
  const cases: [GivenSettings, string][] = [
    [{ model: "alexnet_mini" }, "--model=alexnet_mini contradicts PATH, which has lenet5: leave it out"],
    [{ evalEvery: 5 }, "--eval-every=5 contradicts PATH, which was made without this flag: leave it out"],
    [{ recipe: { weightDecay: 0 } }, "--weight-decay=0 contradicts PATH, which has 0.0005: leave it out"],
    [
      { recipe: { epochs: 5 } },
      "--epochs=5 asks for 20 steps in all, but the linear schedule of PATH goes down over the 8 steps that its run was " +
      "made for: leave it out",
    ],
    [
      { network: { lrn: false } },
      "--no-lrn contradicts PATH, which was made without this flag: leave it out",
    ],
    [
      { augment: "crop" },
      "--augment=crop contradicts PATH, which has none: leave it out",
    ],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => resumed(given), (error: unknown) => {
      assert(error instanceof UsageError);
      assert.equal(error.message.replace(checkpoint.path, "PATH"), message);
      return true;
    });
  }
});
