/**
 * Products: matrices, AlexNet's convolutions and its fully connected layers, each forward and in both gradients.
 *
 * @module
 */

import {
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  matmul,
  type Shape,
  type Tensor,
  transpose,
} from "../../mod.ts";
import {
  alexnetConvolutions,
  alexnetLinears,
  convFlops,
  type ConvShape,
  linearFlops,
  type LinearShape,
} from "../shapes.ts";
import { bytesOf, type Entry, type Workload } from "../workload.ts";

/** A workload of two operands and one result. */
function product(
  given: Pick<Workload, "family" | "name" | "size" | "flops">,
  shapes: { readonly a: Shape; readonly b: Shape; readonly result: Shape },
  op: (a: Tensor, b: Tensor) => Tensor,
): Workload {
  return {
    ...given,
    bytes: bytesOf(shapes.a, shapes.b, shapes.result),
    images: 0,
    resultBytes: bytesOf(shapes.result),
    prepare(scope) {
      const [a, b] = [scope.random(...shapes.a), scope.random(...shapes.b)];
      return Promise.resolve(() => [op(a, b)]);
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
  return product(given, { a: shape, b: shape, result: shape }, op);
}

function batched(count: number, n: number): Workload {
  const shape = [count, n, n];
  const given = {
    family: "matmul",
    name: "batched a b",
    size: `${count} of ${n}`,
    flops: 2 * count * n ** 3,
  };
  return product({ ...given, family: "matmul" }, { a: shape, b: shape, result: shape }, matmul);
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

/** The three passes of a convolution. */
function convolution(shape: ConvShape): Workload[] {
  const { name, input, weight, stride, padding, groups, extent } = shape;
  const output = [input[0], weight[0], extent, extent];
  const options = { stride, padding, groups };
  const pass = (
    what: string,
    [a, b, result]: readonly [Shape, Shape, Shape],
    op: (a: Tensor, b: Tensor) => Tensor,
  ) =>
    product(
      { family: "conv2d", name: `${name} ${what}`, size: `batch ${input[0]}`, flops: convFlops(shape) },
      { a, b, result },
      op,
    );
  return [
    pass("forward", [input, weight, output], (x, w) => conv2d(x, w, options)),
    pass(
      "input gradient",
      [output, weight, input],
      (dy, w) => conv2dInputGradient(dy, w, { ...options, shape: input }),
    ),
    pass(
      "weight gradient",
      [input, output, weight],
      (x, dy) => conv2dWeightGradient(x, dy, { ...options, shape: weight }),
    ),
  ];
}

/** The three passes of a fully connected layer, whose weight has a row an output. */
function linear(shape: LinearShape): Workload[] {
  const { name, batch, inputs, outputs } = shape;
  const [x, weight, y] = [[batch, inputs], [outputs, inputs], [batch, outputs]];
  const pass = (
    what: string,
    [a, b, result]: readonly (readonly number[])[],
    op: (a: Tensor, b: Tensor) => Tensor,
  ) =>
    product(
      { family: "linear", name: `${name} ${what}`, size: `batch ${batch}`, flops: linearFlops(shape) },
      { a: a!, b: b!, result: result! },
      op,
    );
  return [
    pass("forward", [x, weight, y], (x, w) => matmul(x, transpose(w))),
    pass("input gradient", [y, weight, x], (dy, w) => matmul(dy, w)),
    pass("weight gradient", [y, x, weight], (dy, x) => matmul(transpose(dy), x)),
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
  const passes = (images: number) => alexnetLinears(images).flatMap(linear);
  return paired(passes(batch), passes(1), large);
}
