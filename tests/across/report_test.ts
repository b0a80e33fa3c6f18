// The page of a run as a reader has it: opened in Chromium from its file, in light and in dark, wide and narrow.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { ImageInput, synthetic } from "../../data/mod.ts";
import { device, foldIn, nn, randomKey } from "../../mod.ts";
import type { StartEvent, StepEvent } from "../../train/events.ts";
import { Pictures } from "../../train/pictures/mod.ts";
import { recipes } from "../../train/recipes.ts";
import { openChromium } from "../browser/chromium.ts";
import { root, run, RUNTIMES } from "./runtimes.ts";

const folder = await mkdtemp(join(tmpdir(), "fermi-report-"));
let browser: Browser | null = null;
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true });
});

const LOOK = join(root, "tests/browser/look_at_report.js");

/** What is found in the page. */
interface Found {
  readonly titles: readonly string[];
  /** Of each drawing that is shown: what it is, and its marks. */
  readonly drawings: readonly {
    readonly label: string;
    readonly lines: number;
    readonly boxes: number;
    readonly words: number;
    readonly images: number;
    readonly width: number;
  }[];
  /** Pictures that could not be decoded, or are empty. */
  readonly broken: readonly string[];
  readonly pictures: number;
  /** Texts of drawings that reach out of them. */
  readonly outside: readonly string[];
  /** By how many pixels the page is wider than the window. */
  readonly excess: number;
  readonly ground: string;
  readonly text: string;
}

/** Opens the page and looks: it may ask for nothing but itself, and say nothing on the console. */
async function open(width: number, colorScheme: "light" | "dark"): Promise<Found> {
  browser ??= await openChromium();
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const url = pathToFileURL(join(folder, "index.html")).href;
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) said.push(request.url());
  });
  await page.goto(url);
  const found = await page.evaluate<Found>(await readFile(LOOK, "utf8"));
  await page.close();
  assert.deepEqual(said, []);
  return found;
}

const START: StartEvent = {
  event: "start",
  ...recipes.alexnet_mini,
  batch: 8,
  model: "linear",
  parameters: 3925,
  dataset: "synthetic",
  trainImages: 40,
  testImages: 20,
  backend: "cpu",
  device: "CPU",
  seed: 1,
  precision: "f32",
  augment: "none",
  evalCrops: 1,
  stepsPerEpoch: 5,
  steps: 1,
};
const STEP: StepEvent = {
  event: "step",
  step: 1,
  epoch: 1,
  loss: 1,
  accuracy: 0.5,
  lr: 0.1,
  imagesPerSecond: 10,
};

test("report: long names of classes stay in their drawings", async () => {
  const cpu = await device("cpu");
  const shape = [1, 28, 28] as const;
  const key = randomKey(1, { device: cpu });
  const made = await synthetic({ key, shape, classes: 5, trainCount: 40, testCount: 20 });
  const classNames = [
    "black-and-tan coonhound",
    "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
    "WHIPPET WITH A WIDE, WHITE, WOOLLY COAT",
    "國際單位制的基本單位與導出單位及其他單位",
    "soft-coated wheaten terrier of the mountains",
  ];
  const flatten = new nn.Flatten();
  const model = new nn.Sequential({ flatten, fc1: new nn.Linear(784, 5, { key: foldIn(key, 1) }) });
  const input = new ImageInput({ images: shape, device: cpu });
  const pictures = await Pictures.open({ folder });
  const dataset = { ...made, classNames };
  const report = pictures.watch({ device: cpu, model, dataset, input, precision: "f32" });
  for (const event of [START, STEP]) await report(event);
  await report({ event: "eval", epoch: 1, step: 1, accuracy: 0.5, loss: 1, crops: 1, images: 20 });
  await report({ event: "done", interrupted: false, steps: 1, accuracy: 0.5, loss: 1, seconds: 1 });
  input.dispose();
  for (const width of [390, 820, 1240]) {
    const { outside, excess, text, drawings } = await open(width, "light");
    assert.deepEqual([outside, excess], [[], 0], `${width}`);
    assert(drawings.some(({ label }) => label === "Most probable labels"));
    assert.match(text, /MMM.*…/);
  }
});

const TITLES = [
  "Loss",
  "Error",
  "Learning rate",
  "Throughput",
  "Kernels of the first layer",
  "What it takes test images for",
  "Some of the test images",
  "The most certain mistakes",
  "Confusion matrix",
  "What it finds alike",
  "Configuration",
];

test("report: a page that asks for nothing, whose charts have marks and whose images can be seen", async () => {
  const flags = [
    "--backend=webgpu",
    "--batch=16",
    "--limit=160",
    "--steps=20",
    "--quiet",
    `--report=${folder}`,
  ];
  await run([...RUNTIMES.node, "train.ts", ...flags]);
  const wide = await open(1240, "light");
  assert.deepEqual(wide.titles, TITLES);
  assert.deepEqual([wide.broken, wide.outside, wide.excess], [[], [], 0]);
  const drawn = Object.fromEntries(wide.drawings.map(({ label, ...marks }) => [label, marks]));
  for (const label of ["Loss", "Error", "Learning rate", "Throughput"]) {
    assert(drawn[label]!.lines >= 1 && drawn[label]!.words >= 8, `${label}: ${JSON.stringify(drawn[label])}`);
  }
  assert(drawn["Confusion matrix"]!.boxes >= 100, JSON.stringify(drawn["Confusion matrix"]));
  const guesses = wide.drawings.filter(({ label }) => label === "Most probable labels");
  assert.deepEqual(guesses.map(({ images, boxes }) => [images, boxes]), [[8, 40], [4, 20]]);
  assert.equal(drawn["Nearest training images"]!.images, 5 * 7);
  // Those of narrower screens are there too, and one picture of kernels.
  assert.equal(wide.pictures, 3 * (8 + 4) + 2 * 35 + 1);
  assert.match(wide.text, /alexnet_mini on fashion-mnist/);
  assert.match(wide.text, /Ankle boot|Sneaker/);
  assert.match(wide.text, /done: 20 steps/);

  for (const [width, room] of [[390, [250, 390]], [820, [300, 820]]] as const) {
    const found = await open(width, "dark");
    assert.deepEqual(found.titles, TITLES);
    assert.deepEqual([found.broken, found.outside, found.excess], [[], [], 0]);
    assert(found.drawings.every(({ width }) => width > room[0] && width < room[1]));
    assert.equal(found.drawings.length, wide.drawings.length);
    assert.notEqual(found.ground, wide.ground);
  }
});
