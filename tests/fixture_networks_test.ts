// The full AlexNet against PyTorch's numbers, on both backends: logits, loss, and every parameter's gradient; and torchvision's
// AlexNet, whose parameters have other names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTorchvision } from "../exchange/torchvision.ts";
import { buildWith } from "../exchange/weights.ts";
import { crossEntropy, gradients, nn, type Parameter, randomKey, tensor } from "../mod.ts";
import { devices } from "./devices.ts";
import { fill, loadAlexnet, loadTorchvision } from "./fixtures/mod.ts";

for (const device of await devices()) {
  test(`fixtures: AlexNet's logits, loss and gradients on ${device.name}`, async () => {
    const fixture = await loadAlexnet();
    const network = nn.build(nn.models.alexnet, { key: randomKey(0, { device }) });
    const parameters = network.parameters();
    for (const [name, parameter] of parameters) {
      const { shape, seed, scale } = fixture.parameters[name]!;
      assert.deepEqual(parameter.shape, shape, name);
      parameter.assign(tensor(fill(shape, seed, scale), { shape, device }));
    }
    const { shape, seed, scale } = fixture.input;
    const logits = network.forward(tensor(fill(shape, seed, scale), { shape, device }));
    const loss = crossEntropy(logits, tensor(Int32Array.from(fixture.labels), { device }));
    const found = gradients(loss, [...parameters.values()] as Parameter[]);
    const norms = found.map((gradient) => gradient.square().sum().sqrt());
    const samples = [...parameters.keys()].map((name, i) => {
      const { indices } = fixture.gradients[name]!;
      return found[i]!.reshape([-1]).gather(tensor(Int32Array.from(indices), { device }));
    });
    // One evaluation, so that the backward pass is computed once.
    await device.evaluate([logits, loss, ...norms, ...samples], true);

    const close = (actual: number, expected: number, tolerance: number, what: string) =>
      assert(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected}`);
    close(await loss.item(), fixture.loss, 1e-5 * Math.abs(fixture.loss), "loss");
    const largest = Math.max(...fixture.logits.map(Math.abs));
    (await logits.data()).forEach((value, i) =>
      close(value, fixture.logits[i]!, 1e-5 * largest, `logit ${i}`)
    );
    for (const [i, name] of [...parameters.keys()].entries()) {
      const { norm, values } = fixture.gradients[name]!;
      close(await norms[i]!.item(), norm, 1e-4 * norm, `norm of ${name}'s gradient`);
      const scaleOfValues = Math.max(...values.map(Math.abs));
      (await samples[i]!.data()).forEach((value, k) =>
        close(value, values[k]!, 1e-4 * scaleOfValues, `${name}'s gradient, sample ${k}`)
      );
    }
  });
}

for (const device of await devices()) {
  test(`fixtures: the logits of torchvision's AlexNet on ${device.name}`, async () => {
    const { parameters, input, logits } = await loadTorchvision();
    const named = fromTorchvision(new Map(Object.entries(parameters)), "the fixture");
    const weights = new Map(
      [...named].map(([name, { shape, seed, scale }]) => [name, { shape, data: fill(shape, seed, scale) }]),
    );
    const network = buildWith(nn.models.alexnet_owt, weights, device);
    const { shape, seed, scale } = input;
    const found = await network.forward(tensor(fill(shape, seed, scale), { shape, device })).data();
    const largest = Math.max(...logits.map(Math.abs));
    found.forEach((value, i) =>
      assert(Math.abs(value - logits[i]!) <= 1e-5 * largest, `logit ${i}: ${value}, not ${logits[i]}`)
    );
    assert.equal(found.length, logits.length);
  });
}
