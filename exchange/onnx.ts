/**
 * A network as an ONNX file: from images, as the network takes them, to its scores, for any number of images at once.
 *
 * Opset 13 is the first whose every operator here has its present form, and IR version 7 is what came with it; runtimes
 * since 2020 read both.
 *
 * @module
 */

import { trace, type TracedRow } from "../nn/models/trace.ts";
import type { ModelTable } from "../nn/mod.ts";
import { paperConstants } from "../tensor/ops/normalize.ts";
import { encodeModel, FLOAT, type OnnxAttribute, type OnnxNode, type OnnxTensor } from "./onnx_schema.ts";
import type { Scaling } from "./preprocessing.ts";
import type { Weights } from "./weights.ts";

/** The version of the operators. */
export const OPSET = 13;
const IR_VERSION = 7;

/** Names of what goes in, [N, channels, height, width], and comes out, [N, classes]. */
export const ONNX_INPUT = "images";
export const ONNX_OUTPUT = "logits";

/** A row's operators, with the names of the values that they read and make. */
type Emit = (
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes?: readonly OnnxAttribute[],
) => void;

/** What a file may have besides the network. */
export interface OnnxOptions {
  /** What it says of itself: readers find it in `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The network takes pixels from 0 to 255, and scales them itself. */
  readonly scaling?: Scaling | undefined;
}

/**
 * Encodes a network.
 *
 * @param weights by name, as the network's `parameters()` has them
 */
export function encodeOnnx(
  table: ModelTable,
  weights: Weights,
  { metadata = {}, scaling }: OnnxOptions = {},
): Uint8Array {
  const rows = trace(table).filter(({ row }) => row.layer !== "dropout"); // at test time it does nothing
  const node: OnnxNode[] = [];
  const constants = new Map(weights);
  if (scaling) {
    constants.set("offset", scaling.offset).set("scale", scaling.scale);
    node.push(
      operator("Sub", "centred", [ONNX_INPUT, "offset"]),
      operator("Div", "scaled", ["centred", "scale"]),
    );
  }
  rows.forEach((traced, i) => {
    const input = i > 0 ? rows[i - 1]!.row.name : scaling ? "scaled" : ONNX_INPUT;
    const output = i === rows.length - 1 ? ONNX_OUTPUT : traced.row.name;
    emitRow(traced, input, output, (op_type, inputs, outputs, attribute = []) => {
      // The node that makes the row's value has the row's name, the others that of what they make.
      const name = outputs[0] === output ? traced.row.name : outputs[0]!;
      node.push({ op_type, name, input: inputs, output: outputs, attribute });
    });
  });
  return encodeModel({
    ir_version: IR_VERSION,
    producer_name: "fermi",
    doc_string: table.source,
    opset_import: [{ domain: "", version: OPSET }],
    metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: table.name,
      node,
      initializer: [...constants].map(([name, weight]) => initializer(name, weight)),
      input: [valueInfo(ONNX_INPUT, table.input)],
      output: [valueInfo(ONNX_OUTPUT, rows.at(-1)!.output)],
    },
  });
}

function emitRow({ row, input: shape }: TracedRow, input: string, output: string, emit: Emit): void {
  switch (row.layer) {
    case "conv2d": {
      const { window, stride = 1, padding = 0, groups = 1 } = row;
      const geometry = [square("kernel_shape", window), square("strides", stride)];
      const pads = ints("pads", [padding, padding, padding, padding]);
      return emit("Conv", weighted(input, row.name), [output], [...geometry, pads, int("group", groups)]);
    }
    case "linear":
      return emit("Gemm", weighted(input, row.name), [output], [int("transB", 1)]);
    case "relu":
      return emit("Relu", [input], [output]);
    case "tanh":
      return emit("Tanh", [input], [output]);
    case "maxPool2d":
    case "avgPool2d": {
      const geometry = [square("kernel_shape", row.window), square("strides", row.stride)];
      return emit(row.layer === "maxPool2d" ? "MaxPool" : "AveragePool", [input], [output], geometry);
    }
    case "flatten":
      return emit("Flatten", [input], [output], [int("axis", 1)]);
    case "localResponseNorm":
      return emitNorm(input, output, row.groups, emit);
    case "dropout":
      throw new TypeError(`encodeOnnx: dropout (${row.name}, ${shape.join("x")}) was to be left out`);
    default:
      return row satisfies never;
  }
}

/** ONNX divides alpha by the size of the window, and knows no towers: each gets its own operator. */
function emitNorm(input: string, output: string, groups: number, emit: Emit): void {
  const { size, alpha, beta, k } = paperConstants;
  const constants = [
    int("size", size),
    float("alpha", alpha * size),
    float("beta", beta),
    float("bias", k),
  ];
  if (groups === 1) return emit("LRN", [input], [output], constants);
  const towers = Array.from({ length: groups }, (_, i) => `${output}.tower${i + 1}`);
  emit("Split", [input], towers.map((tower) => `${tower}.input`), [int("axis", 1)]);
  for (const tower of towers) emit("LRN", [`${tower}.input`], [tower], constants);
  emit("Concat", towers, [output], [int("axis", 1)]);
}

const operator = (op_type: string, name: string, input: readonly string[]): OnnxNode => ({
  op_type,
  name,
  input,
  output: [name],
  attribute: [],
});
const weighted = (input: string, name: string) => [input, `${name}.weight`, `${name}.bias`];
const int = (name: string, i: number): OnnxAttribute => ({ name, type: "INT", i });
const float = (name: string, f: number): OnnxAttribute => ({ name, type: "FLOAT", f });
const ints = (name: string, values: readonly number[]): OnnxAttribute => ({
  name,
  type: "INTS",
  ints: values,
});
const square = (name: string, extent: number): OnnxAttribute => ints(name, [extent, extent]);

function valueInfo(name: string, shape: readonly number[]) {
  const dim = [{ dim_param: "N" }, ...shape.map((size) => ({ dim_value: size }))];
  return { name, type: { tensor_type: { elem_type: FLOAT, shape: { dim } } } };
}

function initializer(
  name: string,
  { shape, data }: { shape: readonly number[]; data: Float32Array },
): OnnxTensor {
  // The bytes as they lie: every machine that this runs on is little-endian, as ONNX and safetensors are.
  const raw_data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dims: shape, data_type: FLOAT, name, raw_data };
}
