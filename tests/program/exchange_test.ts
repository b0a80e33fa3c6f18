// Models' files, and the commands that read and write them.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { DataError, encodeSafetensors, parseSafetensors, type StoredTensor } from "../../data/mod.ts";
import { readClassNames } from "../../exchange/class_names.ts";
import { exportModel } from "../../exchange/export.ts";
import { encodeModelFile, type Model, readModel } from "../../exchange/model.ts";
import { fromTorchvision, toTorchvision } from "../../exchange/torchvision.ts";
import { buildWith, toStored, toWeight, type Weights } from "../../exchange/weights.ts";
import { device as open, nn, tensor } from "../../mod.ts";
import { vary } from "../../nn/tables.ts";
import { fill, loadTorchvision } from "../fixtures/mod.ts";
import { assertLogits, runOnnx, weightsFor } from "./onnx.ts";
import { type Outcome, start } from "./start.ts";

const folder = await mkdtemp(join(tmpdir(), "fermi-exchange-"));
after(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const WRITE = { deno: ["run", "-q", "-P=write"] };

const CLASSES = Array.from({ length: 10 }, (_, i) => `garment-${i}`);
const mini: Model = {
  path: "",
  name: "alexnet_mini",
  variation: {},
  table: nn.models.alexnet_mini,
  weights: await weightsFor(nn.models.alexnet_mini),
};

/** Weights for bytes minus a mean, which are about 64 times as large: else one class would have all of the probability. */
function forBytes(weights: Weights): Weights {
  const { shape, data } = weights.get("conv1.weight")!;
  return new Map(weights).set("conv1.weight", { shape, data: data.map((value) => value / 64) });
}

/** The model that has its input from images of 32x32 in one of the three ways that there are. */
const WAYS: Readonly<Record<string, Partial<Model>>> = {
  plain: {},
  preprocessed: { preprocessing: { resize: 32, mean: [0.3], std: [0.2] } },
  centred: {
    weights: forBytes(mini.weights),
    mean: { shape: [1, 32, 32], data: fill([1, 32, 32], 8, 100).map((value) => value + 128) },
  },
};

async function put(name: string, model: Model): Promise<string> {
  await writeFile(at(name), encodeModelFile(model));
  return at(name);
}

/** A grey picture that has the size it is wanted in, so that its pixels are those that the network sees. */
async function putPicture(name: string, size: number): Promise<Uint8Array> {
  const grey = Uint8Array.from(fill([size, size], 3, 255), (value) => Math.round(value + 127.5));
  await sharp(grey, { raw: { width: size, height: size, channels: 1 } }).png().toFile(at(name));
  return grey;
}

interface Line {
  readonly image: string;
  readonly predictions: readonly {
    readonly class: number;
    readonly name?: string;
    readonly probability: number;
  }[];
}

const linesOf = ({ stdout }: Outcome) => stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
const predict = (...args: string[]) => start("predict.ts", [...args, "--backend=cpu"]);

/** The probabilities by class. */
function softmax(logits: Float32Array): number[] {
  const powers = Array.from(logits, Math.exp);
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

for (const [way, parts] of Object.entries(WAYS)) {
  test(`exchange: what is predicted is what ONNX's runtime makes of the pixels, ${way}`, async () => {
    const file = await put(`${way}.safetensors`, { ...mini, ...parts });
    const size = way === "plain" ? 28 : 32;
    const grey = await putPicture(`${way}.png`, size);
    const exported = await start("export.ts", [file, `--to=${at(`${way}.onnx`)}`, "--pixels"], WRITE);
    assert.deepEqual([exported.code, exported.stderr], [0, ""]);
    assert.match(
      exported.stdout,
      /: alexnet_mini of .*, 285,322 parameters, [\d,]+ bytes \(ONNX, opset 13\)\n$/,
    );
    const middle = Float32Array.from({ length: 28 * 28 }, (_, i) => {
      const [y, x] = [Math.floor(i / 28), i % 28].map((place) => place + (size - 28) / 2) as [number, number];
      return grey[y * size + x]!;
    });
    const { data } = await runOnnx(await readFile(at(`${way}.onnx`)), middle, [1, 1, 28, 28]);
    const expected = softmax(data);
    assert(Math.max(...expected) < 0.9, `${way}: one class is all`);
    const outcome = await predict(at(`${way}.png`), `--model=${file}`, "--json");
    const [line] = linesOf(outcome);
    assert.equal(line!.predictions.length, 5);
    const order = [...expected.keys()].sort((a, b) => expected[b]! - expected[a]!);
    assert.deepEqual(line!.predictions.map((each) => each.class), order.slice(0, 5));
    assertLogits(
      line!.predictions.map((each) => each.probability),
      order.slice(0, 5).map((i) => expected[i]!),
      way,
    );
  });
}

test("predict: several images, class names, ten crops, and what is no image", async () => {
  const model = await put("named.safetensors", { ...mini, ...WAYS.centred, classNames: CLASSES });
  const noise = Uint8Array.from(fill([60, 90, 3], 4, 255), (value) => Math.round(value + 127.5));
  const colour = sharp(noise, { raw: { width: 90, height: 60, channels: 3 } });
  await colour.clone().jpeg().toFile(at("a.jpg"));
  await colour.clone().flop().jpeg({ quality: 100 }).toFile(at("b.jpg"));
  await writeFile(at("c.png"), "no picture");
  const images = ["a.jpg", "c.png", "b.jpg", "d.png"].map(at);
  const text = await predict(...images, `--model=${model}`);
  assert.equal(text.code, 1);
  const wrong = text.stderr.trimEnd().split("\n").sort();
  assert.match(wrong[0]!, /^error: .*c\.png: is neither JPEG nor PNG/);
  assert.match(wrong[1]!, /^error: .*d\.png: cannot be read \(ENOENT\)$/);
  assert.equal(wrong.length, 2);
  const lines = text.stdout.trimEnd().split("\n");
  assert.deepEqual([lines.length, lines[0], lines[6]], [12, images[0], images[2]]);
  for (const line of [...lines.slice(1, 6), ...lines.slice(7)]) {
    const [, name] = line.match(/^ {2}[ \d]{3}\.\d\d% {2}(\S+)$/) ?? [];
    assert(CLASSES.includes(name!), line);
  }
  const ten = await predict(images[0]!, images[2]!, `--model=${model}`, "--crops=10", "--json");
  const [one, mirrored] = linesOf(ten);
  assert.deepEqual([ten.code, one!.image, mirrored!.image], [0, images[0], images[2]]);
  assert.equal(one!.predictions[0]!.name, CLASSES[one!.predictions[0]!.class]);
  const sum = one!.predictions.reduce((total, { probability }) => total + probability, 0);
  assert(sum > 0.5 && sum < 1 + 1e-6, `${sum}`);
});

test("exchange: a run's checkpoints are models, also of networks that are not as published", async () => {
  const network = ["--model=lenet5", "--activation=relu", "--dataset=synthetic", "--batch=16"];
  const run = ["--backend=cpu", "--steps=1", `--checkpoint=${at("run")}`, "--quiet"];
  const trained = await start("train.ts", [...network, ...run], WRITE);
  assert.equal(trained.code, 0, trained.stderr);
  const model = await readModel(at("run"));
  assert.equal(model.path, at("run/step-1/model.safetensors"));
  assert.deepEqual(model.variation, { activation: "relu" });
  const exported = await start("export.ts", [at("run"), `--to=${at("run.onnx")}`], WRITE);
  assert.deepEqual([exported.code, exported.stderr], [0, ""]);
  const [images, shape] = [fill([2, 1, 28, 28], 6, 1), [2, 1, 28, 28]];
  const device = await open("cpu");
  const ours = buildWith(model.table, model.weights, device).forward(tensor(images, { shape, device }));
  const theirs = await runOnnx(await readFile(at("run.onnx")), images, shape);
  assertLogits(theirs.data, await ours.data() as Float32Array, "the checkpoint");
});

test("exchange: a file says all of its model", async () => {
  const variation = { lrn: false, pool: "plain" } as const;
  const table = nn.forClasses(vary(nn.models.alexnet_mini, variation), 3);
  const weights = await weightsFor(table);
  const classNames = ["a", "b", "ç"];
  const model = { ...mini, ...WAYS.preprocessed, ...WAYS.centred, variation, table, weights, classNames };
  const path = await put("all.safetensors", model);
  assert.deepEqual(await readModel(path), { ...model, path });
});

test("exchange: our names for what torchvision has no network of, theirs for alexnet_owt", async () => {
  const model = await put("mini.safetensors", mini);
  const { code } = await start("export.ts", [model, `--to=${at("out.safetensors")}`], WRITE);
  assert.equal(code, 0);
  const { tensors, metadata } = parseSafetensors(await readFile(at("out.safetensors")), "out");
  assert.deepEqual([...tensors.keys()], [...mini.weights.keys()]);
  assert.deepEqual(metadata, { format: "pt", model: "alexnet_mini" });
  const { parameters } = await loadTorchvision();
  const theirs = new Map(Object.keys(parameters).map((name) => [name, name]));
  const ours = fromTorchvision(theirs, "fixture");
  assert.equal(ours.get("fc7.bias"), "classifier.4.bias");
  assert.deepEqual([...toTorchvision(ours)], [...theirs]);
});

test("exchange: what a network sees of images goes out with its weights, or it is said that it does not", async () => {
  for (const [way, parts] of Object.entries(WAYS)) {
    const model = { ...mini, ...parts, classNames: CLASSES };
    const { bytes, warning } = exportModel(model, "out.safetensors", { pixels: false });
    const path = at(`${way}-out.safetensors`);
    await writeFile(path, bytes);
    assert.deepEqual(await readModel(path), { ...model, path });
    assert.equal(warning, undefined);
  }
  // Of a large network only the names count here.
  const layers = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"];
  const small = { shape: [1], data: Float32Array.of(1) };
  const weights = new Map(layers.flatMap((name) => [[`${name}.weight`, small], [`${name}.bias`, small]]));
  const owt: Model = {
    path: "run/step-1",
    name: "alexnet_owt",
    variation: {},
    table: nn.models.alexnet_owt,
    weights,
  };
  const exported = (parts: Partial<Model>) => {
    const { bytes, warning } = exportModel({ ...owt, ...parts }, "out.safetensors", { pixels: false });
    const { tensors, metadata } = parseSafetensors(bytes, "out");
    return { bytes, warning, metadata, names: [...tensors.keys()] };
  };
  const theirs = [...toTorchvision(new Map(weights)).keys()];

  const plain = exported({});
  const half = { resize: 224, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] };
  assert.deepEqual([plain.names, plain.warning], [theirs, undefined]);
  assert.deepEqual(JSON.parse(plain.metadata["preprocessing"]!), half);
  const { metadata } = exported({ preprocessing: { ...half, resize: 256 } });
  assert.deepEqual(JSON.parse(metadata["preprocessing"]!), { ...half, resize: 256 });

  const mean = { shape: [3, 256, 256], data: new Float32Array(3 * 256 * 256) };
  const centred = exported({ mean });
  assert.deepEqual(centred.names, theirs);
  assert.match(centred.warning!, /minus their mean image, .*: it is input\.mean in run\/step-1$/);
  await writeFile(at("centred-out.safetensors"), centred.bytes);
  await assert.rejects(readModel(at("centred-out.safetensors")), {
    name: "DataError",
    message: /out\.safetensors: its network sees images minus a mean image, which it does not have: use what/,
  });

  assert.deepEqual(exported({ variation: { activation: "relu", towers: 2 } }).names, theirs);
  // Its class would take these weights, and compute something else.
  const varied = exported({ variation: { pool: "plain" } });
  assert.deepEqual([varied.names, varied.metadata["network"]], [[...weights.keys()], `{"pool":"plain"}`]);
});

test("exchange: weights in fewer or more bits", () => {
  const values = [0, -0, 1, -2.5, 65504, 2 ** -24, -Infinity];
  const stored = (dtype: string, bytes: ArrayBufferLike): StoredTensor => ({
    dtype,
    shape: [values.length],
    data: new Uint8Array(bytes),
  });
  const half = Uint16Array.of(0, 0x8000, 0x3c00, 0xc100, 0x7bff, 1, 0xfc00);
  assert.deepEqual(toWeight(stored("F16", half.buffer), "w").data, Float32Array.from(values));
  assert.deepEqual(
    toWeight(stored("F64", Float64Array.from(values).buffer), "w").data,
    Float32Array.from(values),
  );
  const brain = Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);
  const cut = Float32Array.from([0, -0, 1, -2.5, 65280, 2 ** -24, -Infinity]);
  assert.deepEqual(toWeight(stored("BF16", brain.buffer), "w").data, cut);
  // In a file the numbers may begin anywhere.
  const bytes = new Uint8Array(4 * values.length + 1);
  bytes.set(new Uint8Array(Float32Array.from(values).buffer), 1);
  const shifted = { dtype: "F32", shape: [values.length], data: bytes.subarray(1) };
  assert.deepEqual(toWeight(shifted, "w").data, Float32Array.from(values));
  assert.throws(
    () => toWeight({ dtype: "I8", shape: [1], data: new Uint8Array(1) }, "f: w"),
    /^DataError: f: w is I8/,
  );
});

