// traceNonFinite, and training with it, given graphs that stop being finite.

import assert from "node:assert/strict";
import { test } from "node:test";
import { synthetic } from "../data/mod.ts";
import { type NonFinite, recordProvenance, traceNonFinite } from "../debug/mod.ts";
import { placeIn } from "../debug/record.ts";
import {
  crossEntropy,
  type Device,
  device,
  evaluate,
  gradients,
  InputSlot,
  nn,
  Parameter,
  randomKey,
  SGD,
  type Tensor,
  tensor,
} from "../mod.ts";
import { build, models } from "../nn/mod.ts";
import { Evaluator, makeSchedule, train, type TrainEvent } from "../train/mod.ts";
import { devices } from "./devices.ts";

const all = await devices();
const f64 = await device("cpu", { precision: "f64" });

// ---- traceNonFinite -------------------------------------------------------------------------------------------

/** A layer that is a function. */
class Apply extends nn.Module {
  readonly #f: (x: Tensor) => Tensor;

  constructor(f: (x: Tensor) => Tensor) {
    super();
    this.#f = f;
  }

  override forward(x: Tensor): Tensor {
    return this.#f(x);
  }
}

async function trace(make: () => Tensor | readonly Tensor[]): Promise<NonFinite> {
  const found = await traceNonFinite(make);
  assert.ok(found !== null);
  return found;
}

