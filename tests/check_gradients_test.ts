// checkGradients and networkGradients, given functions whose gradients are wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGradients } from "../debug/mod.ts";
import {
  crossEntropy,
  device,
  InputSlot,
  logSoftmax,
  nn,
  normal,
  randomKey,
  type Tensor,
  tensor,
} from "../mod.ts";
import { type GradientEvent, networkGradients, wrongGradients } from "../train/mod.ts";
import { devices } from "./devices.ts";

const all = await devices();
const f64 = await device("cpu", { precision: "f64" });

/** The identity, but for one element its slope is wrong. */
function wrongAt(x: Tensor, index: number): Tensor {
  const mask = new Float64Array(x.size);
  mask[index] = 1;
  const here = tensor(mask, { shape: x.shape, device: x.device });
  return x.add(x.detach().mul(here).mul(0.25));
}

const numbers = (seed: number, ...shape: number[]) => normal(randomKey(seed, { device: f64 }), shape);

test("checkGradients: the place of an element, and both values", async () => {
  const x = numbers(1, 3, 4);
  await assert.rejects(
    checkGradients((y, x) => wrongAt(x, 6).sum().add(y.sum()), [numbers(2, 2), x]),
    /^Error: checkGradients: argument 1, element \[1, 2\]: the gradient is 1, the central difference 1\.2[45]\d* \(error 2\.00e-1\); tolerance 1e-7$/,
  );
  const [check] = await checkGradients((x) => x.square().sum(), [x]);
  assert.deepEqual(check!.at, [Math.floor(check!.index / 4), check!.index % 4]);
  assert.equal(check!.kink, null);
});

test("checkGradients: directions find a wrong element of many, at the cost of two values", async () => {
  const x = numbers(1, 100, 30);
  let values = 0;
  const f = (x: Tensor) => {
    values++;
    return x.tanh().sum();
  };
  const [check] = await checkGradients(f, [x], { directions: 3 });
  assert.deepEqual([values, check!.at], [1 + 2 * 3, null]);
  await assert.rejects(
    checkGradients((x) => f(wrongAt(x, 1234)), [x], { directions: 1 }),
    /argument 0, direction 0 over all of \[100, 30\]: the gradient's slope is -?[\d.]+, the central difference -?[\d.]+ \(/,
  );
});

test("checkGradients: a limit samples, spread over the argument and from a seed", async () => {
  const x = numbers(1, 100, 10);
  const before = await x.data();
  const weights = tensor(before, { shape: x.shape, device: f64 });
  const moved = async (limit: number, seed: number) => {
    const seen = new Set<number>();
    const f = (moved: Tensor) => {
      const now = moved.hostData!;
      now.forEach((value, i) => value === before[i] || seen.add(i));
      return moved.mul(weights).sum();
    };
    await checkGradients(f, [x], { limit, seed });
    return [...seen];
  };
  const sizes = Array.from(before, Math.abs);
  const largest = sizes.indexOf(Math.max(...sizes));
  const sampled = await moved(5, 0);
  assert.deepEqual(sampled.slice(0, 5).map((i) => Math.floor(i / 200)), [0, 1, 2, 3, 4]);
  assert.ok(sampled.includes(largest)); // always: the largest gradient
  assert.deepEqual(await moved(5, 0), sampled);
  assert.notDeepEqual(await moved(5, 1), sampled);
  assert.equal((await moved(1e6, 0)).length, 1000);
  // The element with the largest gradient is among the samples, whatever the seed.
  const steep = (x: Tensor) => wrongAt(x, 777).mul(wrongWeights).sum();
  const wrongWeights = tensor(Float64Array.from({ length: 1000 }, (_, i) => i === 777 ? 9 : 1), {
    shape: [100, 10],
    device: f64,
  });
  await assert.rejects(checkGradients(steep, [x], { limit: 2 }), /element \[77, 7\]: the gradient is 9/);
  await assert.rejects(
    checkGradients(steep, [x], { limit: 1.5 }),
    /limit must be a whole number from 0, got 1.5/,
  );
  await assert.rejects(checkGradients(steep, [x], { limit: 0 }), {
    name: "RangeError",
    message: "checkGradients: limit 0 without directions compares nothing: give one of them",
  });
  await checkGradients((x) => x.sum(), [x], { limit: 0, directions: 1 });
  await assert.rejects(checkGradients(steep, [x], { directions: -1 }), RangeError);
});

