// bench:peers without its rivals: the children's protocol, the mutual check, and that a fault on the device is told.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { type Contender, DENO, fermi, Peer, RIVALS, usual } from "../../bench/peers/contender.ts";
import { type Digest, digestOf, numbersOf, rawBytesOf } from "../../bench/peers/numbers.ts";
import { optionsOf, raceAll } from "../../bench/peers/program.ts";
import { race } from "../../bench/peers/race.ts";
import { describe } from "../../bench/peers/record.ts";
import { timeTable } from "../../bench/peers/table.ts";
import { matmul, workloads } from "../../bench/peers/workloads.ts";

const SIZE = 64;
const workload = matmul(SIZE);
const effort = { rounds: 2, sampleMs: 20, budgetMs: 1000 };

/** What everybody has to find. */
function product(): Digest {
  const [a, b] = workload.operands.map(numbersOf);
  const c = new Float64Array(SIZE * SIZE);
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      for (let k = 0; k < SIZE; k++) c[y * SIZE + x]! += a![y * SIZE + k]! * b![k * SIZE + x]!;
    }
  }
  return digestOf("result", c);
}

/** A child that computes nothing: it answers with what it is given. */
function fake(key: string, digest: Digest, ms: number, prepared: object = { ready: true }): Contender {
  const answers = {
    prepare: { ...prepared, firstMs: 2 * ms, device: "none" },
    run: { ms },
    result: { digests: [digest] },
    stats: { peakRss: 3 * 2 ** 20 },
  };
  const source = `require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    console.log(JSON.stringify(${JSON.stringify(answers)}[Object.keys(JSON.parse(line))[0]]));
  })`;
  return { key, name: `fake ${key}`, command: ["node", "-e", source] };
}

const right = product();
const wrong: Digest = { ...right, samples: right.samples.with(17, right.samples[17]! + 0.01 * right.rms) };

test("Fermi races, alone and beside others that agree", async () => {
  const { outcomes } = await race(workload, [fermi("cached"), fake("jax", right, 1e6)], effort);
  for (const { failure } of outcomes) assert.equal(failure, null);
  const [ours] = outcomes;
  assert.equal(ours!.ms.length, effort.rounds);
  assert.ok(ours!.ms.every((ms) => ms > 0 && ms < 1e6) && ours!.firstMs! > 0);
  if (process.platform === "linux") assert.ok(ours!.peakRss! > 50 * 2 ** 20);

  const races = [{ workload: workload.name, flops: workload.flops, outcomes }];
  const [head, , row] = timeTable(races, [fermi("off"), { key: "jax", name: "fake jax" }]).split("\n");
  assert.match(head!, /^\| workload +\| +Fermi ms \| +GFLOP\/s \| +fake jax ms \| +to ours \|$/);
  assert.match(row!, /^\| matmul 64\^3 \| +[\d.]+ \| +[\d.]+ \| +1000000 \| +[\d.]+x \|$/);
});

test("a wrong result is not timed, and the program says who", async () => {
  const said: string[] = [];
  const contenders = [fake("fermi", right, 2), fake("jax", right, 1), fake("tfjs", wrong, 1)];
  const code = await raceAll(
    [workload],
    contenders,
    { effort, json: null, tune: "off", quick: false },
    (text) => said.push(text),
    () => {},
  );
  assert.equal(code, 1);
  const text = said.join("\n");
  assert.match(text, /\| matmul 64\^3 \| +2.00 \| +[\d.]+ \| +1.00 \| +0.50x \| +disagrees \| +\|/);
  assert.match(
    text,
    /tfjs disagrees: differs from fermi \(result, 0\.01\d*\), from jax \(result, 0\.01\d*\)/,
  );
  assert.match(text, /jax-js is faster in .*: it takes 0.50 of our time/);
});

test("of two that differ none is right, and what is not finite is wrong", async () => {
  const two = await race(workload, [fake("fermi", right, 1), fake("jax", wrong, 1)], effort);
  assert.deepEqual(two.outcomes.map(({ failure }) => failure?.kind), ["disagrees", "disagrees"]);
  const nothing: Digest = { ...right, rms: NaN };
  const { outcomes } = await race(workload, [fake("fermi", nothing, 1)], effort);
  assert.deepEqual(outcomes[0]!.failure, { kind: "disagrees", why: "result is not finite" });
});

test("who computes roughly is held to wider bounds, and has no voice", async () => {
  const rough = (key: string, digest: Digest) => ({ ...fake(key, digest, 1), rough: true });
  const off = (by: number): Digest => ({
    ...right,
    samples: right.samples.with(17, right.samples[17]! + by * right.rms),
  });
  const kinds = async (...contenders: readonly Contender[]) =>
    (await race(workload, contenders, effort)).outcomes.map(({ failure }) => failure?.kind);
  const [close, far] = [rough("torch-tf32", off(0.005)), rough("torch-tf32", off(0.05))];
  assert.deepEqual(await kinds(fake("fermi", right, 1), close), [undefined, undefined]);
  assert.deepEqual(await kinds(fake("fermi", right, 1), far), [undefined, "disagrees"]);
  // The two that are off by as much are no majority.
  const three = [fake("fermi", right, 1), fake("torch-cuda", right, 1), fake("jax", off(0.005), 1), close];
  assert.deepEqual(await kinds(...three), [undefined, undefined, "disagrees", undefined]);
});

