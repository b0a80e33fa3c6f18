/**
 * What is raced, as data: every contender is sent the same description and makes the same operands from it.
 *
 * @module
 */

import { nn } from "../../mod.ts";
import { summarise } from "../../nn/tables.ts";
import { alexnetConvolutions, convFlops, type ConvShape } from "../shapes.ts";
import type { Operand } from "./numbers.ts";

interface Common {
  /** The row in the table. */
  readonly name: string;
  /** Multiplications and additions of one run. */
  readonly flops: number;
  /** Bytes of the largest array that everybody has in one piece: a network's weights may lie in parts, its maps not. */
  readonly largest: number;
}

const bytesOf = (shape: readonly number[]) => 4 * shape.reduce((a, b) => a * b, 1);

/** The product of two square matrices, `a` and `b`. */
export interface MatmulWorkload extends Common {
  readonly kind: "matmul";
  readonly operands: readonly [Operand, Operand];
}

/** One pass of a convolution: of `x` and `weight`, of `dy` and `weight`, or of `x` and `dy`. */
export interface ConvWorkload extends Common {
  readonly kind: "conv";
  readonly pass: "forward" | "input gradient" | "weight gradient";
  readonly conv: ConvShape;
  readonly operands: readonly [Operand, Operand];
}

/** A layer of a network. */
export type Row = nn.Row;

