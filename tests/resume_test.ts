// A run that was stopped after any step and goes on is the run that was never stopped: the same events, the same bits.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredTensor } from "../data/mod.ts";
import { synthetic } from "../data/mod.ts";
import { type Device, foldIn, nn, randomKey } from "../mod.ts";
import { makeSchedule, type Position, type Restored, SGD, train, type TrainEvent } from "../train/mod.ts";
import { assignStates, checkStates, readStates } from "../train/stored_state.ts";
import { devices } from "./devices.ts";

const all = await devices();

/** A checkpoint in memory. */
interface Kept {
  readonly position: Position;
  readonly parameters: ReadonlyMap<string, StoredTensor>;
  readonly others: ReadonlyMap<string, StoredTensor>;
}

interface TinyRun {
  /** All steps and evaluations, without what differs from run to run. */
  readonly events: readonly unknown[];
  /** After which events each checkpoint was kept, and what. */
  readonly kept: readonly { readonly events: number; readonly checkpoint: Kept }[];
  readonly interrupted: boolean;
}

interface TinyOptions {
  readonly precision?: "f32" | "f16";
  readonly every?: number;
  readonly from?: Kept;
  /** Called with each event; may stop the run. */
  readonly onEvent?: (event: TrainEvent, stop: (reason: string) => void) => void;
}

const STEPS = 11;

/** 11 steps, 2 an epoch; dropout, a schedule that remembers, evaluations within and after epochs. */
async function tinyRun(device: Device, options: TinyOptions = {}): Promise<TinyRun> {
  const { precision = "f32", every, from, onEvent } = options;
  const key = randomKey(5, { device });
  const dataset = await synthetic({ key, shape: [1, 8, 8], classes: 4, trainCount: 18, testCount: 10 });
  const model = new nn.Sequential({
    flatten: new nn.Flatten(),
    hidden: new nn.Linear(64, 8, { key: foldIn(key, 10) }),
    relu: new nn.ReLU(),
    dropout: new nn.Dropout({ p: 0.25 }),
    output: new nn.Linear(8, 4, { key: foldIn(key, 11) }),
  });
  const controller = new AbortController();
  const events: unknown[] = [];
  const kept: { events: number; checkpoint: Kept }[] = [];
  const restored: Restored | undefined = from && {
    position: from.position,
    restore(states) {
      checkStates(states.parameters, from.parameters, "memory", "the network");
      checkStates(states.others, from.others, "memory", "training");
      assignStates(states.parameters, from.parameters);
      assignStates(states.others, from.others);
      return Promise.resolve();
    },
  };
  const { interrupted } = await train({
    device,
    model,
    dataset,
    optimiser: new SGD(model.parameters().values()),
    schedule: makeSchedule("plateau", 0.5),
    batch: 8,
    precision,
    steps: STEPS,
    evalEvery: 3,
    stepKey: randomKey(1, { device }),
    shuffleKey: randomKey(2, { device }),
    keeper: {
      every,
      async save(position, { parameters, others }) {
        kept.push({
          events: events.length,
          checkpoint: {
            // As it comes back from a file.
            position: JSON.parse(JSON.stringify(position)) as Position,
            parameters: await readStates(parameters, device),
            others: await readStates(others, device),
          },
        });
      },
    },
    from: restored,
    report: (event) => {
      if (event.event === "step" || event.event === "eval") {
        const { imagesPerSecond: _, ...rest } = event as typeof event & { imagesPerSecond?: number };
        events.push(rest);
      }
      onEvent?.(event, (reason) => controller.abort(reason));
    },
    signal: controller.signal,
  });
  return { events, kept, interrupted };
}

const last = ({ kept }: TinyRun) => kept.at(-1)!.checkpoint;

for (const device of all) {
  for (const wanted of ["f32", "f16"] as const) {
    test(`resume: from every checkpoint to the same end, ${device.name}, ${wanted}`, async () => {
      // SwiftShader has no f16: then it is f32 twice.
      const precision = device.supports(wanted) ? wanted : "f32";
      const whole = await tinyRun(device, { precision, every: 1 });
      const steps = whole.kept.map(({ checkpoint: { position: { step } } }) => step);
      assert.deepEqual(steps, Array.from({ length: STEPS }, (_, i) => i + 1));
      // WebGPU compiles each run's plans: some of them will do.
      const some = device.name === "cpu" ? whole.kept : [whole.kept[4]!, whole.kept[7]!];
      for (const { events, checkpoint } of some) {
        const rest = await tinyRun(device, { precision, from: checkpoint });
        const what = `from step ${checkpoint.position.step}`;
        assert.deepEqual(rest.events, whole.events.slice(events), what);
        if (checkpoint.position.step < STEPS) assert.deepEqual(last(rest), last(whole), what);
        else assert.deepEqual(rest.kept, [], "what is there is not kept again");
      }
    });
  }
}

test("resume: stopped by a signal at any moment, to the same end", async () => {
  const device = all[0]!;
  const whole = await tinyRun(device);
  assert.equal(whole.interrupted, false);
  for (const [i, reason] of ["SIGINT", "SIGTERM"].entries()) {
    // The signal comes while the step or the evaluation after it is reported.
    for (let at = i; at < whole.events.length; at += 2) {
      let seen = 0;
      const onEvent: TinyOptions["onEvent"] = ({ event }, stop) => {
        if ((event === "step" || event === "eval") && seen++ === at) stop(reason);
      };
      const stopped = await tinyRun(device, { onEvent });
      const { events, checkpoint } = stopped.kept.at(-1)!;
      const rest = await tinyRun(device, { from: checkpoint });
      const what = `${reason} at event ${at}, kept at step ${checkpoint.position.step}`;
      assert.deepEqual([...stopped.events.slice(0, events), ...rest.events], whole.events, what);
      assert.deepEqual(last(rest.kept.length > 0 ? rest : stopped), last(whole), what);
    }
  }
});

test("resume: SIGTERM during an evaluation gives it up, and whoever goes on makes it", async () => {
  const device = all[0]!;
  const whole = await tinyRun(device);
  const stopped = await tinyRun(device, {
    onEvent(event, abort) {
      // Step 8 ends an epoch: its evaluation begins once its loss was told.
      if (event.event === "step" && event.step === 8) abort("SIGTERM");
    },
  });
  const { events, checkpoint } = stopped.kept.at(-1)!;
  const { step, epochs, evaluatedAt } = checkpoint.position;
  assert.deepEqual([step, epochs, evaluatedAt], [8, 3, 6]);
  assert.equal(stopped.interrupted, true);
  const rest = await tinyRun(device, { from: checkpoint });
  assert.deepEqual([...stopped.events.slice(0, events), ...rest.events], whole.events);
  // The checkpoint after step 8 is kept once more, now with its evaluation.
  assert.deepEqual(rest.kept.map((kept) => kept.checkpoint.position.step), [8, 10, 11]);
});
