// Exported networks give ONNX's runtime the same logits: those of PyTorch for the two full ones, those of the CPU backend
// for small ones of all kinds.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeOnnx, OPSET } from "../../exchange/onnx.ts";
import { decodeModel } from "../../exchange/onnx_schema.ts";
import { fromTorchvision } from "../../exchange/torchvision.ts";
import { buildWith } from "../../exchange/weights.ts";
import { device, nn, tensor } from "../../mod.ts";
import { summarise } from "../../nn/tables.ts";
import { fill, loadAlexnet, loadTorchvision } from "../fixtures/mod.ts";
import { hold, runs } from "../seeds.ts";
import { assertLogits, runOnnx, weightsFor, weightsOf } from "./onnx.ts";

const cpu = await device("cpu");

/** Compares the CPU backend with ONNX's runtime, on images large enough for normalisation to matter. */
async function assertSame(table: nn.ModelTable, batch: number): Promise<void> {
  const weights = await weightsFor(table);
  const shape = [batch, ...table.input];
  const images = fill(shape, 99, 400);
  const ours = buildWith(table, weights, cpu).forward(tensor(images, { shape, device: cpu }));
  const theirs = await runOnnx(encodeOnnx(table, weights), images, shape);
  assert.deepEqual(theirs.dims, ours.shape);
  assertLogits(theirs.data, await ours.data() as Float32Array, table.name);
}

test("onnx: AlexNet as PyTorch computes it", async () => {
  const { parameters, input, logits } = await loadAlexnet();
  const file = encodeOnnx(nn.models.alexnet, weightsOf(parameters));
  const { shape, seed, scale } = input;
  const found = await runOnnx(file, fill(shape, seed, scale), shape);
  assert.deepEqual(found.dims, [2, 1000]);
  assertLogits(found.data, logits, "alexnet");
});

test("onnx: alexnet_owt as torchvision computes it", async () => {
  const { parameters, input, logits } = await loadTorchvision();
  const file = encodeOnnx(nn.models.alexnet_owt, fromTorchvision(weightsOf(parameters), "the fixture"));
  const { shape, seed, scale } = input;
  assertLogits((await runOnnx(file, fill(shape, seed, scale), shape)).data, logits, "alexnet_owt");
});

test("onnx: the small networks, for any number of images", async () => {
  for (const batch of [1, 3]) {
    await assertSame(nn.models.alexnet_mini, batch);
    await assertSame(nn.models.lenet5, batch);
  }
});

test("onnx: networks of any layers", async () => {
  const layers = fc.array(
    fc.oneof(
      fc.record({
        layer: fc.constant("conv2d" as const),
        outputs: fc.constantFrom(4, 8),
        window: fc.constantFrom(1, 2, 3),
        stride: fc.constantFrom(undefined, 1, 2),
        padding: fc.constantFrom(undefined, 0, 1),
        groups: fc.constantFrom(undefined, 1, 2, 4),
        bias: fc.constant(0),
      }),
      fc.record({
        layer: fc.constant("localResponseNorm" as const),
        groups: fc.constantFrom(1, 2, 4),
      }),
      fc.record({
        layer: fc.constantFrom("maxPool2d" as const, "avgPool2d" as const),
        window: fc.constantFrom(1, 2, 3),
        stride: fc.constantFrom(1, 2),
      }),
      fc.record({ layer: fc.constantFrom("relu" as const, "tanh" as const, "dropout" as const) }),
    ),
    { minLength: 1, maxLength: 6 },
  );
  await hold(
    fc.asyncProperty(layers, fc.constantFrom(1, 2), async (rows, batch) => {
      const named = rows.map((row, i) => ({ ...row, name: `layer${i}` }) as nn.Row);
      const table: nn.ModelTable = {
        ...nn.models.lenet5,
        name: "any",
        input: [4, 21, 17],
        classes: 3,
        rows: [...named, { layer: "flatten", name: "flatten" }, {
          layer: "linear",
          name: "fc",
          outputs: 3,
          bias: 0,
        }],
      };
      // Some stacks of windows are larger than what is left of the images.
      fc.pre(summarise(table).layers.every(({ output }) => output.every((extent) => extent > 0)));
      await assertSame(table, batch);
    }),
    { numRuns: runs(30) },
    { file: "program/onnx_test.ts", test: "networks of any layers" },
  );
});

test("onnx: what the file says of itself", async () => {
  const table = nn.models.alexnet_mini;
  const weights = await weightsFor(table);
  const model = decodeModel(encodeOnnx(table, weights, { metadata: { model: table.name, note: "päper" } }));
  assert.deepEqual(model.opset_import, [{ domain: "", version: OPSET }]);
  assert.equal(model.ir_version, 7);
  assert.deepEqual(model.metadata_props, [
    { key: "model", value: "alexnet_mini" },
    { key: "note", value: "päper" },
  ]);
  const { node, input, output, initializer } = model.graph;
  const shapeOf = ({ type }: typeof input[number]) =>
    type.tensor_type.shape.dim.map((dim) => "dim_param" in dim ? dim.dim_param : dim.dim_value);
  assert.deepEqual(input.map(shapeOf), [["N", 1, 28, 28]]);
  assert.deepEqual(output.map(shapeOf), [["N", 10]]);
  assert.deepEqual(initializer.map(({ name }) => name), [...weights.keys()]);
  // Two towers are normalised apart, and nothing is left of dropout.
  const types = node.map(({ op_type }) => op_type);
  assert.deepEqual(types.slice(0, 7), ["Conv", "Relu", "Split", "LRN", "LRN", "Concat", "MaxPool"]);
  assert.deepEqual(types.slice(-6), ["Flatten", "Gemm", "Relu", "Gemm", "Relu", "Gemm"]);
  assert.deepEqual(new Set(node.map(({ name }) => name)).size, node.length);
  const alpha = node.find(({ op_type }) => op_type === "LRN")!.attribute.find(({ name }) =>
    name === "alpha"
  )!;
  assert.equal(alpha.type === "FLOAT" && alpha.f, Math.fround(5e-4)); // five times the paper's
});