/** A training step: the batch enters, forward, mean cross-entropy, gradients, SGD with momentum and weight decay. */
export interface StepWorkload extends Common {
  readonly kind: "step";
  /** Ours normalises and drops out; the rivals' do not, so that ours is compared with theirs in another row. */
  readonly full: boolean;
  /** Without normalisation and dropout unless `full`. */
  readonly rows: readonly Row[];
  readonly batch: number;
  /** channels, height, width */
  readonly input: readonly [number, number, number];
  readonly classes: number;
  /** The shape of what is flattened for the first fully connected layer. */
  readonly flattened: readonly number[];
  readonly images: Operand;
  /** The seed of the labels. */
  readonly labels: number;
  /** [outputs, inputs of a group, window, window], [outputs, inputs] and [outputs], in the order of the layers. */
  readonly parameters: readonly Operand[];
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** A row of the table. */
export type Workload = MatmulWorkload | ConvWorkload | StepWorkload;

/**
 * How far an array of the results may be off, as a fraction of its root mean square. Sums of up to 25,000 products in f32,
 * in whatever order, are off by about sqrt(25,000) * 2^-24 = 1e-5; a wrong index is off by 1. Through a network such an
 * error turns a ReLU or a maximum round here and there, which is one of the 1,000 and more gradients that a weight sums up:
 * 0.03 was seen.
 */
export function toleranceOf(array: string): number {
  return array.startsWith("velocity") ? 0.1 : 1e-4;
}

/**
 * The same where factors are rounded to TF32, 11 bits. Products of matrices were then off by 1.5e-3, a loss by 1e-4, of
 * AlexNet's gradients single elements by up to 0.8: that only tells them from other numbers. What PyTorch computes is held
 * to `toleranceOf` without TF32.
 */
export function roughToleranceOf(array: string): number {
  return array.startsWith("velocity") ? 1 : 1e-2;
}

/** The product of two square matrices. */
export function matmul(size: number): MatmulWorkload {
  const operand = (name: string, seed: number): Operand => ({ name, shape: [size, size], seed, scale: 1 });
  return {
    kind: "matmul",
    name: `matmul ${size}^3`,
    flops: 2 * size ** 3,
    largest: bytesOf([size, size]),
    operands: [operand("a", 1), operand("b", 2)],
  };
}

/** The three passes of a convolution. */
export function convolution(conv: ConvShape): ConvWorkload[] {
  const x: Operand = { name: "x", shape: conv.input, seed: 3, scale: 1 };
  const weight: Operand = { name: "weight", shape: conv.weight, seed: 4, scale: 1 };
  const output = [conv.input[0], conv.weight[0], conv.extent, conv.extent];
  const dy: Operand = { name: "dy", shape: output, seed: 5, scale: 1 };
  const largest = Math.max(...[conv.input, conv.weight, output].map(bytesOf));
  const common = { kind: "conv", conv, flops: convFlops(conv), largest } as const;
  return ([["forward", x, weight], ["input gradient", dy, weight], ["weight gradient", x, dy]] as const).map(
    ([pass, a, b]) => ({ ...common, name: `${conv.name} ${pass}`, pass, operands: [a, b] }),
  );
}

/** The layers that all have: the rivals neither normalise nor drop out. */
export function withoutExtras(rows: readonly Row[]): Row[] {
  return rows.filter(({ layer }) => layer !== "localResponseNorm" && layer !== "dropout");
}

/** How a training step is raced. */
interface StepManner {
  /** Ours normalises and drops out. */
  readonly full?: boolean;
  /** Images are bytes, which those who can upload as such. */
  readonly bytes?: boolean;
}

/** A training step of a network. */
export function step(
  name: string,
  table: nn.ModelTable,
  batch: number,
  { full = false, bytes = false }: StepManner = {},
): StepWorkload {
  const rows = full ? table.rows : withoutExtras(table.rows);
  const { layers } = summarise({ ...table, rows });
  // Nobody needs the gradient of the images.
  const [first, ...others] = layers.map(({ multiplyAdds }) => multiplyAdds)
    .filter((count) => count > 0);
  return {
    kind: "step",
    name,
    full,
    flops: 2 * batch *
      others.reduce((sum, count) => sum + 3 * count, 2 * first!),
    largest: batch * Math.max(...[table.input, ...layers.map(({ output }) => output)].map(bytesOf)),
    rows,
    batch,
    input: table.input,
    classes: table.classes,
    flattened: layers[rows.findIndex(({ layer }) => layer === "flatten") - 1]!.output,
    images: { name: "images", shape: [batch, ...table.input], seed: 6, scale: 1, bytes },
    labels: 7,
    parameters: parametersOf({ ...table, rows }),
    lr: 0.01,
    momentum: 0.9,
    weightDecay: 0.0005,
  };
}

/** The parameters at a start from which all layers learn: He's bound for the weights, small biases. */
function parametersOf(table: nn.ModelTable): Operand[] {
  const summary = summarise(table).layers;
  const parameters: Operand[] = [];
  let input: readonly number[] = table.input;
  table.rows.forEach((row, i) => {
    if (row.layer === "conv2d" || row.layer === "linear") {
      const shape = row.layer === "linear"
        ? [row.outputs, input[0]!]
        : [row.outputs, input[0]! / (row.groups ?? 1), row.window, row.window];
      const seed = 10 + parameters.length;
      const scale = Math.sqrt(6 * row.outputs / shape.reduce((a, b) => a * b));
      parameters.push({ name: `${row.name}.weight`, shape, seed, scale });
      parameters.push({ name: `${row.name}.bias`, shape: [row.outputs], seed: seed + 1, scale: 0.1 });
    }
    input = summary[i]!.output;
  });
  return parameters;
}

/** The small network of the race. */
export const small: nn.ModelTable = {
  name: "small",
  source: "the network with which the rivals were measured first",
  input: [1, 28, 28],
  classes: 10,
  weight: nn.init.he(),
  dropout: 0,
  rows: [
    { layer: "conv2d", name: "conv1", outputs: 32, window: 5, padding: 2, bias: 0 },
    { layer: "relu", name: "relu1" },
    { layer: "maxPool2d", name: "pool1", window: 2, stride: 2 },
    { layer: "conv2d", name: "conv2", outputs: 64, window: 5, padding: 2, bias: 0 },
    { layer: "relu", name: "relu2" },
    { layer: "maxPool2d", name: "pool2", window: 2, stride: 2 },
    { layer: "flatten", name: "flatten" },
    { layer: "linear", name: "fc3", outputs: 256, bias: 0 },
    { layer: "relu", name: "relu3" },
    { layer: "linear", name: "fc4", outputs: 10, bias: 0 },
  ],
};

const PLAIN = "ours too without LRN and dropout";

/** The rows of the table; with `large` those for fast devices, too. */
export function workloads(large: boolean): Workload[] {
  const { alexnet } = nn.models;
  const usual = [
    step("AlexNet step, batch 8", alexnet, 8, { full: true }),
    step(`AlexNet step, batch 8, ${PLAIN}`, alexnet, 8),
    step("small network step, batch 128", small, 128),
    matmul(1024),
    ...alexnetConvolutions(8).flatMap(convolution),
  ];
  if (!large) return usual;
  return [
    step("AlexNet step, batch 128", alexnet, 128, { full: true, bytes: true }),
    step(`AlexNet step, batch 128, ${PLAIN}`, alexnet, 128, { bytes: true }),
    matmul(4096),
    ...usual,
  ];
}