test("checkGradients: parameters and slots, which are put back", async () => {
  const layer = new nn.Linear(3, 2, { key: randomKey(1, { device: f64 }), bias: nn.init.normal(1) });
  const slot = new InputSlot([4, 3], { device: f64 });
  slot.write(await numbers(2, 4, 3).data());
  const parameters = [layer.weight, layer.bias!];
  const contents = async () => [await slot.array(), ...await Promise.all(parameters.map((w) => w.array()))];
  const before = await contents();
  // The function reads them from around itself.
  const loss = (..._: readonly Tensor[]) => layer.forward(slot).tanh().square().sum();
  const checks = await checkGradients(loss, [slot, ...parameters]);
  assert.ok(checks.length === 3 && checks.every(({ error, analytic }) => error < 1e-7 && analytic !== 0));
  assert.deepEqual(await contents(), before);
  const wrong = (..._: readonly Tensor[]) => loss().add(layer.bias!.detach().sum());
  await assert.rejects(checkGradients(wrong, parameters), /argument 1, element \[[01]\]/);
  assert.deepEqual(await contents(), before);
});

test("checkGradients: kinks near and here, which hide no mistake", async () => {
  // A step of 1e-5 straddles the kink, a smaller one does not.
  const near = tensor([1, 3e-7, -2e-7], { device: f64 });
  const [smooth] = await checkGradients((x) => x.relu(), [near]);
  assert.deepEqual([smooth!.kink, smooth!.error < 1e-7], [null, true]);
  await assert.rejects(checkGradients((x) => wrongAt(x.relu(), 1), [near]), /element \[1\]/);
  // Right at the kink, any slope from one side's to the other's will do.
  const here = tensor([0], { device: f64 });
  const [check] = await checkGradients((x) => x.relu(), [here]);
  assert.deepEqual([check!.analytic, check!.kink!.map(Math.round), check!.error], [0, [0, 1], 0]);
  const outside = (x: Tensor) => x.relu().add(x.mul(0.25)).sub(x.detach().mul(0.25)); // slope 0.25, between 0 and 1
  await checkGradients(outside, [here]);
  const beyond = (x: Tensor) => x.relu().sub(x.mul(0.25)).add(x.detach().mul(0.25)); // slope -0.25
  await assert.rejects(checkGradients(beyond, [here]), /the gradient is -0.25/);
  // A steep curve is no kink: its slopes on both sides meet.
  const steep = (x: Tensor) => x.square().mul(5e5).add(x.sub(x.detach()).mul(1e-3));
  await assert.rejects(checkGradients(steep, [here]), /the gradient is 0.001/);
});

test("checkGradients: gradients that are small everywhere are measured by the largest of them", async () => {
  const x = tensor([1, 2], { device: f64 });
  const slight = (x: Tensor) => x.mul(3e-8).add(x.detach().mul(6e-8));
  await assert.rejects(
    checkGradients(slight, [x]),
    /the gradient is 3e-8, the central difference [89]\.?\d*e-8/,
  );
  await checkGradients(slight, [x], { floor: 1 }); // what is under 1e-7 does not count
  // Gradients that cancel come to nothing but roundings.
  await checkGradients((x) => x.sub(x.mean()), [numbers(3, 20)]);
  await checkGradients((x) => logSoftmax(x, { axis: 0 }).exp(), [numbers(3, 20)]);
});