test("exchange: lists of class names", () => {
  const names = ["tench", "great white shark"];
  assert.deepEqual(readClassNames("tench\r\ngreat white shark\r\n", "f"), names);
  assert.deepEqual(readClassNames(JSON.stringify(names), "f"), names);
  assert.deepEqual(readClassNames(`{ "1": "great white shark", "0": ["n01440764", "tench"] }`, "f"), names);
  for (const wrong of ["", "a\n\nb", "[1, 2]", `{"0": "a", "2": "b"}`, "[", "{}x"]) {
    assert.throws(() => readClassNames(wrong, "f"), /^DataError: f: is no list of class names/, wrong);
  }
});

test("exchange: files that are no models are refused in one line", async () => {
  const tensors = new Map([...mini.weights].map(([name, weight]) => [name, toStored(weight)] as const));
  const notes = { model: "alexnet_mini" };
  const without = (name: string) => new Map([...tensors].filter(([key]) => key !== name));
  const turned = new Map(tensors).set("fc6.bias", { ...tensors.get("fc6.bias")!, shape: [16, 16] });
  const theirs = new Map([["features.0.weight", tensors.get("conv1.weight")!]]);
  const withoutClasses = new Map(tensors);
  for (const [name, shape] of [["fc8.weight", [0, 256]], ["fc8.bias", [0]]] as const) {
    withoutClasses.set(name, { dtype: "F32", shape, data: new Uint8Array(0) });
  }
  const cases: [ReadonlyMap<string, StoredTensor>, Record<string, string>, RegExp][] = [
    [tensors, {}, /does not say which network it is/],
    [tensors, { model: "vgg" }, /is of vgg, and there are alexnet, /],
    [tensors, { model: "lenet5" }, /conv1\.weight is \[32, 1, 5, 5\], lenet5 wants \[6, 1, 5, 5\]/],
    [without("fc6.bias"), notes, /fc6\.bias of alexnet_mini is missing/],
    [turned, notes, /fc6\.bias is \[16, 16\], alexnet_mini wants \[256\]/],
    [new Map(tensors).set("fc9.bias", tensors.get("fc8.bias")!), notes, /fc9\.bias belongs to no layer/],
    [tensors, { ...notes, classNames: `["a"]` }, /has 1 class names for 10 classes/],
    [tensors, { ...notes, classNames: "a" }, /has 0 class names/],
    [tensors, { ...notes, network: `{"towers":1,"lrn":false}` }, /conv1\.weight is \[32/],
    [tensors, { ...notes, preprocessing: `{"resize":32,"mean":[0.5],"std":[0]}` }, /its preprocessing is/],
    [tensors, { model: "lenet5", network: `{"towers":1}` }, /lenet5 has no towers/],
    [withoutClasses, notes, /has no class: its last layer has no outputs/],
    [theirs, {}, /features\.0\.bias of torchvision's alexnet is missing/],
    [
      new Map([["features.99.weight", tensors.get("conv1.weight")!]]),
      {},
      /torchvision's alexnet has no features\.99/,
    ],
  ];
  for (const [given, metadata, message] of cases) {
    await writeFile(at("wrong.safetensors"), encodeSafetensors(given, metadata));
    await assert.rejects(readModel(at("wrong.safetensors")), (error: unknown) => {
      assert(error instanceof DataError, `${error}`);
      assert.match(error.message, message);
      assert.match(error.message, /^[^\n]*wrong\.safetensors: [^\n]+$/);
      return true;
    });
  }
});

test("exchange: mistakes are one line, and nothing is written", async () => {
  const model = await put("good.safetensors", mini);
  await writeFile(at("two.txt"), "a\nb\n");
  const before = await readdir(folder);
  const cases: [string, string[], number, RegExp][] = [
    ["export.ts", [model], 2, /required option '--to <file>' not specified/],
    ["export.ts", [model, `--to=${at("a.pth")}`], 2, /ends in \.onnx or \.safetensors, got/],
    ["export.ts", [model, `--to=${at("a.safetensors")}`, "--pixels"], 2, /--pixels is about ONNX/],
    ["export.ts", [at("nothing"), `--to=${at("a.onnx")}`], 1, /nothing: cannot be read \(ENOENT\)/],
    ["export.ts", [model, `--to=${at("no/a.onnx")}`], 1, /no\/a\.onnx: cannot be written \(ENOENT\)/],
    ["import.ts", [at("two.txt"), `--to=${at("m")}`], 1, /two\.txt: is no safetensors file/],
    [
      "import.ts",
      [model, `--to=${at("m")}`, `--classes=${at("two.txt")}`],
      1,
      /has 2 names, the network has 10/,
    ],
    ["predict.ts", ["a.png"], 2, /required option '--model <path>' not specified/],
    [
      "predict.ts",
      ["a.png", `--model=${model}`, "--crops=5"],
      2,
      /'5' is invalid. Allowed choices are 1, 10/,
    ],
  ];
  for (const [command, args, code, message] of cases) {
    const outcome = await start(command, args, WRITE);
    const what = `${command} ${args.join(" ")}: ${JSON.stringify(outcome)}`;
    assert.deepEqual([outcome.code, outcome.stdout], [code, ""], what);
    assert.match(outcome.stderr, /^error: [^\n]+\n$/, what);
    assert.match(outcome.stderr, message, what);
  }
  assert.deepEqual(await readdir(folder), before);
});

test("import: class names, and a folder that is read as the file in it", async () => {
  const model = await put("given.safetensors", mini);
  await writeFile(at("names.txt"), CLASSES.join("\n"));
  const args = [model, `--to=${at("made/deep")}`, `--classes=${at("names.txt")}`];
  const { code, stdout } = await start("import.ts", args, WRITE);
  assert.deepEqual([code, stdout], [
    0,
    `${at("made/deep/model.safetensors")}: alexnet_mini, 285,322 parameters, 10 classes\n`,
  ]);
  const { classNames, weights } = await readModel(at("made/deep"));
  assert.deepEqual(classNames, CLASSES);
  assert.deepEqual(weights, mini.weights);
  assert.deepEqual(await readdir(at("made/deep")), ["model.safetensors"]);
});
