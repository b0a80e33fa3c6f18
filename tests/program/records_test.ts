// What a run leaves behind: TensorBoard's files, byte for byte as TensorBoard writes them, and the page with its pictures.

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { ImageInput, synthetic } from "../../data/mod.ts";
import { device, foldIn, nn, randomKey } from "../../mod.ts";
import type { EvalEvent, StartEvent, StepEvent } from "../../train/events.ts";
import { Course } from "../../train/pictures/course.ts";
import { Pictures } from "../../train/pictures/mod.ts";
import { makePage } from "../../train/pictures/page.ts";
import { recipes } from "../../train/recipes.ts";
import { EventFile } from "../../train/tensorboard/mod.ts";
import { frame, maskedChecksum } from "../../train/tensorboard/records.ts";
import { encodeEvent } from "../../train/tensorboard/schema.ts";
import { inFolder } from "./in_folder.ts";
import { runtime, start } from "./start.ts";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test("tensorboard: checksums are CRC32C (RFC 3720, B.4), turned and shifted", () => {
  const unmasked = (bytes: Uint8Array) => {
    const turned = (maskedChecksum(bytes) - 0xa282ead8) >>> 0;
    return ((turned << 15 | turned >>> 17) >>> 0).toString(16);
  };
  const bytes = (make: (i: number) => number) => Uint8Array.from({ length: 32 }, (_, i) => make(i));
  assert.equal(unmasked(new TextEncoder().encode("123456789")), "e3069283");
  assert.equal(unmasked(bytes(() => 0)), "8a9136aa");
  assert.equal(unmasked(bytes(() => 255)), "62a8ab43");
  assert.equal(unmasked(bytes((i) => i)), "46dd794e");
  assert.equal(unmasked(bytes((i) => 31 - i)), "113fdb5c");
});

test("tensorboard: records are those that TensorBoard 2.21 writes", () => {
  // tensorboard.summary.writer.record_writer.RecordWriter with events of tensorboard.compat.proto.event_pb2.
  const records = [
    [
      { wall_time: 1.5, file_version: "brain.Event:2" },
      "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
    ],
    [
      {
        wall_time: 1764100000.25,
        step: 70000,
        summary: {
          value: [{ tag: "loss/train", simple_value: 0.625 }, { tag: "schedule/lr", simple_value: 0.01 }],
        },
      },
      "36000000000000004f578cef09000010e88149da4110f0a2042a270a110a0a6c6f73732f747261696e150000203f" +
      "0a120a0b7363686564756c652f6c72150ad7233ccc9245e0",
    ],
    [
      { wall_time: 2, step: 8, session_log: { status: 1 } },
      "0f000000000000006d532b0909000000000000004010083a020801b347f3c5",
    ],
  ] as const;
  for (const [event, expected] of records) assert.equal(hex(frame(encodeEvent(event))), expected);
});

const begin: StartEvent = {
  event: "start",
  ...recipes.lenet5,
  model: "lenet5",
  parameters: 61_706,
  dataset: "synthetic",
  trainImages: 96,
  testImages: 10,
  backend: "cpu",
  device: "CPU",
  seed: 0,
  precision: "f32",
  augment: "none",
  evalCrops: 1,
  stepsPerEpoch: 3,
  steps: 15,
};
const step = (step: number): StepEvent => ({
  event: "step",
  step,
  epoch: 1,
  loss: 1 / step,
  accuracy: 0.5,
  lr: 0.1,
  imagesPerSecond: 10,
});
const evaluation: EvalEvent = {
  event: "eval",
  epoch: 1,
  step: 2,
  accuracy: 0.75,
  loss: 0.5,
  crops: 1,
  images: 10,
};

/** The records of a file: their data, after their checksums were looked at. */
function records(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found: Uint8Array[] = [];
  for (let place = 0; place < file.length;) {
    const length = Number(view.getBigUint64(place, true));
    const data = file.subarray(place + 12, place + 12 + length);
    assert.equal(view.getUint32(place + 8, true), maskedChecksum(file.subarray(place, place + 8)));
    assert.equal(view.getUint32(place + 12 + length, true), maskedChecksum(data));
    found.push(data);
    place += 16 + length;
  }
  return found;
}

/** From which step on TensorBoard drops what files before this one have of the run: step (field 2), START (1 in field 7). */
function sessionStart(record: Uint8Array | undefined): number {
  const [, number] = hex(record!.subarray(9)).match(/^10([0-7][0-9a-f])3a020801$/) ?? [];
  return Number(`0x${number}`);
}