test("checkGradients: a jump is no kink", async () => {
  const x = tensor([2], { device: f64 });
  const planted = (x: Tensor) => x.floor().add(x.mul(5)).sub(x.detach().mul(5));
  await assert.rejects(checkGradients(planted, [x]), /element \[0\]: the gradient is 5/);
});

test("checkGradients: directions are as long as the step of an element", async () => {
  for (const device of all) {
    const x = tensor(new Float32Array(10000), { shape: [100, 100], device });
    const [check] = await checkGradients((x) => x.sum().tanh(), [x], { directions: 1 });
    assert.ok(check!.error < 1e-2);
  }
});

test("checkGradients: every argument that is wrong is named, and the precision of f32", async () => {
  const [x, y, z] = [numbers(1, 2), numbers(2, 3), numbers(3, 4)];
  const f = (x: Tensor, y: Tensor, z: Tensor) => wrongAt(x, 1).sum().add(y.sum()).add(wrongAt(z, 2).sum());
  await assert.rejects(
    checkGradients(f, [x, y, z]),
    /argument 0, element \[1\]: .* \(error \S+\); argument 2, element \[2\]: .* \(error \S+\); tolerance 1e-7$/,
  );
  const coarse = tensor([1, 2], { device: all[0]! });
  const mixed = (a: Tensor, b: Tensor) => wrongAt(a, 0).sum().add(b.square().to(f64).sum());
  await checkGradients((a, b) => a.sum().add(b.square().to(f64).sum()), [x, coarse]);
  await assert.rejects(
    checkGradients(mixed, [x, coarse]),
    /; tolerance 0\.01, in f32: put all arguments on an f64/,
  );
  const whole = tensor(Int32Array.of(1), { device: f64 });
  await assert.rejects(
    checkGradients((a, b) => a.mul(b.cast("f32")), [x, whole]),
    /^TypeError: checkGradients: argument 1 is i32 \[1\], wants floats/,
  );
});

test("checkGradients: on a device with f32, within what it can tell", async () => {
  for (const device of all) {
    const x = normal(randomKey(1, { device }), [2, 3]);
    const f = (x: Tensor) => x.tanh().square().sum();
    const checks = [...await checkGradients(f, [x]), ...await checkGradients(f, [x], { directions: 2 })];
    assert.ok(checks.every(({ error }) => error < 1e-2));
    await assert.rejects(checkGradients((x) => f(wrongAt(x, 3)), [x]), /element \[1, 0\]/);
  }
});

test("networkGradients: a mistake is found, and where it must be", async () => {
  const key = randomKey(5, { device: f64 });
  class Twisted extends nn.Module {
    override forward(x: Tensor): Tensor {
      return x.tanh().mul(1.1).sub(x.tanh().detach().mul(0.1)); // tanh, whose slope is a tenth too large
    }
  }
  const model = new nn.Sequential({
    conv1: new nn.Conv2d(1, 3, { key, window: 3 }),
    tanh1: new nn.Tanh(),
    conv2: new nn.Conv2d(3, 4, { key, window: 3 }),
    twisted: new Twisted(),
    flatten: new nn.Flatten(),
    fc3: new nn.Linear(16, 3, { key }),
  });
  const x = numbers(4, 2, 1, 6, 6);
  const loss = () => crossEntropy(model.forward(x), tensor(Int32Array.of(0, 2), { device: f64 }));
  const slopes: GradientEvent[] = [];
  for await (const slope of networkGradients({ model, loss, limit: 2, seed: 1 })) slopes.push(slope);
  const wrong = new Set(slopes.filter(({ agrees }) => !agrees).map(({ parameter }) => parameter));
  assert.deepEqual([...wrong], ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]);
  assert.match(
    wrongGradients(model, slopes),
    /worst that of conv\d\.\w+, .*; wrong in conv1\.weight, .*: look at conv2, twisted, flatten, fc3$/,
  );
});
