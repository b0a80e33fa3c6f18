// The command line, as a user starts it: what it prints, and how it ends.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type Outcome, root, start, type StartOptions } from "./start.ts";

const train = (args: readonly string[], onOutput?: StartOptions["onOutput"]) =>
  start("train.ts", args, onOutput ? { onOutput } : {});

interface Line {
  readonly event: string;
  readonly step?: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly interrupted?: boolean;
}

const linesOf = (stdout: string) => stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);

/** A short run that any machine can do. */
const SHORT = ["--backend=cpu", "--model=lenet5", "--dataset=synthetic", "--batch=16", "--json"];

async function assertRefused(args: readonly string[], code: number, message: RegExp): Promise<void> {
  const outcome = await train(args);
  const what = `${args.join(" ")}: ${JSON.stringify(outcome)}`;
  assert.equal(outcome.code, code, what);
  assert.equal(outcome.stdout, "", what);
  assert.match(outcome.stderr, /^error: [^\n]+\n$/, what);
  assert.match(outcome.stderr, message, what);
}

test("cli: bad usage is one line and exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["--bach=3"], /unknown option '--bach=3'/],
    [["fashion"], /too many arguments/],
    [["--model=vgg"], /'vgg' is invalid. Allowed choices are alexnet, alexnet_mini, alexnet_owt, lenet5/],
    [["--dataset=cifar"], /'cifar' is invalid/],
    [["--backend=cuda"], /'cuda' is invalid/],
    [["--gpu=metal"], /'metal' is invalid/],
    [["--tune=yes"], /'yes' is invalid/],
    [["--tune=on", "--backend=cpu"], /--tune chooses WebGPU's kernels, .*: leave --tune out/],
    [["--tune=cached", "--check-gradients"], /--tune chooses WebGPU's kernels, .*: leave --tune out/],
    [["--init=zeros"], /'zeros' is invalid/],
    [["--augment=flip"], /'flip' is invalid. Allowed choices are none, crop, crop\+pca/],
    [["--augment=crop+pca"], /--augment=crop\+pca: alexnet_mini takes grey images, use --augment=crop/],
    [["--eval-crops=5"], /'5' is invalid. Allowed choices are 1, 10/],
    [["--eval-crops=10", "--compare=cpu"], /leave --eval-crops out/],
    [["--eval-crops=10", "--check-gradients"], /leave --eval-crops out/],
    [["--model=lenet5", "--towers=1"], /lenet5 has no towers: leave the flag out/],
    [["--model=lenet5", "--no-lrn"], /lenet5 has no local response normalisation/],
    [["--model=lenet5", "--pool=plain"], /lenet5 has no pooling that overlaps/],
    [["--model=lenet5", "--activation=tanh"], /lenet5 has no ReLU/],
    [["--precision=half"], /'half' is invalid. Allowed choices are f32, f16/],
    [["--precision=f16", "--check-gradients"], /--check-gradients trains nothing: leave --precision out/],
    [["--batch=0"], /'0' is invalid. It must be a whole number from 1/],
    [["--batch=1.5"], /whole number from 1/],
    [["--batch="], /whole number from 1/],
    [["--batch"], /argument missing/],
    [["--epochs=-1"], /whole number from 1/],
    [["--steps=many"], /whole number from 1/],
    [["--limit=0"], /whole number from 1/],
    [["--eval-every=0"], /whole number from 1/],
    [["--lr=NaN"], /'NaN' is invalid. It must be a number above 0/],
    [["--lr=0"], /above 0/],
    [["--schedule=cosine"], /Allowed choices are plateau, linear/],
    [["--patience=2"], /--patience is what --schedule=plateau has/],
    [["--lr=Infinity"], /above 0/],
    [["--momentum=1"], /from 0 to below 1/],
    [["--dropout=1"], /from 0 to below 1/],
    [["--model=lenet5", "--dropout=0.5"], /--dropout=0\.5: lenet5 has no dropout, leave the flag out/],
    [["--summary", "--report=x"], /--summary prints the network's layers, .*: leave --report out/],
    [["--summary", "--check-gradients"], /--summary prints .*: leave --check-gradients out/],
    [["--weight-decay=-1"], /from 0/],
    [["--seed=-1"], /whole number from 0/],
    [["--limit=10"], /10 training images do not fill a batch of/],
    [["--model=alexnet"], /alexnet takes 3x224x224 images, fashion-mnist has 1x28x28/],
    [["--dataset=synthetic", "--data=."], /--data belongs to --dataset=fashion-mnist/],
  ];
  for (const [args, message] of cases) await assertRefused(args, 2, message);
});

test("cli: bad data is one line and exit code 1", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-cli-"));
  const names = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
  ];
  const good: Record<string, Uint8Array> = {};
  for (const name of names) {
    good[name] = new Uint8Array(gunzipSync(await readFile(join(root, "data/fashion_mnist", `${name}.gz`))));
  }
  const labels = good["t10k-labels-idx1-ubyte"]!;
  const cases: [string, Uint8Array, RegExp][] = [
    ["t10k-images-idx3-ubyte", good["t10k-images-idx3-ubyte"]!.subarray(0, 5000), /truncated/],
    ["t10k-labels-idx1-ubyte", labels.map((byte, i) => i === 3 ? 9 : byte), /magic number/],
    ["t10k-labels-idx1-ubyte", good["train-labels-idx1-ubyte"]!, /6000 labels for 1000 images/],
  ];
  try {
    await assertRefused([`--data=${join(folder, "nowhere")}`], 1, /no such folder/);
    await assertRefused([`--data=${folder}`], 1, /has neither train-images-idx3-ubyte nor/);
    for (const [broken, bytes, message] of cases) {
      for (const name of names) await writeFile(join(folder, name), name === broken ? bytes : good[name]!);
      await assertRefused([`--data=${folder}`], 1, message);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("cli: --summary and --help", async () => {
  const summary = await train(["--model=alexnet", "--summary"]);
  assert.equal(summary.code, 0);
  assert.match(summary.stdout, /^layer +output shape +parameters +neurons +multiply-adds\n/);
  assert.match(summary.stdout, /\nconv1 +96 x 55 x 55 +34,944 +290,400 +105,415,200\n/);
  assert.match(summary.stdout, /\ntotal +60,965,224 /);
  const help = await train(["--help"]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  for (
    const flag of ["backend", "gpu", "model", "dataset", "data", "epochs", "steps", "batch", "limit", "lr"]
  ) {
    assert.match(help.stdout, new RegExp(`--${flag} <`));
  }
});

test("cli: --json is JSON lines and nothing else, and a seed is a run", async () => {
  const [first, again, other] = [
    await train([...SHORT, "--steps=3"]),
    await train([...SHORT, "--steps=3"]),
    await train([...SHORT, "--steps=3", "--seed=4"]),
  ];
  assert.deepEqual([first.code, first.stderr], [0, ""]);
  const lines = linesOf(first.stdout);
  assert.deepEqual(lines.map(({ event }) => event), ["start", "step", "step", "step", "eval", "done"]);
  assert(lines.at(-1)!.accuracy! >= 0);
  const losses = (outcome: Outcome) => linesOf(outcome.stdout).map(({ loss }) => loss);
  assert.deepEqual(losses(first), losses(again));
  assert.notDeepEqual(losses(first), losses(other));
});

test("cli: --precision=f16 tells the factor of the loss", async () => {
  const { code, stdout } = await train([...SHORT, "--steps=2", "--precision=f16"]);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(lines[0]!["precision"], "f16");
  assert.deepEqual(lines.map(({ lossScale }) => lossScale), [undefined, 65536, 65536, undefined, undefined]);
});

test("cli: pieces of the network left out, images varied, ten crops averaged", async () => {
  const flags = ["--no-lrn", "--pool=plain", "--activation=tanh", "--towers=1", "--augment=crop"];
  const run = [...SHORT, "--model=alexnet_mini", "--limit=16", "--steps=1"];
  const { code, stdout } = await train([...run, ...flags, "--backend=auto", "--eval-crops=10"]);
  assert.equal(code, 0);
  const [first, , measured] = linesOf(stdout) as unknown as Record<string, unknown>[];
  const network = { lrn: false, pool: "plain", activation: "tanh", towers: 1 };
  assert.deepEqual([first!.augment, first!.network, first!.parameters], ["crop", network, 291_690]);
  assert.deepEqual([measured!.event, measured!.crops], ["eval", 10]);
  const { accuracy, top1Error, top5Error } = measured as Record<string, number>;
  assert.ok(top1Error === 1 - accuracy! && top5Error! < top1Error! && top5Error! > 0);
});

test("cli: --quiet leaves the result", async () => {
  const { code, stdout } = await train([
    ...SHORT.filter((flag) => flag !== "--json"),
    "--steps=1",
    "--quiet",
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /^done after 1 step and \d+:\d\d: test accuracy 0\.\d{4}, test loss \d+\.\d{4}\n$/);
});

test("cli: Ctrl-C ends with what was learned", async () => {
  let sent = false;
  const { code, stdout, stderr } = await train([...SHORT, "--epochs=10000"], (text, kill) => {
    if (sent || !text.includes('"step":3,')) return;
    sent = true;
    kill("SIGINT");
  });
  assert.deepEqual([code, stderr], [0, ""]);
  const [measured, done] = linesOf(stdout).slice(-2);
  assert.deepEqual([measured!.event, done!.event, done!.interrupted], ["eval", "done", true]);
  assert.equal(done!.accuracy, measured!.accuracy);
});

test("cli: a loss that is not finite is one line and exit code 1", async () => {
  const { code, stdout, stderr } = await train([...SHORT, "--steps=20", "--lr=1e30"]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: the (test )?loss is not finite (at|after) step \d+[^\n]*\n$/);
  assert(linesOf(stdout).every(({ event }) => event !== "done"));
});
