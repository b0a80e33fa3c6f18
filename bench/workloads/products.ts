/**
 * Products: matrices, AlexNet's convolutions and its fully connected layers, each forward and in both gradients.
 *
 * @module
 */

import { conv2d, conv2dInputGradient, matmul, relu, type Shape, type Tensor, transpose } from "../../mod.ts";
import { apply, applyOne } from "../../tensor/declare.ts";
import { conv2dParameterGradientsOp } from "../../tensor/ops/conv2d.ts";
import { linearOp, linearParameterGradientsOp } from "../../tensor/ops/matmul.ts";
import {
  alexnetConvolutions,
  alexnetLinears,
  convFlops,
  type ConvShape,
  linearFlops,
  type LinearShape,
} from "../shapes.ts";
import { bytesOf, type Entry, type Workload } from "../workload.ts";

/** A workload from random operands to results. */
function product(
  given: Pick<Workload, "family" | "name" | "size" | "flops">,
  operands: readonly Shape[],
  results: readonly Shape[],
  op: (operands: readonly Tensor[]) => readonly Tensor[],
): Workload {
  return {
    ...given,
    precision: "f32",
    bytes: bytesOf(...operands, ...results),
    images: 0,
    resultBytes: bytesOf(...results),
    prepare(scope) {
      const made = operands.map((shape) => scope.random(...shape));
      return Promise.resolve(() => op(made));
    },
  };
}

/** The ways in which the operands of a product may lie. */
const LAYOUTS: readonly { name: string; op: (a: Tensor, b: Tensor) => Tensor }[] = [
  { name: "a b", op: (a, b) => matmul(a, b) },
  { name: "aT b", op: (a, b) => matmul(transpose(a), b) },
  { name: "a bT", op: (a, b) => matmul(a, transpose(b)) },
  { name: "aT bT", op: (a, b) => matmul(transpose(a), transpose(b)) },
];

function square(n: number, { name, op }: (typeof LAYOUTS)[number] = LAYOUTS[0]!): Workload {
  const shape = [n, n];
  const given = { family: "matmul", name, size: `${n}`, flops: 2 * n ** 3 } as const;
  return product(given, [shape, shape], [shape], ([a, b]) => [op(a!, b!)]);
}

function batched(count: number, n: number): Workload {
  const shape = [count, n, n];
  const given = {
    family: "matmul",
    name: "batched a b",
    size: `${count} of ${n}`,
    flops: 2 * count * n ** 3,
  } as const;
  return product(given, [shape, shape], [shape], ([a, b]) => [matmul(a!, b!)]);
}

/** Products of matrices. */
export function matmuls(): Entry[] {
  return [
    { workload: square(1024), small: square(256), large: false },
    ...LAYOUTS.map((layout) => ({ workload: square(512, layout), small: square(256, layout), large: false })),
    { workload: batched(16, 256), small: batched(16, 64), large: false },
    { workload: square(4096), small: square(256), large: true },
  ];
}

/** The three passes of a convolution, as a step runs them: with bias and ReLU behind, and one for both parameters. */
function convolution(shape: ConvShape): Workload[] {
  const { name, input, weight, stride, padding, groups, extent } = shape;
  const [output, bias] = [[input[0], weight[0], extent, extent], [weight[0]]];
  const options = { stride, padding, groups };
  const geometry = {
    stride: [stride, stride],
    padding: [padding, padding, padding, padding],
    dilation: [1, 1],
    groups,
  } as const;
  const given = { family: "conv2d", size: `batch ${input[0]}`, flops: convFlops(shape) } as const;
  return [
    product(
      { ...given, name: `${name} + bias + ReLU` },
      [input, weight, bias],
      [output],
      ([x, weight, bias]) => [relu(conv2d(x!, weight!, { ...options, bias: bias! }))],
    ),
    product(
      { ...given, name: `${name} input gradient` },
      [output, weight],
      [input],
      ([dy, weight]) => [conv2dInputGradient(dy!, weight!, { ...options, shape: input })],
    ),
    product(
      { ...given, name: `${name} parameter gradients` },
      [input, output],
      [weight, bias],
      (operands) => apply(conv2dParameterGradientsOp, operands, { ...geometry, shape: weight }),
    ),
  ];
}

/** The three passes of a fully connected layer, whose weight has a row an output, as a step runs them. */
function linearLayer(shape: LinearShape): Workload[] {
  const { name, batch, inputs, outputs, rectified } = shape;
  const [x, weight, bias, y] = [[batch, inputs], [outputs, inputs], [outputs], [batch, outputs]];
  const given = { family: "linear", size: `batch ${batch}`, flops: linearFlops(shape) } as const;
  return [
    product(
      { ...given, name: `${name} + bias${rectified ? " + ReLU" : ""}` },
      [x, weight, bias],
      [y],
      (operands) => {
        const sums = applyOne(linearOp, operands, {});
        return [rectified ? relu(sums) : sums];
      },
    ),
    product(
      { ...given, name: `${name} input gradient` },
      [y, weight],
      [x],
      ([dy, weight]) => [matmul(dy!, weight!)],
    ),
    product(
      { ...given, name: `${name} parameter gradients` },
      [x, y],
      [weight, bias],
      (operands) => apply(linearParameterGradientsOp, operands, {}),
    ),
  ];
}

function paired(workloads: readonly Workload[], small: readonly Workload[], large: boolean): Entry[] {
  return workloads.map((workload, i) => ({ workload, small: small[i]!, large }));
}

/** AlexNet's convolutions. */
export function convolutions(batch: number, large: boolean): Entry[] {
  const passes = (images: number) => alexnetConvolutions(images).flatMap(convolution);
  return paired(passes(batch), passes(1), large);
}

/** AlexNet's fully connected layers. */
export function linears(batch: number, large: boolean): Entry[] {
  const passes = (images: number) => alexnetLinears(images).flatMap(linearLayer);
  return paired(passes(batch), passes(1), large);
}