async function written(folder: string): Promise<Uint8Array[]> {
  const [name, ...others] = await readdir(folder);
  assert.match(name!, /^events\.out\.tfevents\.\d+\.fermi\.\d+$/);
  assert.deepEqual(others, []);
  return records(new Uint8Array(await readFile(join(folder, name!))));
}

test("tensorboard: what happens is in the file at once, and a run that goes on says where", async () => {
  await inFolder(async (folder) => {
    const [fresh, later] = [join(folder, "runs/fresh"), join(folder, "runs/later")];
    const file = await EventFile.open(fresh);
    file.report(begin);
    file.report(step(1));
    assert.equal((await written(fresh)).length, 3);
    file.report(step(2));
    file.report(evaluation);
    file.close();
    const [first, session, ...scalars] = await written(fresh);
    const texts = scalars.map((data) => new TextDecoder("latin1").decode(data));
    assert.match(new TextDecoder("latin1").decode(first), /brain\.Event:2/);
    // What another run has left in the folder is no part of this one.
    assert.equal(sessionStart(session), 1);
    for (const tag of ["loss/train", "error/train", "schedule/lr", "speed/images_per_second"]) {
      assert(texts[0]!.includes(tag), tag);
    }
    for (const tag of ["loss/test", "error/test", "accuracy/test"]) assert(texts[2]!.includes(tag), tag);

    const resumed = await EventFile.open(later);
    resumed.report({ ...begin, resumedAt: 7 });
    // The evaluation that was due when a signal came: step 7 itself was made, and stays.
    resumed.report({ ...evaluation, step: 7 });
    resumed.report(step(8));
    resumed.close();
    const [, again, measured, made] = await written(later);
    assert.equal(sessionStart(again), 8);
    assert.match(new TextDecoder("latin1").decode(measured), /loss\/test/);
    assert.match(new TextDecoder("latin1").decode(made), /loss\/train/);
  });
});

const SHORT = [
  "--backend=cpu",
  "--model=lenet5",
  "--dataset=synthetic",
  "--batch=16",
  "--limit=96",
  "--epochs=2",
  "--quiet",
];
/** Deno's permissions for commands that write. */
const WRITE = { deno: ["run", "-q", "-P=write", "--no-check"] };

test("report: a page of all of a run that goes on, each picture as SVG and PNG, nothing half-written", async () => {
  await inFolder(async (folder) => {
    const checkpoints = join(folder, "checkpoints");
    const first = await start("train.ts", [...SHORT, "--eval-every=5", `--checkpoint=${checkpoints}`], WRITE);
    assert.deepEqual([first.code, first.stderr], [0, ""]);
    await mkdir(join(folder, "report"));
    // What a killed run has left.
    await writeFile(join(folder, "report/index.html.0123abcd.tmp"), "half a page");
    await writeFile(join(folder, "report/notes.png"), "a user's own");
    const where = join(folder, "report");
    const board = join(folder, "board");
    const resume = [
      `--resume=${checkpoints}/step-6`,
      "--quiet",
      `--report=${where}`,
      `--tensorboard=${board}`,
    ];
    const { code, stderr } = await start("train.ts", resume, WRITE);
    assert.deepEqual([code, stderr], [0, ""]);
    const names = (await readdir(where)).sort();
    const drawn = ["confusion", "error", "guesses", "loss", "mistakes", "neighbours", "rate", "throughput"];
    const expected = [
      ...drawn.flatMap((name) => [`${name}.png`, `${name}.svg`]),
      "notes.png",
      "index.html",
      "kernels.png",
    ];
    assert.deepEqual(names, expected.sort());
    for (const name of names.filter((name) => name !== "notes.png")) {
      const { format, width, height } = name === "index.html"
        ? { format: "html", width: 1, height: 1 }
        : await sharp(await readFile(join(where, name))).metadata();
      assert.equal(format, name.split(".")[1]);
      assert(width > 0 && height > 0, name);
    }
    const page = await readFile(join(where, "index.html"), "utf8");
    assert.match(page, /^<!doctype html>/);
    assert.match(page, /done: 12 steps, the last 6 in \d/);
    assert(!page.includes('http-equiv="refresh"'));
    for (
      const [name, value] of [
        ["limit", "96"],
        ["eval crops", "1"],
        ["eval every", "5"],
        ["checkpoint", `folder ${checkpoints}, keep 3`],
        ["seed", "0"],
      ]
    ) assert(page.includes(`<dt>${name}</dt><dd>${value}</dd>`), name);
    // Steps 1 to 6 come from the history, 7 to 12 were made again: the pale curve has a point for each.
    const [curve] = (await readFile(join(where, "loss.svg"), "utf8")).match(/ d="M[^"]{100,}"/)!;
    assert.equal(curve!.split("L").length, 12);
    assert.equal(sessionStart((await written(board))[1]), 7);
  });
});

