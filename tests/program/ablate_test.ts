// `ablate.ts`: runs are kept, a later call goes on with what is missing, and other settings are not mixed in.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { learningPlot, piecesPlot } from "../../train/ablate/plots.ts";
import type { Ablation } from "../../train/ablate/results.ts";
import type { RunResult } from "../../train/ablate/run.ts";
import { root, start } from "./start.ts";

const DENO = ["run", "-q", "-P=ablate", "--no-check"];
const SMALL = ["--images=64", "--epochs=2", "--test-images=20"];

test("ablate: goes on where it was ended", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-ablate-"));
  const out = join(folder, "runs.json");
  const ablate = (...args: string[]) =>
    start("ablate.ts", [...SMALL, `--out=${out}`, ...args], { deno: DENO });
  try {
    const first = await ablate("--only=free", "--seeds=1");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /\ndrawn: \S+runs_learning\.svg\n$/);
    assert.deepEqual(await drawings(folder), ["runs_learning.svg"]);
    assert.match(first.stdout, /^free, seed 0: test error \d+\.\d+%, .*; 0 runs to go, about 0 minutes\n\n/);
    assert.match(first.stdout, /\n1 runs on fashion-mnist: [^]*\n\| `free` +\| neither [^\n]*\|\n$/);
    const kept = JSON.parse(await readFile(out, "utf8")) as Ablation;
    assert.deepEqual([kept.format, kept.settings, Object.keys(kept.runs)], [
      2,
      { images: 64, epochs: 2, testImages: 20 },
      ["free 0"],
    ]);
    const { epochs, parameters } = kept.runs["free 0"]!;
    assert.deepEqual([epochs.length, parameters], [2, 285_322]);
    const second = await ablate("--only=free,one-tower", "--seeds=1");
    assert.match(second.stdout, /^one-tower, seed 0: .*\n\n2 runs on /);
    const both = JSON.parse(await readFile(out, "utf8")) as Ablation;
    assert.deepEqual(both.runs["free 0"], kept.runs["free 0"]);
    assert.equal(both.runs["one-tower 0"]!.parameters, 209_770);

    // Of a run that exists nothing is trained again, and what it shows is drawn.
    const [free, oneTower] = [both.runs["free 0"]!, both.runs["one-tower 0"]!];
    const shown: [Ablation["runs"], string[]][] = [
      [{ "one-tower 0": oneTower }, []],
      [{ "full 0": { ...free, tenCrops: free.test }, "one-tower 0": oneTower }, ["runs_pieces.svg"]],
      [both.runs, ["runs_learning.svg"]],
    ];
    for (const [runs, names] of shown) {
      await writeFile(out, JSON.stringify({ ...both, runs }));
      const { stderr } = await ablate("--only=one-tower", "--seeds=1");
      assert.match(stderr, /^0 of 1 runs to go; [^\n]*\n(drawn: [^\n]*\n)*$/);
      assert.deepEqual(await drawings(folder), names);
    }

    const refused: [string[], RegExp][] = [
      [
        ["--epochs=3"],
        /^error: \S+ has runs with --epochs=2, not 3: go on with that, or keep these in another file \(--out\)\n$/,
      ],
      [
        [`--data=${await otherImages(folder)}`],
        /^error: \S+ has runs on fashion-mnist with 64 and 20 images \(SHA-256 [0-9a-f]{12}\), not on fashion-mnist with 64 and 20 images \(SHA-256 [0-9a-f]{12}\): go on with that, or keep these in another file \(--out\)\n$/,
      ],
      [["--docs"], /^error: --docs is about the runs in docs\/paper\.json: leave --out out\n$/],
      [["--only=vgg"], /^error: .*Ways to train are full, no-lrn/],
      [
        ["--images=7000"],
        /^error: the dataset has 6000 training and 1000 test images, fewer than --images=7000/,
      ],
    ];
    for (const [args, message] of refused) {
      const { code, stdout, stderr } = await ablate(...args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, message);
    }
    await writeFile(out, (await readFile(out, "utf8")).slice(0, 100));
    const damaged = await ablate();
    assert.deepEqual([damaged.code, damaged.stdout], [1, ""]);
    assert.match(damaged.stderr, /^error: \S+: is no file of an ablation, or a damaged one\n$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** The names of the drawings in a folder, all of which are whole. */
async function drawings(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".svg")).sort();
  for (const name of names) {
    assert.match(await readFile(join(folder, name), "utf8"), /^<svg width="760"[^>]*>\n[^]*<\/svg>\n$/);
  }
  return names;
}

