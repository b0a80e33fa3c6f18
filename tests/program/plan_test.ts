// `train.ts --plan`: what a training step would do, without doing it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepPlan } from "../../debug/plan_table.ts";
import { start } from "./start.ts";

const plan = (...args: string[]) => start("train.ts", ["--plan", ...args]);

test("plan: a line a dispatch, the peak, and the device's memory", async () => {
  const { code, stdout, stderr } = await plan("--model=lenet5", "--batch=16");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^lenet5: 61,706 parameters, a training step of 16 images, planned for \S/);
  assert.match(stdout, /\n +0 {2}.*\n/);
  assert.match(stdout, /\n +\d+ {2}conv1 .*conv2d/);
  assert.match(stdout, /\n\d+ dispatches of \d+ pipelines; [\d.]+ GFLOP, \d+\.\d MB moved\n/);
  assert.match(stdout, /\n\d+\.\d MB live at the peak, in dispatch \d+ \(.+\):\n/);
  assert.match(stdout, /\n\d+\.\d MB of device memory:\n/);
  const brief = await plan("--model=lenet5", "--batch=16", "--quiet");
  assert.ok(
    brief.stdout.length < stdout.length && stdout.endsWith(brief.stdout.split("\n").slice(2).join("\n")),
  );
});

test("plan: AlexNet's step of 128 images is planned at once, and takes less than 1.5 GB", async () => {
  const { code, stdout, stderr } = await plan("--model=alexnet", "--batch=128", "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  const { event, model, batch, parameters, memory, dispatches, values } = JSON.parse(stdout) as StepPlan;
  assert.deepEqual([event, model, batch, parameters], ["plan", "alexnet", 128, 60_965_224]);
  assert.ok(memory.total < 1.5e9 && memory.total > 488e6, JSON.stringify(memory));
  assert.ok(dispatches.some(({ layer, ops }) => layer === "conv1 relu1" && ops === "conv2d+add+relu"));
  assert.ok(values.some(({ name, bytes }) => name === "relu1" && bytes === 4 * 128 * 96 * 55 * 55));
});

test("plan: bytes become what the network sees in one kernel, and no index of a pixel is stored", async () => {
  const { stdout } = await plan("--model=alexnet", "--augment=crop+pca", "--json");
  const { dispatches, values } = JSON.parse(stdout) as StepPlan;
  const crops = dispatches.filter(({ ops }) => ops.includes("crop"));
  assert.deepEqual(crops.map(({ ops }) => ops), ["crop+cast+sub+add"]);
  // All else that belongs to the input is about images, not pixels: keys, places, colours.
  const made = values.filter(({ first }) => dispatches[first]!.layer === "input").map(({ bytes }) => bytes);
  const [pixels, next] = made.sort((a, b) => b - a);
  assert.deepEqual([pixels, next! <= 4 * 128 * 3], [4 * 128 * 3 * 224 * 224, true]);
  assert.ok(dispatches.filter(({ layer }) => layer === "input").length <= 10);
});

test("plan: the drawing goes to stdout, since nothing may be written", async () => {
  const { code, stdout, stderr } = await start("train.ts", ["--model=lenet5", "--plan=svg"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^<svg xmlns="[^"]+" viewBox="[^"]+"[^>]*>\n[^]*<\/svg>\n$/);
});

test("plan: what trains, or says on what, is refused", async () => {
  const cases: [string[], RegExp][] = [
    [["--backend=cpu"], /the CPU backend makes no plans: leave --backend out/],
    [["--plan=picture"], /'picture' is invalid. Allowed choices are table, svg/],
    [["--plan=svg", "--json"], /--plan=svg and --json: use one of them/],
    [["--tune=cached"], /--plan goes by guesses, .*: leave --tune out/],
    [["--tune=on"], /leave --tune out/],
    [["--steps=3"], /--plan trains nothing: leave --steps out/],
    [["--report=x"], /--plan trains nothing: leave --report out/],
    [["--tensorboard=x"], /--plan trains nothing: leave --tensorboard out/],
    [["--model=lenet5", "--dropout=0.5"], /lenet5 has no dropout, leave the flag out/],
    [["--epochs=3"], /leave --epochs out/],
    [["--limit=3"], /leave --limit out/],
    [["--eval-every=3"], /leave --eval-every out/],
    [["--eval-crops=10"], /leave --eval-crops out/],
    [["--model=lenet5", "--augment=crop+pca"], /lenet5 takes grey images, use --augment=crop/],
    [["--compare=cpu"], /leave --compare out/],
    [["--trace-nan"], /leave --trace-nan out/],
    [["--check-gradients"], /leave --check-gradients out/],
    [["--data=."], /leave --data out/],
    [["--full"], /leave --full out/],
    [["--mirror=http://localhost"], /leave --mirror out/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await plan(...args);
    assert.deepEqual([code, stdout], [2, ""], `${args}`);
    assert.match(stderr, /^error: [^\n]+\n$/);
    assert.match(stderr, message);
  }
});