test("report: the tile of the error says that it is from ten crops", () => {
  const page = (crops: EvalEvent["crops"]) => {
    const course = new Course();
    for (const event of [begin, step(1), { ...evaluation, top5Error: 0.1, crops }]) course.add(event);
    return [...makePage(course, "running", []).matchAll(/<dt>(Test error[^<]*)</g)].map(([, name]) => name);
  };
  assert.deepEqual(page(1), ["Test error", "Test error, top five"]);
  assert.deepEqual(page(10), ["Test error (ten crops)", "Test error, top five (ten crops)"]);
});

test("report: after Ctrl-C the network is looked at once more, after SIGTERM the page says how old its pictures are", async () => {
  const cpu = await device("cpu");
  const key = randomKey(3, { device: cpu });
  const shape = [1, 6, 6] as const;
  const dataset = await synthetic({ key, shape, classes: 3, trainCount: 20, testCount: 10 });
  const flatten = new nn.Flatten();
  const model = new nn.Sequential({ flatten, fc1: new nn.Linear(36, 3, { key: foldIn(key, 1) }) });
  const input = new ImageInput({ images: shape, device: cpu });
  for (const [reason, looked] of [["SIGINT", 3], ["SIGTERM", 2]] as const) {
    await inFolder(async (folder) => {
      const controller = new AbortController();
      const pictures = await Pictures.open({ folder });
      const { signal } = controller;
      const report = pictures.watch({ device: cpu, model, dataset, input, precision: "f32", signal });
      for (const event of [begin, step(1), step(2), evaluation, step(3)]) await report(event);
      controller.abort(reason);
      // Before SIGTERM this evaluation was all but over.
      await report({ ...evaluation, step: 3 });
      await report({ event: "done", interrupted: true, steps: 3, accuracy: null, loss: null, seconds: 1 });
      const page = await readFile(join(folder, "index.html"), "utf8");
      assert.match(page, /stopped after 3 of 15 steps/);
      const [, pictured] = page.match(/<p>pictures of the network after (\d) steps<\/p>/)!;
      assert.equal(Number(pictured), looked, reason);
    });
  }
  input.dispose();
});

test("report: a run that ends with an error leaves the page of what there was", async () => {
  await inFolder(async (folder) => {
    const flags = [...SHORT, "--lr=1e30", `--report=${folder}`, `--tensorboard=${folder}/board`];
    // What another run has left, which looked at a network.
    for (const name of ["confusion.svg", "kernels.png"]) {
      await writeFile(join(folder, name), "of another run");
    }
    const { code, stderr } = await start("train.ts", flags, WRITE);
    assert.equal(code, 1);
    assert.match(stderr, /^error: the (test )?loss is not finite [^\n]*\n$/);
    const names = (await readdir(folder)).filter((name) => /confusion|kernels/.test(name));
    assert.deepEqual(names, []);
    assert.match(await readFile(join(folder, "index.html"), "utf8"), /stopped after \d of 12 steps/);
    assert((await written(join(folder, "board"))).length >= 2);
  });
});

test("report: what cannot be written is one line, before anything is computed", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "file");
    await writeFile(file, "");
    for (const flag of ["--report", "--tensorboard"]) {
      const { code, stdout, stderr } = await start("train.ts", [...SHORT, `${flag}=${file}/below`], WRITE);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^error: [^\n]*file[^\n]* cannot be (made|written) \(\w+\)\n$/);
      const checks = await start("train.ts", [`${flag}=${folder}`, "--compare=cpu", "--backend=cpu"], WRITE);
      assert.equal(checks.code, 2);
      assert.match(checks.stderr, new RegExp(`^error: ${flag} is about a run that trains, [^\\n]*\\n$`));
    }
    if (runtime !== "deno") return;
    const { code, stderr } = await start("train.ts", [...SHORT, `--report=${folder}/new`]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: Requires write access to [^\n]*: use `deno run -P=write train.ts`\n$/);
  });
});
