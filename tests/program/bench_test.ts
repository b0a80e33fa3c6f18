// `deno task bench`: what it writes, the arithmetic behind it, and how its drawings are put together.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clock, duration, paperRate, trainingSeconds } from "../../bench/clock.ts";
import { withTables } from "../../bench/document.ts";
import { readFlags } from "../../bench/flags.ts";
import { copiesOf } from "../../bench/measure.ts";
import { reportPage } from "../../bench/report.ts";
import {
  bound,
  failureOf,
  type LeftOut,
  onCpu,
  type Result,
  type Row,
  rowOf,
  timesFaster,
} from "../../bench/results.ts";
import { run } from "../../bench/run.ts";
import { alexnetConvolutions, alexnetLinears, alexnetMaps, trainingFlops } from "../../bench/shapes.ts";
import { escape, linearScale, logScale, placeLabels, powersOfTen, roundValues } from "../../debug/svg.ts";
import type { Workload } from "../../bench/workload.ts";
import { entries } from "../../bench/workloads/mod.ts";
import { nn } from "../../mod.ts";
import { UsageError } from "../../train/mod.ts";
import { root, start } from "./start.ts";

/** It asks for the machine's name, and writes files. */
const bench = (args: readonly string[]) =>
  start("bench/main.ts", args, { deno: ["run", "-q", "-A", "--no-check"] });

const near = (got: number | null, want: number) =>
  assert(Math.abs(got! / want - 1) < 1e-9, `${got}, not ${want}`);

