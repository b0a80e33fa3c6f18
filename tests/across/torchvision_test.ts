// State dicts of torchvision's AlexNet come in and go out unchanged and mean the same. Where Python has torchvision it makes the
// state dict, and reads what comes out; elsewhere it is the fixture's, which torchvision made. The commands are typed as the
// guide has them; they meet the other runtimes with smaller networks.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { encodeSafetensors, parseSafetensors } from "../../data/mod.ts";
import { readModel } from "../../exchange/model.ts";
import { buildWith, toStored } from "../../exchange/weights.ts";
import { type Device, softmax, tensor } from "../../mod.ts";
import { devices } from "../devices.ts";
import { fill, loadTorchvision } from "../fixtures/mod.ts";
import { weightsOf } from "../program/onnx.ts";
import { pythonWith, root, run, RUNTIMES } from "./runtimes.ts";

const SHAPE = [2, 3, 224, 224];
const PEER = join(root, "tests/across/torchvision_peer.py");

const folder = await mkdtemp(join(tmpdir(), "fermi-torchvision-"));
after(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const floats = async (name: string) => new Float32Array((await readFile(at(name))).slice().buffer);

const [node, launcher] = RUNTIMES.deno;

/** A command with the permissions that it is to have. */
const deno = (permissions: string, ...args: string[]) =>
  run([node!, launcher!, "run", "-q", permissions, ...args]);

const python = pythonWith("torchvision");

function runPeer(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(python!, [PEER, ...args], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** 256x256 pixels that nobody has to scale. */
const pixels = Uint8Array.from(fill([256, 256, 3], 5, 255), (value) => Math.round(value + 127.5));
await sharp(pixels, { raw: { width: 256, height: 256, channels: 3 } }).png().toFile(at("picture.png"));
if (python !== undefined) runPeer("make", folder);
else {
  const { parameters, input, logits } = await loadTorchvision();
  const tensors = [...weightsOf(parameters)].map(([name, weight]) => [name, toStored(weight)] as const);
  await writeFile(at("alexnet.safetensors"), encodeSafetensors(new Map(tensors)));
  await writeFile(at("images.f32"), new Uint8Array(fill(input.shape, input.seed, input.scale).buffer));
  await writeFile(at("logits.f32"), new Uint8Array(Float32Array.from(logits).buffer));
}

/** How far numbers are apart, in parts of the largest. */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  const differences = Array.from(expected, (value, i) => Math.abs(value - actual[i]!));
  return Math.max(...differences) / Math.max(...Array.from(expected, Math.abs));
}

async function logitsOn(device: Device): Promise<ArrayLike<number>> {
  const { table, weights } = await readModel(at("model"));
  const images = tensor(await floats("images.f32"), { shape: SHAPE, device });
  return await buildWith(table, weights, device).forward(images).data();
}

test("torchvision: its state dict loads with equal outputs", async () => {
  const told = await deno("-P=write", "import.ts", at("alexnet.safetensors"), `--to=${at("model")}`);
  assert.match(told, /model\.safetensors: alexnet_owt, 61,100,840 parameters, 1000 classes\n$/);
  for (const device of await devices()) {
    const off = distance(await logitsOn(device), await floats("logits.f32"));
    assert(off <= 1e-5, `${device.name}: logits are off by ${off} of the largest`);
  }
});

test("torchvision: a state dict that came in goes out as it was", async () => {
  const told = await deno("-P=write", "export.ts", at("model"), `--to=${at("out.safetensors")}`);
  assert.match(
    told,
    /: alexnet_owt of .*, 61,100,840 parameters, .* \(safetensors, torchvision's names\)\n$/,
  );
  const [given, made] = await Promise.all(
    ["alexnet.safetensors", "out.safetensors"].map(async (name) =>
      parseSafetensors(await readFile(at(name)), name)
    ),
  );
  assert.deepEqual([...made!.tensors.keys()], [...given!.tensors.keys()]);
  for (const [name, { dtype, shape, data }] of given!.tensors) {
    const other = made!.tensors.get(name)!;
    assert.deepEqual([other.dtype, other.shape], [dtype, shape], name);
    assert(Buffer.compare(data, other.data) === 0, `${name}: other numbers`);
  }
  assert.equal(python === undefined ? "0.0" : runPeer("read", at("out.safetensors"), folder), "0.0");
});

test("torchvision: a picture is prepared as its published weights want it", async () => {
  const told = await deno(
    "-P",
    "predict.ts",
    at("picture.png"),
    `--model=${at("model")}`,
    "--backend=cpu",
    "--json",
  );
  const { predictions } = JSON.parse(told) as { predictions: { class: number; probability: number }[] };
  assert.equal(predictions.length, 5);
  const expected = python === undefined ? await plainProbabilities() : await floats("probabilities.f32");
  const order = [...expected.keys()].sort((a, b) => expected[b]! - expected[a]!);
  assert.deepEqual(predictions.map((each) => each.class), order.slice(0, 5));
  for (const { class: index, probability } of predictions) {
    assert(Math.abs(probability - expected[index]!) <= 1e-4 * expected[index]!, `class ${index}`);
  }
});

/** The middle of the picture, minus the mean, over the deviation: torchvision's documentation in a loop. */
async function plainProbabilities(): Promise<Float32Array> {
  const [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
  const image = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => {
    const [c, y, x] = [Math.floor(i / 224 ** 2), 16 + Math.floor(i / 224) % 224, 16 + i % 224];
    return (pixels[(y * 256 + x) * 3 + c]! / 255 - mean[c]!) / std[c]!;
  });
  const device = (await devices())[0]!;
  const { table, weights } = await readModel(at("model"));
  const logits = buildWith(table, weights, device).forward(
    tensor(image, { shape: [1, 3, 224, 224], device }),
  );
  return await softmax(logits).data() as Float32Array;
}