/** A folder with images of which one pixel is another than in the embedded ones. */
async function otherImages(folder: string): Promise<string> {
  const own = join(folder, "images");
  await mkdir(own);
  for (const name of ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]) {
    const bytes = gunzipSync(await readFile(join(root, `data/fashion_mnist/${name}-ubyte.gz`)));
    if (name === "t10k-images-idx3") bytes[16 + 19 * 784 + 400]! ^= 1;
    await writeFile(join(own, `${name}-ubyte`), bytes);
  }
  return own;
}

test("ablate: the task trains with its defaults, and leaves what was published as it is", async () => {
  const published = ["paper.json", "paper.md", "paper_learning.svg", "paper_pieces.svg"];
  const contents = () => Promise.all(published.map((name) => readFile(join(root, "docs", name), "utf8")));
  const folder = await mkdtemp(join(tmpdir(), "fermi-ablate-"));
  try {
    const { tasks } = JSON.parse(await readFile(join(root, "deno.json"), "utf8"));
    const [, deno] = tasks.ablate.match(/^node node_modules\/deno\/bin\.cjs (run .*) ablate\.ts$/);
    const before = await contents();
    let begun = () => {};
    const kill = new Promise<"SIGINT">((resolve) => begun = () => resolve("SIGINT"));
    const { code, stdout, stderr } = await start(join(root, "ablate.ts"), [], {
      deno: [...deno.split(" "), "--no-check"],
      cwd: folder,
      kill,
      // Its device is open: from here on it trains.
      onError: (text) => /\ndevice: .*\n/.test(text) && begun(),
    });
    assert.deepEqual([code, stdout], [0, "stopped; the same command goes on from here\n"], stderr);
    assert.match(stderr, /^30 of 30 runs to go; they are kept in ablation\.json\n/);
    assert.deepEqual(await contents(), before);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("ablate: pictures have a line a seed and a mark a piece", () => {
  const run = (error: number): RunResult => ({
    parameters: 1,
    device: "a device",
    epochs: [0.6, 0.4, error].map((trainError) => ({ trainError, trainLoss: 1 })),
    test: { top1: error, top5: 0 },
    tenCrops: { top1: error - 0.01, top5: 0 },
    seen: { top1: error, top5: 0 },
    seconds: 1,
  });
  const runs = {
    "full 0": run(0.2),
    "no-lrn 0": run(0.22),
    "free 0": run(0.1),
    "free 1": run(0.2),
    "tanh 0": run(0.3),
  };
  const settings = { images: 1, epochs: 3, testImages: 1 };
  const data = { name: "clothes", trainImages: 1, testImages: 1, sha256: "" };
  const ablation: Ablation = { format: 2, data, settings, runs };
  const learning = learningPlot(ablation);
  assert.match(learning, /^<svg width="760"[^>]*>\n[^]*>ReLU<[^]*>tanh<[^]*<\/svg>\n$/);
  const marks = (mark: string) => learning.split(mark).length - 1;
  assert.deepEqual([marks('stroke-width="3"'), marks('stroke-opacity="0.4"')], [2, 3]); // means and seeds
  assert.equal(learning.includes("bytes as they are"), false);
  const pieces = piecesPlot(ablation);
  assert.match(pieces, /^<svg width="760"[^]*local response normalisation[^]*the paper, on ImageNet/);
  assert.equal(/NaN|undefined/.test(learning + pieces), false);
});
