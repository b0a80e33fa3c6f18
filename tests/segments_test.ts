// The segments by which `compareOps` holds fused kernels to their bounds, beside what WebGPU fuses: they name the tensors
// that training stores in any case, so a plan that stores them too is the plan without them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compiled } from "../backends/webgpu/compile.ts";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import { VIEWS } from "../debug/describe.ts";
import { JOINING, segmentsOf } from "../debug/segments.ts";
import {
  crossEntropy,
  device,
  gradients,
  nn,
  normal,
  randomKey,
  type Tensor,
  tensor,
  uniform,
} from "../mod.ts";
import { postorder, unevaluatedOperands } from "../tensor/graph.ts";
import { ops } from "../tensor/ops/registry.ts";
import { labels, planOf } from "./plans.ts";

const gpu = await device("webgpu");
const key = randomKey(1, { device: gpu });
const on = { device: gpu };

/** What the segments of a graph say that is stored. */
function storedOf(roots: readonly Tensor[]): Tensor[] {
  const order = postorder(roots, unevaluatedOperands);
  const inner = order.filter((tensor) => unevaluatedOperands(tensor).length > 0);
  const nodes = [...new Set(inner.map(({ node }) => node!))];
  return segmentsOf(nodes, roots).flatMap(({ outputs }) => outputs);
}

/** How many arrays a plan writes. */
function written({ dispatches }: Compiled): number {
  const bindings = dispatches.flatMap(({ bindings }) => bindings);
  return new Set(bindings.flatMap(({ access, value }) => access === "read" ? [] : [value])).size;
}

/** Fails where the plan for what is stored is not the plan for the roots, or fuses what segments keep apart. */
function assertAsPlanned(what: string, roots: readonly Tensor[]): void {
  const plan = planOf(roots);
  const all = planOf([...new Set([...roots, ...storedOf(roots)])]);
  assert.deepEqual(labels(all).sort(), labels(plan).sort(), what);
  assert.equal(written(all), written(plan), `${what}: segments store what the plan does not`);
}

test("segments: a step of a network is planned the same when what they store is read", () => {
  for (const model of ["lenet5", "alexnet_mini"] as const) {
    // The weights are part of the graph: they are drawn in it.
    const network = nn.build(nn.models[model], { key, dropout: 0.5 });
    const labelsOf = tensor(Int32Array.of(1, 2), on);
    const loss = crossEntropy(network.forward(normal(key, [2, 1, 28, 28]), nn.training(key)), labelsOf);
    assertAsPlanned(model, [loss, ...gradients(loss, [...network.parameters().values()])]);
  }
});

test("segments: chains, branches, and views that move nothing", () => {
  const x = tensor(new Float32Array(12).fill(1), { shape: [3, 4], ...on }).exp();
  const column = x.sum({ axis: 1, keepDims: true }).square();
  const same: Readonly<Record<string, readonly Tensor[]>> = {
    "a chain": [x.neg().relu().add(1)],
    "two readers": [x.square().add(x.neg())],
    "two kernels": [x.sum({ axis: 0 }), x.max({ axis: 1 })],
    "a reshape": [x.reshape([12]).neg()],
    "a transposition": [x.transpose().neg()],
    "some of it": [x.slice({ start: 1 }).neg()],
    "all of it": [x.slice({ start: 0 }).neg()],
    "another axis of one element": [x.broadcastTo([1, 3, 4]).neg()],
    "padding": [x.pad({ before: 1 }).neg()],
    "random numbers": [uniform(key, [3, 4]).mul(2), normal(key, [3, 4]).add(x)],
  };
  for (const [what, roots] of Object.entries(same)) {
    assertAsPlanned(what, roots);
    assert.equal(written(planOf(roots)), new Set(storedOf(roots)).size, what);
  }
  // Here the plan stores more: the packed operands of a product, the parts of a definition, a sum before its square.
  const more: Readonly<Record<string, readonly Tensor[]>> = {
    "behind a product": [x.matmul(x.transpose()).add(1).relu()],
    "a softmax": [x.logSoftmax().neg()],
    "the axis of one element moved": [column.transpose().neg()],
    "the axis of one element flipped": [column.flip({ axis: 1 }).neg()],
  };
  for (const [what, roots] of Object.entries(more)) assertAsPlanned(what, roots);
});

test("segments: the ops that read element by element are those whose kernels do", () => {
  const kindOf = (name: string) =>
    Object.hasOwn(kernels, name) ? kernels[name as keyof typeof kernels]!.kind : null;
  const names = [...ops.keys()];
  assert.deepEqual(names.filter((name) => kindOf(name) === "view").sort(), [...VIEWS].sort());
  // A composite without a kernel is what its definition is.
  assert.deepEqual(
    names.filter((name) => kindOf(name) === "elementwise").sort(),
    [...JOINING].filter((name) => kindOf(name) !== null).sort(),
  );
});
