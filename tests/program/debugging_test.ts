// `train.ts --trace-nan` and `--check-gradients`, on the sources as they are, and on copies in which a bug is planted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bug, lineOf, withBug } from "./planted.ts";
import { type Outcome, start } from "./start.ts";

const TRACE = ["--trace-nan", "--backend=cpu", "--batch=8", "--limit=32"];
const CHECK = ["--check-gradients", "--batch=1", "--limit=1"];

/** Runs the program with a bug. */
const planted = (bug: Bug, args: readonly string[]) => withBug(bug, (train) => train(args));

test("--trace-nan: a learning rate that is too large", async () => {
  const { code, stderr } = await start("train.ts", [...TRACE, "--model=lenet5", "--lr=1e30"]);
  assert.equal(code, 1);
  const line = await lineOf("train/sgd.ts", "w.mul(decay(w))");
  assert.match(
    stderr,
    new RegExp(
      `^error: the new content of velocity of conv1\\.weight is not finite at step 2: ` +
        `mul \\(layer conv1\\.weight, train/sgd\\.ts:${line}\\) gives -?Infinity at \\[\\d, \\d, \\d, \\d\\] while its ` +
        `operands are finite: conv1\\.weight \\[6, 1, 5, 5\\] -\\S+ to \\S+, f32 \\[6, 1, 5, 5\\] \\S+\\n$`,
    ),
  );
});

test("--trace-nan: a network without a mistake is trained as usual", async () => {
  const run = (flags: readonly string[]) =>
    start("train.ts", [...flags, "--model=lenet5", "--steps=3", "--json"]);
  const [traced, plain] = [await run(TRACE), await run(TRACE.slice(1))];
  assert.deepEqual([traced.code, traced.stderr], [0, ""]);
  const losses = ({ stdout }: Outcome) =>
    stdout.trimEnd().split("\n").map((line) => (JSON.parse(line) as { loss?: number }).loss);
  assert.deepEqual(losses(traced), losses(plain));
});

test("--trace-nan: a normalisation by zero is named, with the layer and the op inside", async () => {
  const bug = {
    file: "nn/models/build.ts",
    right: "new LocalResponseNorm({ groups: row.groups })",
    wrong: "new LocalResponseNorm({ groups: row.groups, k: 0 })",
  };
  const { code, stderr } = await planted(bug, TRACE);
  assert.equal(code, 1, stderr);
  const line = await lineOf("nn/functional_layers.ts", "return localResponseNorm(");
  assert.match(
    stderr,
    new RegExp(
      // Bun leaves the layer's own frame out: the last thing that the layer does is this call.
      `^error: the loss is not finite at step 1: localResponseNorm \\(layer norm1, ` +
        `(nn/functional_layers\\.ts:${line} from )?train/step\\.ts:\\d+\\) gives NaN at \\[\\d, \\d+, \\d+, \\d+\\] while its operand is finite: ` +
        `f32 \\[8, 32, 28, 28\\] 0 to \\S+; inside of it, pow gives Infinity at .* 0 to \\S+, f32 \\[8, 32, 28, 28\\] -0.75\\n$`,
    ),
  );
});

test("--check-gradients: the networks as they are", async () => {
  for (const [model, count] of [["lenet5", 10], ["alexnet_mini", 16]] as const) {
    const { code, stdout, stderr } = await start("train.ts", [...CHECK, `--model=${model}`]);
    assert.deepEqual([code, stderr], [0, ""], stdout);
    assert.match(stdout, /^\w+: the loss of 1 images of fashion-mnist is \d\.\d+, seed 0\nparameter +shape /);
    assert.match(
      stdout,
      /\nconv2\.weight +\[\d+, \d+, 5, 5\] +\[\d+, \d+, \d, \d\] +-?\d\.\d+e\S+ +-?\d\.\d+e\S+ +\S+\n/,
    );
    assert.equal(stdout.split("moved as a whole").length, 1 + count);
    assert.match(stdout, /\nall \d+ gradients agree within 1e-6, the worst error is \d\.\de-\d+\n$/);
  }
  const quiet = await start("train.ts", [...CHECK, "--model=lenet5", "--dataset=synthetic", "--quiet"]);
  assert.match(quiet.stdout, /^all \d+ gradients agree [^\n]*\n$/);
});

test("--check-gradients: a bug in the gradient of a composite is found, between two layers", async () => {
  const bug = {
    file: "tensor/ops/normalize.ts",
    right: "mul(mul(wide, 2 * alpha * beta), sums)",
    wrong: "mul(mul(wide, alpha * beta), sums)",
  };
  const { code, stdout, stderr } = await planted(bug, CHECK);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /^error: 12 of 48 gradients are wrong, worst that of conv[12]\.\w+, element \[[\d, ]+\]: it is -?\d\S+, the central difference -?\d\S+ \(error \d\.\d\de-[45], tolerance 1e-6\); wrong in conv1\.weight, conv1\.bias, conv2\.weight, conv2\.bias: look at conv2, relu2, norm2, pool2, conv3\n$/,
  );
  assert.match(stdout, /\nconv2\.weight .* WRONG\n/);
  assert.match(stdout, /\nconv3\.weight .*e-\d+\n/);
  assert.match(stdout, /\n36 of 48 gradients agree within 1e-6, the worst error is \S+e-[45]\n$/);
});

test("--check-gradients: a bug in the gradient of relu is found, in JSON lines", async () => {
  const bug = {
    file: "tensor/ops/elementwise/elementary.ts",
    right: "(g, { outputs: [y] }) => [where(greater(y!, 0), g, 0)]",
    wrong: "(g, { outputs: [y] }) => [where(greater(y!, -1), g, 0)]",
  };
  const { code, stdout, stderr } = await planted(bug, [...CHECK, "--json"]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error: .*: look at fc7, relu7, dropout7, fc8\n$/);
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([events[0].event, events[0].batch, events.at(-1).event], ["start", 1, "done"]);
  const slopes = events.slice(1, -1);
  assert.equal(slopes.length, events.at(-1).gradients);
  assert.deepEqual([...new Set(slopes.map(({ parameter }) => parameter))], Object.keys(events[0].shapes));
  const right = slopes.filter(({ agrees }) => agrees).map(({ parameter }) => parameter as string);
  assert.ok(right.includes("fc8.weight") && right.includes("fc8.bias"));
  assert.equal(right.length, events.at(-1).agree);
});

test("--check-gradients: bad usage is one line and exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["--steps=3"], /--check-gradients trains nothing: leave --steps out/],
    [["--momentum=0"], /leave --momentum out/],
    [["--trace-nan"], /leave --trace-nan out/],
    [["--compare=cpu"], /leave --compare out/],
    [["--backend=webgpu"], /--check-gradients wants f64, which only the CPU has/],
    [["--limit=0"], /whole number from 1/],
    [["--model=alexnet"], /use --dataset=synthetic/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await start("train.ts", ["--check-gradients", ...args]);
    assert.deepEqual([code, stdout], [2, ""], `${args}: ${stderr}`);
    assert.match(stderr, /^error: [^\n]+\n$/);
    assert.match(stderr, message);
  }
});
