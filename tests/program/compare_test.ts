// `train.ts --compare=cpu` on the sources as they are, and on a copy with a bug in the WebGPU kernel of the weight gradient.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lineOf, withBug } from "./planted.ts";
import { start } from "./start.ts";

const COMPARE = ["--backend=webgpu", "--compare=cpu", "--batch=2", "--limit=4"];

/** Of window element 7, the second group stores half: one tap of one group. */
const BUG = {
  file: "backends/webgpu/kernels/conv2d_weight.ts",
  right: `
  emitGemm(context, {
    a,
    ...windows,`,
  wrong: `
  const half = "select(1.0, 0.5, group == 1u && j / p.j2 == 7u)";
  const dispatch: typeof context.dispatch = (given) =>
    context.dispatch({ ...given, body: given.body.replace(/let v = (.*);/, \`let v = \${half} * $1;\`) });
  emitGemm({ ...context, dispatch }, {
    a,
    ...windows,`,
};

test("compare: the sources as they are are within their bounds", async () => {
  const { code, stdout, stderr } = await start("train.ts", [...COMPARE, "--steps=2"]);
  assert.deepEqual([code, stderr], [0, ""], stdout);
  for (const step of [1, 2]) {
    assert.match(stdout, new RegExp(`\\nstep ${step}: loss \\d`));
    assert.match(
      stdout,
      new RegExp(`\\nstep ${step}: every op of \\d+ is within its bound; .*, 0\\.\\d+ of it\\n`),
    );
  }
  assert.match(stdout, /\nconv2 +2x64x13x13 +\d/);
  assert.match(stdout, /\nconv2\.weight +64x16x5x5 +\d/);
  assert.match(stdout, /\ndone after 2 steps and /);
});

test("compare: a bug in one tap of one group of the weight gradient is named, with its layer and line", async () => {
  await withBug(BUG, async (run) => {
    const train = (args: readonly string[]) => run([...COMPARE, ...args]);
    const { code, stdout, stderr } = await train(["--steps=1"]);
    assert.equal(code, 1, stdout + stderr);
    // conv2, conv4 and conv5 have two groups; the backward pass reaches conv5 first, the graph is listed from conv1 on.
    const line = await lineOf("nn/layers.ts", "conv2d(x, cast(this.weight");
    const verdict = new RegExp(
      `step 1: conv2dParameterGradients \\(gradient of conv2dWithBias\\) leaves its bound: layer conv2, nn/layers\\.ts:${line} ` +
        "from train/step\\.ts:\\d+: element \\[(\\d+), \\d+, 1, 2\\] is (\\S+), should be (\\S+) \\+- \\S+ " +
        "\\(\\S+ times its bound\\)\\n",
    );
    assert.match(stderr, new RegExp(`^error: ${verdict.source}$`));
    const [, channel, got, want] = verdict.exec(stdout)!;
    assert(Number(channel) >= 32, `the second group has the channels from 32 on, not ${channel}`);
    assert(Math.abs(Number(got) / Number(want) - 0.5) < 1e-3, `${got} is not half of ${want}`);
    assert.match(stdout, /\nconv2\.weight +64x16x5x5 +\S+ +\S+ +!/);
    assert.match(stdout, /\nconv3\.weight +96x64x3x3 +\S+ +\S+ +[<0]/);
    assert(!stdout.includes("done after"));

    const json = await train(["--steps=1", "--json"]);
    const events = json.stdout.trimEnd().split("\n").map((text) => JSON.parse(text));
    assert.deepEqual([json.code, events.map(({ event }) => event)], [1, ["start", "compare"]]);
    const { op, gradientOf, layer, lines, message } = events[1].failure;
    assert.deepEqual([op, gradientOf, layer], ["conv2dParameterGradients", "conv2dWithBias", "conv2"]);
    assert(lines[0].startsWith(`nn/layers.ts:${line}:`));
    assert.equal(`error: step 1: ${message}\n`, json.stderr);
  });
});

test("compare: a bug that only fused kernels have is named, with the ops and their layers", async () => {
  // Where something between a convolution or product and what is stored is fused away, that is a thousandth too large.
  const bug = {
    file: "backends/webgpu/fused.ts",
    right: `[[head, rounded("head", head.dtype, width)]]`,
    wrong:
      `[[head, rounded(group.steps.length > group.stores.length ? "(head * 1.001)" : "head", head.dtype, width)]]`,
  };
  await withBug(bug, async (run) => {
    const { code, stdout, stderr } = await run([...COMPARE, "--steps=1", "--json"]);
    assert.equal(code, 1, stdout + stderr);
    const [, { failure }] = stdout.trimEnd().split("\n").map((text) => JSON.parse(text));
    assert.deepEqual([failure.op, failure.fused, failure.layer], ["conv2dWithBias+relu", true, "relu1"]);
    assert.match(
      failure.message,
      // Bun leaves the layer's own frame out: the last thing that the layer does is this call.
      /^conv2dWithBias\+relu of layers conv1, relu1 leaves its bound, only when fused: (nn\/\S+ from )?train\/step\.ts:\d+: element /,
    );
    assert.equal(stderr, `error: step 1: ${failure.message}\n`);
  });
});

test("compare: bad usage is one line and exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["--compare=webgpu"], /'webgpu' is invalid. Allowed choices are cpu/],
    [["--compare"], /argument missing/],
    [["--compare=cpu", "--epochs=2"], /--compare .* leave --epochs out/],
    [["--compare=cpu", "--eval-every=2"], /--compare .* leave --eval-every out/],
    [["--compare=cpu", "--trace-nan"], /--compare .* leave --trace-nan out/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await start("train.ts", args);
    assert.deepEqual([code, stdout], [2, ""], `${args}: ${stderr}`);
    assert.match(stderr, /^error: [^\n]+\n$/);
    assert.match(stderr, message);
  }
});