for (const device of all) {
  const from = (data: number[] | number[][]) => tensor(data, { device });

  test(`traceNonFinite: log of zero in a layer, ${device.name}`, async () => {
    const network = new nn.Sequential({
      scale: new Apply((x) => x.mul(0.5)),
      head: new Apply((x) => x.relu().log()),
      after: new Apply((x) => x.mul(2)),
    });
    const x = from([[1, 2, 3], [4, -1, 6]]);
    const found = await trace(() => network.forward(x).sum());
    assert.deepEqual([found.op, found.layer, found.role, found.of], ["log", "head", "forward", null]);
    assert.deepEqual([found.at, found.value], [[1, 1], -Infinity]);
    assert.deepEqual(found.operands, [{ name: null, shape: [2, 3], dtype: "f32", range: [0, 3] }]);
    assert.match(found.lines[0]!, /debugging_test\.[jt]s:\d+:\d+$/);
    assert.match(
      found.message,
      /^log \(layer head, \S*debugging_test\.[jt]s:\d+\) gives -Infinity at \[1, 1\] while its operand is finite: f32 \[2, 3\] 0 to 3$/,
    );
  });

  test(`traceNonFinite: an exp that overflows, ${device.name}`, async () => {
    const w = new Parameter(from([[1, 90]]), { name: "w" });
    const found = await trace(() => w.exp().div(w.exp().sum()).sum());
    assert.deepEqual([found.op, found.value, found.at], ["exp", Infinity, [0, 1]]);
    assert.deepEqual(found.operands, [{ name: "w", shape: [1, 2], dtype: "f32", range: [1, 90] }]);
  });

  test(`traceNonFinite: an update that overflows, ${device.name}`, async () => {
    const w = new Parameter(from([2, 3]), { name: "w" });
    const sgd = new SGD([w], { momentum: 0, weightDecay: 0 });
    const make = () => {
      const loss = w.square().sum();
      return [loss, ...sgd.updates(gradients(loss, [w]), 3e38).map(({ value }) => value)];
    };
    const found = await trace(make);
    assert.deepEqual([found.op, found.layer, found.at], ["mul", "w", [0]]);
    assert.match(found.lines[0]!, /train\/sgd\.[jt]s/);
    // Nothing was updated. A graph with the updates themselves is looked through just as well.
    assert.deepEqual(await w.array(), [2, 3]);
    const updating = await trace(() => {
      const loss = w.square().sum();
      sgd.step(gradients(loss, [w]), 3e38);
      return [loss, w];
    });
    assert.deepEqual([updating.op, updating.layer], ["mul", "w"]);
  });

  test(`traceNonFinite: an input and a parameter that are not finite, ${device.name}`, async () => {
    const images = new InputSlot([2, 2], { device, name: "images" });
    images.write([1, 2, NaN, 4]);
    const found = await trace(() => images.mul(2).sum());
    assert.deepEqual([found.op, found.at, found.operands], [null, [1, 0], []]);
    assert.equal(found.message, "images is not finite: it has NaN at [1, 0]");
    const x = from([1, Infinity]);
    const other = await trace(() => x.neg());
    assert.equal(
      other.message,
      "a tensor of f32 [2] that the graph starts from is not finite: it has Infinity at [1]",
    );
  });

  test(`traceNonFinite: the gradient of a square root at zero, ${device.name}`, async () => {
    const x = new Parameter(from([[3, 4], [0, 0]]), { name: "x" });
    const network = new nn.Sequential({ length: new Apply((x) => x.square().sum({ axis: 1 }).sqrt()) });
    const make = () => {
      const loss = network.forward(x).sum();
      return [loss, ...gradients(loss, [x])];
    };
    assert.equal(await make()[0]!.item(), 5);
    const found = await trace(make);
    assert.deepEqual([found.role, found.of, found.layer, found.at], ["gradient", "sqrt", "length", [1]]);
    assert.match(found.message, /^\w+ \(gradient of sqrt\) \(layer length, /);
  });

  test(`traceNonFinite: composites, and the op inside, ${device.name}`, async () => {
    const labels = tensor(Int32Array.of(0), { device });
    // The difference of the two logits is beyond f32.
    const x = from([[-3e38, 3e38]]);
    const found = await trace(() => crossEntropy(x, labels));
    assert.deepEqual([found.op, found.at, found.value], ["crossEntropy", [], Infinity]);
    assert.equal(found.operands.length, 2);
    assert.deepEqual(found.operands[1]!.range, [0, 0]);
    assert.equal(found.inside!.op, "logSoftmax");
    assert.deepEqual([found.inside!.role, found.inside!.of], ["definition", "crossEntropy"]);
    assert.deepEqual([found.inside!.inside!.op, found.inside!.inside!.value], ["sub", -Infinity]);
    assert.match(found.message, /; inside of it, logSoftmax .*; inside of it, sub /);
  });

  test(`traceNonFinite: what does not reach the result is no cause, ${device.name}`, async () => {
    const x = from([0, 1]);
    const masked = () => x.greater(0).where(x.log(), 0).sum();
    assert.equal(await traceNonFinite(masked), null);
    const found = await trace(() => [masked(), masked().sub(x.sum()).rsqrt()]);
    assert.equal(found.op, "rsqrt"); // of -1, and not the log
    assert.equal(await traceNonFinite(() => [x.exp(), x.argmax()]), null);
  });
}

test("traceNonFinite: a tensor that was read is looked behind, or refused", async () => {
  for (const device of all) {
    const w = new Parameter(tensor([1, 0], { device }), { name: "w" });
    w.assign(w.mul(2));
    await w.data();
    const y = w.log().sum();
    await y.item();
    assert.equal((await traceNonFinite(() => y))!.op, "log");
    assert.match(
      (await traceNonFinite(() => y.mul(2)))!.message,
      /^a tensor of f32 \[\] that was read before, a result of sum, is not finite/,
    );
    w.assign(w.add(1));
    await w.data();
    await assert.rejects(
      traceNonFinite(() => y),
      /traceNonFinite: a tensor was read before, and w, from which/,
    );
  }
});

test("recordProvenance: gradients of a graph that was described before know their op, and who asked", () => {
  const x = tensor([1, 2], { device: all[0]! });
  const y = x.exp().log().sum();
  assert.equal(y.node!.made, null);
  const [dx] = recordProvenance(() => gradients(y, [x]));
  const { role, of, lines } = dx!.node!.made!;
  assert.deepEqual([role, of?.op.name], ["gradient", "exp"]);
  assert.match(lines[0]!, /debugging_test\.[jt]s:\d+:\d+$/);
  assert.equal(recordProvenance(() => x.exp()).node!.made!.role, "forward");
});

test("recordProvenance: places in stacks of all engines, whatever is in their paths", () => {
  const cases: [string, string | null][] = [
    ["    at f (file:///a/b%20c/x.ts:1:2)", "/a/b c/x.ts:1:2"],
    ["    at async Object.<anonymous> (/a (b)/100%/x(1).ts:1:2)", "/a (b)/100%/x(1).ts:1:2"],
    ["    at /a b/x.ts:3:4", "/a b/x.ts:3:4"],
    ["    at file:///a/50%-off/x.ts:3:4", "/a/50%-off/x.ts:3:4"],
    ["f@http://localhost:80/@x/y.ts?v=2:3:4", "http://localhost:80/@x/y.ts:3:4"],
    ["    at node:internal/x:1:2", null],
    ["    at eval (eval at f (/a/b.js:1:2), <anonymous>:1:1)", null],
    ["Error: what", null],
  ];
  for (const [line, place] of cases) assert.equal(placeIn(line), place);
});

test("traceNonFinite: across devices", async () => {
  const x = tensor([1e39, 1], { device: f64 });
  const found = await trace(() => x.to(all[0]!).sum());
  assert.deepEqual([found.op, found.at, found.operands[0]!.range], ["to", [0], [1, 1e39]]);
});

// ---- training -------------------------------------------------------------------------------------------------

async function steps(device: Device, lr: number, traceNaN: boolean, weightDecay = 0.0005) {
  const shape = [1, 28, 28] as const;
  const [trainCount, testCount] = [32, 8];
  const dataset = await synthetic({
    key: randomKey(1, { device }),
    shape,
    classes: 10,
    trainCount,
    testCount,
  });
  const model = build(models.lenet5, { key: randomKey(2, { device }) });
  const optimiser = new SGD(model.parameters().values(), { weightDecay });
  const key = randomKey(3, { device });
  const events: TrainEvent[] = [];
  const result = train({
    device,
    model,
    dataset,
    optimiser,
    schedule: makeSchedule("plateau", lr),
    batch: 8,
    steps: 5,
    stepKey: key,
    shuffleKey: key,
    traceNaN,
    report: (event) => void events.push(event),
  });
  const error = await result.then(() => null, (error: Error) => error.message);
  const losses = events.flatMap((event) =>
    event.event === "step" || event.event === "eval" ? event.loss : []
  );
  await evaluate(...optimiser.parameters);
  return { error, losses, weights: await model.parameters().get("fc5.weight")!.data() };
}

for (const device of all) {
  test(`traceNaN: the same numbers as without, ${device.name}`, async () => {
    const [plain, traced] = [await steps(device, 0.05, false), await steps(device, 0.05, true)];
    assert.equal(plain.losses.length, 7);
    assert.deepEqual(traced, plain);
  });

  test(`traceNaN: an error names the op, the layer, the line and the range, ${device.name}`, async () => {
    const plain = await steps(device, 1e28, false);
    assert.match(plain.error!, /not finite at step \d: .*--trace-nan finds the op/);
    const { error, weights } = await steps(device, 1e28, true);
    assert.match(
      error!,
      /^the new content of velocity of \w+\.weight is not finite at step 2: mul \(layer \w+\.weight, train\/sgd\.[jt]s:\d+\) gives -?Infinity at \[[\d, ]+\] while its operands are finite: \w+\.weight \[[\d, ]+\] -\S+ to /,
    );
    assert.ok(weights.every(Number.isFinite)); // as they were before that step
    const forward = await steps(device, 1e37, true, 0);
    assert.match(
      forward.error!,
      /^the loss is not finite at step \d: .* \(layer \w+, .*train\/step\.[jt]s:\d+\) gives/,
    );
  });
}

test("traceNaN: a test loss that is not finite", async () => {
  for (const device of all) {
    const [shape, key] = [[1, 4, 4] as const, randomKey(1, { device })];
    const { test: split } = await synthetic({ key, shape, classes: 3, trainCount: 1, testCount: 5 });
    const model = new nn.Sequential({
      flatten: new nn.Flatten(),
      fc1: new nn.Linear(16, 3, { key }),
      trap: new Apply((x) => x.abs().add(1).mul(1e30).square()),
    });
    const evaluator = new Evaluator({ model, device, split, shape, classes: 3, batch: 2 });
    assert.ok(!Number.isFinite((await evaluator.run()).loss));
    const found = await evaluator.trace();
    assert.deepEqual([found!.op, found!.layer, found!.value], ["square", "trap", Infinity]);
    evaluator.dispose();
  }
});
