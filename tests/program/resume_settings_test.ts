// What a run that goes on may be told, and what it may not.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  type GivenSettings,
  type JobSettings,
  openCheckpoint,
  prepareJob,
  resumedSettings,
  runJob,
  UsageError,
} from "../../train/mod.ts";
import { cpu, made, newFolder, run, SETTINGS } from "./checkpoint_run.ts";

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