/** A page that works without a network and without a script. */
function assertSelfContained(page: string): void {
  assert.match(page, /^<!doctype html>/);
  assert.doesNotMatch(page, /https?:|\/\/|<script|<link|<img|<iframe|@import|url\(|\bsrc=|\bhref=|\bon\w+=/i);
}

/** Holds the rows to their own arithmetic. */
function assertRates({ rows, ceilings }: Result): void {
  for (const row of rows) {
    assert(row.ms > 0 && row.shortest <= row.ms && row.ms <= row.longest, JSON.stringify(row));
    assert(row.samples >= 1 && row.evaluations >= 1 && row.copies >= 1, JSON.stringify(row));
    near(row.gbs, row.bytes / row.ms / 1e6);
    if (row.flops > 0) near(row.gflops, row.flops / row.ms / 1e6);
    else assert.equal(row.gflops, null);
    if (row.images > 0) near(row.imagesPerSecond, 1000 * row.images / row.ms);
    else assert.equal(row.imagesPerSecond, null);
    if (row.backend === "cpu") assert.deepEqual([row.ofCeiling, row.boundBy], [null, null]);
    else {near(
        row.ofCeiling,
        Math.max(row.flops / ceilings!.gflops, row.bytes / ceilings!.gbs) / 1e6 / row.ms,
      );}
  }
}

test("bench: a quick run prints a table, and writes JSON and a page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-bench-"));
  try {
    const [json, page] = [join(folder, "a.json"), join(folder, "a.html")];
    const args = ["--quick", "--only=^loss|^step lenet5", `--json=${json}`, `--report=${page}`];
    const { code, stdout, stderr } = await bench(args);
    assert.deepEqual([code, stderr], [0, ""], stdout);
    assert.match(stdout, /\nceilings of this adapter: \S+ GFLOP\/s .*, \S+ GB\/s /);
    assert.match(stdout, /\nloss +cross-entropy \+ gradient +batch 128 .*x\n/);
    assert.match(stdout, /\nstep +lenet5 +batch 32 .*x\n/);

    const result = JSON.parse(await readFile(json, "utf8")) as Result;
    assert.equal(result.format, 2);
    assert.equal(result.settings.tune, "off");
    assert(result.rows.every(({ precision }) => precision === "f32"));
    assert(Math.abs(Date.now() - Date.parse(result.date)) < 600_000, result.date);
    assert(result.adapter && result.machine.cpu && result.machine.cores > 0 && result.machine.runtime);
    assert(result.ceilings!.gflops > 0 && result.ceilings!.gbs > 0);
    assert.deepEqual(
      result.rows.map(({ family, backend, images }) => [family, backend, images]),
      [["loss", "webgpu", 0], ["loss", "cpu", 0], ["step", "webgpu", 32], ["step", "cpu", 32]],
    );
    assert.deepEqual([result.leftOut, result.clock], [[], []]);
    assertRates(result);

    const html = await readFile(page, "utf8");
    assertSelfContained(html);
    assert(html.includes(escape(result.adapter)));
    assert.match(html, /<title>lenet5, batch 32: /);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("bench: what fails is told, and the rest is measured", async () => {
  const { options } = readFlags(["--quick", "--gpu=off", "--only=^loss"])!;
  const all = entries(8);
  const [loss] = all.filter(({ workload }) => workload.family === "loss");
  const breaks = {
    ...loss!.small,
    name: "breaks",
    prepare: () => Promise.reject(new Error("out of memory")),
  };
  const silent = { started() {}, ceilings() {}, measuring() {}, measured() {} };
  const result = await run(options, silent, [{ ...loss!, small: breaks }, loss!]);
  assert.deepEqual(result.rows.map(({ name }) => name), ["cross-entropy + gradient"]);
  const [failed] = result.leftOut;
  assert.deepEqual([failed!.kind, failed!.name, failed!.why], ["failed", "breaks", "out of memory"]);
  assert.equal(failureOf(result), "1 failed: breaks, batch 128, cpu: out of memory");
  assert.equal(failureOf({ leftOut: [{ ...failed!, kind: "spared" }] }), null);
});

test("bench: --json is JSON and nothing else, and needs no adapter with --gpu=off", async () => {
  const { code, stdout, stderr } = await bench(["--quick", "--gpu=off", "--only=^loss|alexnet", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const result = JSON.parse(stdout) as Result;
  assert.deepEqual([result.adapter, result.ceilings], [null, null]);
  assert(result.rows.every(({ backend }) => backend === "cpu"));
  // A quick look leaves out what takes seconds, and says so.
  const isSpared = ({ kind, name, why }: LeftOut) =>
    kind === "spared" && name === "alexnet" && /--quick/.test(why);
  assert(result.leftOut.some(isSpared), stdout);
  assertRates(result);
});

test("bench: bad usage is one line and exit code 2", async () => {
  const wrong = await bench(["--batch=0"]);
  const message = "error: --batch expects a whole number from 1 to 4096, got '0'\n";
  assert.deepEqual([wrong.code, wrong.stdout, wrong.stderr], [2, "", message]);
  const help = await bench(["--help"]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /--report=FILE\.html/);
});

test("bench: what is wrong with arguments", () => {
  const cases: [string[], RegExp][] = [
    [["--bach=3"], /--bach/],
    [["quick"], /'quick'/],
    [["--batch=0"], /--batch expects a whole number from 1 to 4096, got '0'/],
    [["--cpu=maybe"], /--cpu expects on or off, got 'maybe'/],
    [["--gpu=metal"], /--gpu expects auto or dawn or off/],
    [["--tune=yes"], /--tune expects off or cached or on/],
    [["--gpu=off", "--cpu=off"], /leave nothing to measure/],
    [["--quick", "--large"], /use one of them/],
    [["--only=("], /--only expects a regular expression/],
    [["--only=conv9"], /--only=conv9 matches no workload/],
    [["--report="], /--report expects a file/],
  ];
  for (const [args, message] of cases) {
    const refused = (error: unknown) => error instanceof UsageError && message.test(error.message);
    assert.throws(() => readFlags(args), refused, `${args}`);
  }
  assert.equal(readFlags(["--help"]), null);
  const { options, json, report } = readFlags(["--json", "--cpu=off", "--only=conv", "--batch=16"])!;
  assert.deepEqual([json, report], ["-", undefined]);
  const rest = { large: false, cpu: false, gpu: "auto", tune: "off" };
  assert.deepEqual(options, { batch: 16, only: /conv/i, quick: false, ...rest });
  assert.equal(readFlags(["--json=a.json"])!.json, "a.json");
});

test("bench: the shapes and operations of AlexNet are the paper's", () => {
  assert.deepEqual(alexnetConvolutions(8).map(({ weight, extent, groups }) => [...weight, extent, groups]), [
    [96, 3, 11, 11, 55, 1],
    [256, 48, 5, 5, 27, 2],
    [384, 256, 3, 3, 13, 1],
    [384, 192, 3, 3, 13, 2],
    [256, 192, 3, 3, 13, 2],
  ]);
  assert.deepEqual(alexnetLinears(8).map(({ inputs, outputs }) => [inputs, outputs]), [
    [9216, 4096],
    [4096, 4096],
    [4096, 1000],
  ]);
  assert.deepEqual(alexnetMaps("maxPool2d", 8).map(({ output }) => output), [
    [8, 96, 27, 27],
    [8, 256, 13, 13],
    [8, 256, 6, 6],
  ]);
  // Multiply-adds of the convolutions and of the fully connected layers, times two, three passes; conv1 has two.
  const conv1 = 105_415_200;
  assert.equal(trainingFlops("alexnet"), 2 * (3 * (conv1 + 560_369_664 + 58_621_952) - conv1));
  assert.deepEqual(alexnetLinears(8).map(({ rectified }) => rectified), [true, true, false]);
  // Every workload has a name of its own, and what stands in for it is no larger.
  const all = entries(8);
  assert.equal(
    new Set(all.map(({ workload: { family, name, size } }) => `${family} ${name} ${size}`)).size,
    all.length,
  );
  const steps = all.filter(({ workload }) => workload.family === "step").map(({ workload }) => workload);
  assert.deepEqual([...new Set(steps.map(({ name }) => name))].sort(), Object.keys(nn.models).sort());
  assert(steps.some(({ name, precision }) => name === "alexnet" && precision === "f16"));
  for (const { workload, small } of all) {
    assert(small.flops <= workload.flops && small.bytes <= workload.bytes);
  }
});

test("bench: the 2012 clock", () => {
  near(trainingSeconds(1000), 108_000);
  near(paperRate(), 108e6 / (5.5 * 86400)); // about 230 images a second
  const lines = clock([{ who: "here", imagesPerSecond: 2500 }]);
  assert.deepEqual(lines.map(({ who, seconds }) => [who, duration(seconds)]), [
    ["here", "12 hours"],
    ["two GTX 580, 2012", "5.5 days"],
    ["one GeForce 256, 1999", "29 years"],
  ]);
  assert.deepEqual([90, 5400, 40 * 3600, 1e11, 0.5].map(duration), [
    "90 seconds",
    "90 minutes",
    "40 hours",
    "3,169 years",
    "0.5 seconds",
  ]);
});

test("bench: what the ceilings allow, and comparisons of different sizes", () => {
  const ceilings = { gflops: 100, gbs: 10 };
  assert.deepEqual(bound({ flops: 1e9, bytes: 1e6 }, ceilings), { ms: 10, by: "arithmetic" });
  assert.deepEqual(bound({ flops: 1e9, bytes: 1e9 }, ceilings), { ms: 100, by: "memory" });
  const row = {
    family: "step",
    name: "alexnet",
    backend: "webgpu",
    size: "batch 8",
    images: 8,
    flops: 8e9,
    bytes: 1,
  };
  const gpu = { ...row, ms: 100 } as Row;
  const cpu = { ...row, backend: "cpu", size: "batch 1", images: 1, flops: 1e9, ms: 1000 } as Row;
  near(timesFaster(gpu, cpu), 80);
  assert.equal(onCpu(gpu, [gpu, cpu]), cpu);
  assert.equal(onCpu({ ...gpu, name: "lenet5" }, [gpu, cpu]), undefined);

  const workload = (resultBytes: number) => ({ resultBytes }) as Workload;
  assert.equal(copiesOf(workload(4), 0.5), 4);
  assert.equal(copiesOf(workload(4), 1e-6), 16);
  assert.equal(copiesOf(workload(1 << 27), 0.5), 2);
  assert.equal(copiesOf(workload(1 << 30), 0.5), 1);
  assert.equal(copiesOf(workload(0), 1e-6), 1);
});

test("bench: scales, text and labels", () => {
  assert.equal(escape(`<a href="x">&'`), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  near(linearScale([0, 10], [100, 200])(5), 150);
  near(logScale([1, 100], [0, 100])(10), 50);
  assert.deepEqual(powersOfTen(0.5, 1000), [1, 10, 100, 1000]);
  assert.deepEqual(powersOfTen(2, 5), []);
  assert.deepEqual(roundValues(47), [0, 10, 20, 30, 40]);

  const frame = { left: 0, right: 300, top: 0, bottom: 100 };
  const points = [{ x: 150, y: 50, label: "one" }, { x: 152, y: 50, label: "two" }, {
    x: 290,
    y: 50,
    label: "last",
  }];
  const [one, two, last] = placeLabels(points, frame);
  assert.notDeepEqual(one, two);
  assert.equal(last!.anchor === "start", false, "there is no room on the right");
  const wall = { left: 0, right: 300, top: 0, bottom: 100 };
  assert.deepEqual(placeLabels(points, frame, [wall]), [null, null, null]);
});

/** A result of made-up numbers, with names that a page must not take literally. */
function madeUp(): Result {
  const ceilings = { gflops: 200, gbs: 20, fma: "fma", copy: "copy" };
  const work = {
    family: "conv2d",
    name: "conv2 forward",
    size: "batch 8",
    precision: "f32",
    flops: 1e9,
    bytes: 1e7,
    images: 0,
  };
  const timing = (ms: number) => ({ ms, shortest: ms, longest: ms, samples: 5, evaluations: 1, copies: 1 });
  return {
    format: 2,
    date: "2026-11-24T00:00:00.000Z",
    minutes: 1,
    machine: { system: "linux", cpu: "<b>|CPU", cores: 2, memoryGiB: 8, runtime: "Node", commit: null },
    adapter: `"GPU" <script>`,
    settings: { batch: 8, quick: false, large: false, tune: "cached", only: null },
    ceilings,
    rows: [
      rowOf(work as Workload, "webgpu", timing(10), ceilings),
      rowOf(work as Workload, "cpu", timing(1000), null),
    ],
    leftOut: [
      { kind: "spared", family: "matmul", name: "a b", size: "4096", backend: "webgpu", why: "a < b" },
      { kind: "failed", family: "linear", name: "fc6", size: "batch 8", backend: "webgpu", why: "too large" },
    ],
    clock: clock([{ who: "<i>", imagesPerSecond: 100 }]),
    agreement: { passed: 183, failed: 0 },
  };
}

test("bench: the page escapes what it is given, and has the drawings", () => {
  const page = reportPage(madeUp());
  assertSelfContained(page);
  assert.doesNotMatch(page, /<b>\||<i>/);
  assert(page.includes("&quot;GPU&quot; &lt;script&gt;") && page.includes("a &lt; b"));
  for (
    const heading of [
      "The 2012 clock",
      "Roofline",
      "AlexNet&#39;s convolutions",
      "All numbers",
      "Failed",
      "Left out",
    ]
  ) {
    assert(page.includes(`<h2>${heading}</h2>`), heading);
  }
  assert.match(page, /<td>100<\/td>.*<td>50%<\/td>.*<td>100x<\/td>/);
});

test("bench: docs/performance.md has its tables from the results", async () => {
  const page = await readFile(join(root, "docs/performance.md"), "utf8");
  const other = {
    ...madeUp(),
    rows: [],
    leftOut: madeUp().rows.map((row) => ({ ...row, kind: "failed", why: "x" })),
  } as Result;
  const filled = withTables(page, [{ name: "here", result: madeUp() }, { name: "there", result: other }], []);
  assert.match(
    filled,
    /\| here \| "GPU" &lt;script> \| &lt;b>\\\|CPU, 2 cores \| .* \| cached \| .* \| 183 passed, 0 failed \|/,
  );
  assert.match(filled, /\| conv2 forward, batch 8 \| 100 GFLOP\/s, 50% \(100x\) \| failed \|/);
  assert.match(
    filled,
    /\| here \| a b, 4096 \| webgpu \| spared \| a &lt; b \|\n\| here \| fc6, batch 8 \| webgpu \| failed \| too large \|/,
  );
  assert.match(filled, /\| here \| &lt;i> \| 100 \| 13 days \|/);
  assert.equal(withTables(filled, [], []).includes("conv2 forward, batch 8"), false);
  assert.throws(() => withTables("no markers", [], []), /<!-- machines -->/);
});