test("who cannot is not tried, which is no fault, and docs/performance.md says so", async () => {
  const cannot = fake("jax", right, 1, { error: "a binding is too small", cannot: true });
  const contenders = [fake("fermi", right, 2), cannot, fake("tfjs", right, 5)];
  const said: string[] = [];
  const kept = { effort, json: null, tune: "off", quick: false } as const;
  assert.equal(await raceAll([workload], contenders, kept, (text) => said.push(text), () => {}), 0);
  assert.match(said.join("\n"), /matmul 64\^3: jax cannot: a binding is too small/);
  const races = [await race(workload, contenders, effort)];
  const passes = ["forward", "input gradient"].map((pass) => ({ ...races[0]!, workload: `conv2 ${pass}` }));
  const about = {
    format: 1,
    date: "2026-11-26T00:00:00.000Z",
    cpu: "CPU",
    cores: 2,
    adapter: "GPU",
    commit: "abc",
  } as const;
  const text = describe("here", { ...about, ...kept, contenders, races: [...races, ...passes] });
  const lines = text.replaceAll(/ +/g, " ").split("\n");
  assert.deepEqual(lines, [
    "here (GPU; CPU, 2 cores; 2026-11-26, abc; `--tune=off`, medians of up to 2 rounds):",
    "",
    "| workload | Fermi ms | fake jax | fake tfjs | first run, s | peak MiB |".replace("Fermi", "fake fermi"),
    lines[3],
    "| matmul 64^3 | 2.00 | cannot | 2.50x | 0.0 / - / 0.0 | 3 / - / 3 |",
    "| conv2: forward, input gradient | 2.00 2.00 | cannot cannot | 2.50x 2.50x | | |",
    "",
    "- matmul 64^3: jax cannot: a binding is too small",
    "- conv2 forward: jax cannot: a binding is too small",
    "- conv2 input gradient: jax cannot: a binding is too small",
  ]);
});

test("AlexNet's batch of 128 and a product of 4096 are for fast devices, and their images are bytes", () => {
  const names = (large: boolean) => workloads(large).map(({ name }) => name);
  const added = names(true).filter((name) => !names(false).includes(name));
  assert.deepEqual(added, [
    "AlexNet step, batch 128",
    "AlexNet step, batch 128, ours too without LRN and dropout",
    "matmul 4096^3",
  ]);
  const [step] = workloads(true);
  assert.ok(step!.kind === "step" && step!.images.bytes);
  // conv1's maps; the weight of fc6, which is larger than those of a batch of 96, may lie in parts.
  assert.equal(step!.largest, 128 * 96 * 55 * 55 * 4);
  const few = { ...step!.images, shape: [1000] };
  assert.deepEqual(numbersOf(few), Float32Array.from(rawBytesOf(few), (byte) => byte / 128 - 1));
  assert.equal(new Set(rawBytesOf(few)).size > 200, true);
});

test("PyTorch on the CPU races where nobody is named and there is no CUDA", () => {
  const [cpu, cuda, tf32] = ["torch", "torch-cuda", "torch-tf32"].map((key) => fake(key, right, 1));
  assert.deepEqual(usual([cpu!]), [cpu]);
  assert.deepEqual(usual([cpu!, cuda!, tf32!]), [cuda, tf32]);
});

test("who dies or cannot be started fails, and the others race on", async () => {
  const dies: Contender = {
    key: "jax",
    name: "",
    command: ["node", "-e", "throw new Error('no such luck')"],
  };
  const missing: Contender = { key: "tfjs", name: "", command: ["no-such-program"] };
  const { outcomes } = await race(workload, [fake("fermi", right, 1), dies, missing], effort);
  const [ours, dead, absent] = outcomes;
  assert.deepEqual([ours!.failure, ours!.ms], [null, [1, 1]]);
  assert.equal(dead!.failure!.kind, "fails");
  assert.match(dead!.failure!.why, /ended with 1: [^]*no such luck/);
  assert.match(absent!.failure!.why, /no-such-program/);
});

test("a fault on the device is told, though nobody listens", async () => {
  const source = `const { serve } = await import(${JSON.stringify("./bench/peers/child.ts")});
  await serve(async () => {
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const fault = () => void device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    return async () => ({ run: fault, finish() {}, result: async () => [] });
  });`;
  const command = [...DENO, "eval", "-q", source];
  const peer = new Peer({ key: "faulty", name: "faulty", command }, {});
  try {
    await assert.rejects(peer.ask({ prepare: workload }), /the device says: .*MAP/);
    assert.ok((await peer.ask({ stats: true })).peakRss !== 0); // it still answers
  } finally {
    await peer.end();
  }
});

test("the command line is checked", () => {
  assert.deepEqual(optionsOf(["--contenders=fermi,jax", "--rounds=3"]).contenders, ["fermi", "jax"]);
  assert.equal(optionsOf(["--rounds=3"]).effort.rounds, 3);
  const { large, tune, quick } = optionsOf(["--large", "--tune=cached", "--quick"]);
  assert.deepEqual([large, tune, quick], [true, "cached", true]);
  assert.throws(() => optionsOf(["--tune=yes"]), /--tune must be off, cached or on, got yes/);
  assert.ok(optionsOf(["--quick"]).effort.sampleMs < optionsOf([]).effort.sampleMs);
  assert.throws(
    () => optionsOf(["--contenders=fermi,onnx"]),
    /knows fermi, jax, tfjs, torch, torch-cuda, torch-tf32, got onnx/,
  );
  assert.throws(() => optionsOf(["--rounds=0"]), RangeError);
  assert.throws(() => optionsOf(["--runtime=bun"]), TypeError);
  assert.deepEqual(RIVALS.map(({ name }) => name), ["jax-js", "TensorFlow.js"]);
});
