// Layers, names, initialisers, and what the networks consist of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nn, ones, Parameter, randomKey, SGD, type Tensor, tensor } from "../mod.ts";
import { formatSummary, summarise } from "../nn/tables.ts";
import { devices } from "./devices.ts";

const all = await devices();
const cpu = all[0]!;

test("models: published names, shapes and counts", () => {
  const names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"];
  const mini = nn.build(nn.models.alexnet_mini, { key: randomKey(1, { device: cpu }) });
  assert.deepEqual(
    [...mini.parameters().keys()],
    names.flatMap((name) => [`${name}.weight`, `${name}.bias`]),
  );
  assert.deepEqual(mini.parameters().get("conv2.weight")!.shape, [64, 16, 5, 5]);
  assert.deepEqual(mini.parameters().get("fc6.weight")!.shape, [256, 256]);
  assert.equal(mini.parameters().get("fc8.bias")!.name, "fc8.bias");
  const counts = Object.values(nn.models).map((table) => summarise(table).parameters);
  assert.deepEqual(counts, [60_965_224, 285_322, 61_100_840, 61_706]);
});

test("models: the summary agrees with the networks that are built", () => {
  for (const table of [nn.models.alexnet_mini, nn.models.lenet5]) {
    const network = nn.build(table, { key: randomKey(1, { device: cpu }) });
    const parameters = [...network.parameters()];
    const summary = summarise(table);
    let x: Tensor = ones([2, ...table.input], { device: cpu });
    for (const layer of summary.layers) {
      x = network.layers.get(layer.name)!.forward(x);
      assert.deepEqual(x.shape, [2, ...layer.output], layer.name);
      const own = parameters.filter(([name]) => name.startsWith(`${layer.name}.`));
      assert.equal(own.reduce((sum, [, parameter]) => sum + parameter.size, 0), layer.parameters, layer.name);
    }
    assert.match(
      formatSummary(summary),
      new RegExp(`total .*${summary.parameters.toLocaleString("en-US")}`),
    );
  }
});

test("models: the paper's start and He's", async () => {
  for (const device of all) {
    const start = async (init: nn.InitName, name: string) => {
      const network = nn.build(nn.models.alexnet_mini, { key: randomKey(7, { device }), init });
      return [...await network.parameters().get(name)!.data()];
    };
    const std = (values: number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    assert(Math.abs(std(await start("paper", "conv3.weight")) - 0.01) < 2e-4);
    assert(Math.abs(std(await start("he", "conv3.weight")) - Math.sqrt(2 / (64 * 9))) < 1e-3);
    assert((await start("paper", "fc7.bias")).every((value) => value === 1));
    assert((await start("paper", "conv3.bias")).every((value) => value === 0));
    assert((await start("he", "fc7.bias")).every((value) => value === 0));
    assert.deepEqual(await start("he", "fc6.weight"), await start("he", "fc6.weight"));
    assert.notDeepEqual(await start("he", "fc6.weight"), await start("he", "fc7.weight"));
  }
});

test("models: alexnet_owt starts as PyTorch starts it, so that raw RGB is not too much for it", async () => {
  for (const device of all) {
    const { alexnet_owt } = nn.models;
    const first = { ...alexnet_owt, rows: alexnet_owt.rows.slice(0, 1) };
    const network = nn.build(first, { key: randomKey(7, { device }) });
    const weight = await network.parameters().get("conv1.weight")!.data() as Float32Array;
    const bound = 1 / Math.sqrt(3 * 11 * 11);
    const largest = weight.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert(largest <= bound * (1 + 1e-6) && largest > 0.999 * bound, `${largest}`);
    const variance = weight.reduce((sum, value) => sum + value * value, 0) / weight.length;
    assert(Math.abs(variance - bound ** 2 / 3) < 0.02 * bound ** 2 / 3, `${variance}`);
    assert((await network.parameters().get("conv1.bias")!.data()).every((value) => value === 0));
  }
});

test("module: parameters of nested modules and lists", () => {
  class Pair extends nn.Module {
    readonly scale = new Parameter(ones([1], { device: cpu }));
    readonly branches: nn.Linear[];
    readonly title = "not a parameter";
    constructor(key: Tensor) {
      super();
      this.branches = [new nn.Linear(2, 3, { key }), new nn.Linear(2, 3, { key, bias: null })];
    }
    forward(x: Tensor): Tensor {
      return this.branches.map((branch) => branch.forward(x)).reduce((a, b) => a.add(b)).mul(this.scale);
    }
  }
  const pair = new Pair(randomKey(0, { device: cpu }));
  assert.deepEqual([...pair.parameters().keys()], [
    "scale",
    "branches.0.weight",
    "branches.0.bias",
    "branches.1.weight",
  ]);
  assert.throws(() => new nn.Sequential({ "1": new nn.ReLU() }), RangeError);
});

test("module: a parameter in two places is there once, and is updated once", () => {
  const layer = new nn.Linear(1, 1, { key: randomKey(0, { device: cpu }) });
  const network = new nn.Sequential({ first: layer, second: layer });
  assert.deepEqual([...network.parameters().keys()], ["first.weight", "first.bias"]);
  const w = new Parameter(tensor([2], { device: cpu }));
  assert.throws(() => new SGD([w, w]), /^TypeError: SGD: a parameter is given twice/);
  const scalar = tensor(1, { device: cpu });
  assert.throws(() => new SGD([w]).step([scalar], 0.1), /^TypeError: SGD: .* is \[1\], its gradient is \[\]/);
});

test("dropout: off in a test, masks by key in training", async () => {
  for (const device of all) {
    const network = new nn.Sequential({ a: new nn.Dropout({ p: 0.25 }), b: new nn.Dropout({ p: 0.5 }) });
    const x = ones([1000], { device });
    assert.equal(network.forward(x), x);
    const pass = async (
      seed: number,
    ) => [...await network.forward(x, nn.training(randomKey(seed, { device }))).data()];
    const [first, again, other] = [await pass(1), await pass(1), await pass(2)];
    assert.deepEqual(first, again);
    assert.notDeepEqual(first, other);
    const kept = first.filter((value) => value !== 0);
    assert(kept.every((value) => Math.abs(value - 1 / (0.75 * 0.5)) < 1e-6));
    assert(Math.abs(kept.length / 1000 - 0.375) < 0.06, "the masks of two layers must differ");
    assert.throws(() => network.forward(x, nn.training()), TypeError);
  }
  assert.throws(() => new nn.Dropout({ p: 1 }), RangeError);
});

test("conv2d layer: groups must divide the channels", () => {
  const key = randomKey(0, { device: cpu });
  assert.throws(
    () => new nn.Conv2d(3, 4, { window: 3, groups: 2, key }),
    /Conv2d: 2 groups do not divide 3 and 4/,
  );
});
