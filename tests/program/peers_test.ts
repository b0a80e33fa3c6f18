// bench:peers without its rivals: the children's protocol, the mutual check, and that a fault on the device is told.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { type Contender, DENO, FERMI, Peer, RIVALS } from "../../bench/peers/contender.ts";
import { type Digest, digestOf, numbersOf } from "../../bench/peers/numbers.ts";
import { optionsOf, raceAll } from "../../bench/peers/program.ts";
import { race } from "../../bench/peers/race.ts";
import { timeTable } from "../../bench/peers/table.ts";
import { matmul } from "../../bench/peers/workloads.ts";

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
function fake(key: string, digest: Digest, ms: number): Contender {
  const answers = {
    prepare: { ready: true, firstMs: 2 * ms, device: "none" },
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
  const { outcomes } = await race(workload, [FERMI, fake("jax", right, 1e6)], effort);
  for (const { failure } of outcomes) assert.equal(failure, null);
  const [ours] = outcomes;
  assert.equal(ours!.ms.length, effort.rounds);
  assert.ok(ours!.ms.every((ms) => ms > 0 && ms < 1e6) && ours!.firstMs! > 0);
  if (process.platform === "linux") assert.ok(ours!.peakRss! > 50 * 2 ** 20);

  const races = [{ workload: workload.name, flops: workload.flops, outcomes }];
  const [head, , row] = timeTable(races, [FERMI, { key: "jax", name: "fake jax" }]).split("\n");
  assert.match(head!, /^\| workload +\| +Fermi ms \| +GFLOP\/s \| +fake jax ms \| +to ours \|$/);
  assert.match(row!, /^\| matmul 64\^3 \| +[\d.]+ \| +[\d.]+ \| +1000000 \| +[\d.]+x \|$/);
});

test("a wrong result is not timed, and the program says who", async () => {
  const said: string[] = [];
  const contenders = [fake("fermi", right, 2), fake("jax", right, 1), fake("tfjs", wrong, 1)];
  const code = await raceAll(
    [workload],
    contenders,
    { effort, json: null },
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
  assert.match(text, /jax-js is faster, 0.50 of our time/);
});

test("of two that differ none is right, and what is not finite is wrong", async () => {
  const two = await race(workload, [fake("fermi", right, 1), fake("jax", wrong, 1)], effort);
  assert.deepEqual(two.outcomes.map(({ failure }) => failure?.kind), ["disagrees", "disagrees"]);
  const nothing: Digest = { ...right, rms: NaN };
  const { outcomes } = await race(workload, [fake("fermi", nothing, 1)], effort);
  assert.deepEqual(outcomes[0]!.failure, { kind: "disagrees", why: "result is not finite" });
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
  assert.ok(optionsOf(["--quick"]).effort.sampleMs < optionsOf([]).effort.sampleMs);
  assert.throws(() => optionsOf(["--contenders=fermi,onnx"]), /knows fermi, jax, tfjs, torch, got onnx/);
  assert.throws(() => optionsOf(["--rounds=0"]), RangeError);
  assert.throws(() => optionsOf(["--runtime=bun"]), TypeError);
  assert.deepEqual(RIVALS.map(({ name }) => name), ["jax-js", "TensorFlow.js"]);
});
