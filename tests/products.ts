// What the variants of the product are held to: matmul and the three passes of conv2d, on sizes that fill no tile, with
// groups, strides, dilation, padding, splits, operands read in any order, and what is fused behind.

import assert from "node:assert/strict";
import { analyse, compare } from "../debug/bounds.ts";
import {
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  type Device,
  device,
  type DType,
  gradients,
  linear,
  matmul,
  type Shape,
  type Tensor,
} from "../mod.ts";
import { type Fill, materialise } from "./samples/sample.ts";
import type { ViewName } from "./samples/views.ts";

/** Who says what is right. */
export const cpu: Device = await device("cpu");

/** Makes an operand. */
export type Make = (shape: Shape, view?: ViewName) => Tensor;

/** Makes operands, one after the other from one seed. */
export function maker(on: Device, fill: Fill, dtype: DType): Make {
  let seed = 1;
  return (shape, view = "plain") => materialise({ shape, dtype, fill, seed: seed++, view }, on).x;
}

/** [batches, m, k, n], and how the operands are read. */
const PRODUCTS: readonly (readonly [Shape, number, number, number, ViewName?, ViewName?])[] = [
  [[], 1, 1, 1],
  [[], 5, 3, 7],
  [[], 64, 64, 64],
  [[], 68, 36, 132],
  [[], 130, 33, 65],
  [[], 36, 40, 44, "transposed"],
  [[], 36, 40, 44, "plain", "transposed"],
  [[], 33, 39, 35, "transposed", "transposed"],
  [[], 12, 20, 24, "flipped", "stepped"],
  [[], 12, 20, 24, "repeatedFirst", "repeatedLast"],
  [[], 7, 1000, 9],
  [[], 8, 1024, 12],
  [[], 16, 0, 8],
  [[3], 17, 33, 18],
  [[2, 3], 8, 8, 8, "rotated"],
];

export const products = (make: Make): Tensor[] =>
  PRODUCTS.map(([batches, m, k, n, a, b]) =>
    matmul(make([...batches, m, k], a), make([...batches, k, n], b))
  );

/** Batch, channels a group and of the output, image, window, and the options. */
const CONVOLUTIONS = [
  { n: 1, c: 3, o: 5, image: [9, 11], window: [3, 3], padding: 1 },
  { n: 3, c: 3, o: 20, image: [13, 14], window: [5, 4], stride: [4, 3] },
  { n: 8, c: 6, o: 10, image: [6, 7], window: [3, 2], groups: 2, padding: [1, 0, 2, 1] },
  { n: 2, c: 4, o: 36, image: [8, 8], window: [3, 3], dilation: [2, 1], padding: 2 },
  { n: 3, c: 40, o: 12, image: [4, 4], window: [1, 1], groups: 4 },
  { n: 1, c: 64, o: 33, image: [5, 5], window: [3, 3], stride: 2, padding: 1 },
  { n: 5, c: 2, o: 2, image: [3, 3], window: [2, 2], stride: 3 },
] as const;

export function convolutions(make: Make): Tensor[] {
  return CONVOLUTIONS.flatMap(({ n, c, o, image, window, ...options }) => {
    const groups = "groups" in options ? options.groups : 1;
    const [x, weight] = [make([n, c, ...image]), make([o, c / groups, ...window])];
    const y = conv2d(x, weight, options);
    const dy = make(y.shape, "rotated");
    const bias = make([o]);
    return [
      y,
      conv2dInputGradient(dy, weight, { ...options, shape: x.shape }),
      // In one product, with the sums of dy for the bias.
      ...gradients(conv2d(x, weight, { ...options, bias }).mul(dy), [weight, bias]),
    ];
  });
}

/** What is computed where the product stores; of long sums, behind the splits. */
export function fused(make: Make): Tensor[] {
  const [x, weight, bias] = [make([2, 5, 6, 7]), make([9, 5, 3, 3]), make([1, 9, 1, 1])];
  const y = conv2d(x, weight, { padding: 1 }).add(bias).relu();
  const residual = conv2dInputGradient(make(y.shape), weight, { padding: 1, shape: x.shape }).add(
    make(x.shape),
  );
  const rows = (k: number, n: number) => matmul(make([20, k]), make([k, n])).add(make([n])).relu();
  return [y, residual, rows(12, 24), rows(13, 23), rows(700, 24)];
}

/** Each way to read an operand and to store, in one tile and a part of another; some larger than a window of 16 KiB. */
export function few(make: Make): Tensor[] {
  const [x, weight] = [make([2, 3, 21, 20]), make([6, 3, 3, 3])];
  return [
    ...least(make),
    matmul(make([12, 52]), make([52, 132])),
    conv2d(x, weight),
    conv2dInputGradient(make([2, 6, 19, 18]), weight, { shape: x.shape }),
  ];
}

/** What tells one of a kind from the others: the tile, the part and the copies. Drivers compile each pipeline for a second. */
export function least(make: Make): Tensor[] {
  return [
    matmul(make([134, 50]), make([50, 20])),
    matmul(make([36, 300], "transposed"), make([300, 44], "transposed")),
    conv2dWeightGradient(make([2, 3, 21, 20]), make([2, 6, 19, 18]), { shape: [6, 3, 3, 3] }),
  ];
}

/** For matrices: along k and across, in whole turns and not, in splits, with edges, groups, sums of rows, and fused. */
export function emulated(make: Make): Tensor[] {
  const [x, weight, bias] = [make([2, 8, 9, 10]), make([6, 4, 3, 3]), make([6])];
  const y = conv2d(x, weight, { groups: 2, padding: 1, bias });
  return [
    matmul(make([36, 300], "transposed"), make([300, 44], "transposed")),
    matmul(make([70, 64]), make([64, 132])).add(make([132])).relu(),
    ...gradients(y.mul(make(y.shape)), [x, weight, bias]),
  ];
}

/** Long sums of few results, with something fused behind, and with those of the rows. */
export function long(make: Make): Tensor[] {
  const [x, weight, bias] = [make([2, 3, 21, 20]), make([6, 3, 3, 3]), make([6])];
  const y = conv2d(x, weight, { bias });
  return [
    matmul(make([20, 700]), make([700, 24])).add(make([24])).relu(),
    ...gradients(y.mul(make(y.shape)), [weight, bias]),
  ];
}

/** Layers with as many columns as it takes for lanes to have the same rows; with the sums of rows, in whole teams and not. */
export function layers(make: Make): Tensor[] {
  return [[20, 66, 40], [33, 64, 17], [7, 127, 70]].flatMap(([n, inputs, outputs]) => {
    const [x, weight, bias] = [make([n!, inputs!]), make([outputs!, inputs!]), make([outputs!])];
    const y = linear(x, weight, bias);
    return [y, ...gradients(y.mul(make(y.shape)), [x, weight, bias])];
  });
}

/** Computes on a device what the CPU computes, and compares; what was rounded is rounded in the same way again. */
export async function hold(
  on: Device,
  what: string,
  work: (make: Make) => Tensor[],
  fill: Fill,
  dtype: DType,
): Promise<void> {
  const expected = work(maker(cpu, fill, dtype));
  const bounds = analyse(expected);
  const found = work(maker(on, fill, dtype));
  await on.evaluate(found, true);
  for (const [i, tensor] of found.entries()) {
    const { exact, elements } = compare(`${what} ${i}`, await tensor.data(), bounds.get(expected[i]!)!);
    if (fill === "integers") assert.equal(exact, elements, `${what} ${i}`);
  }
  if (fill === "integers") return;
  const again = work(maker(on, fill, dtype));
  await on.evaluate(again, true);
  for (const [i, tensor] of again.entries()) {
    assert.deepEqual(await tensor.data(), await found[i]!.data(), `${what} ${i}, again`);
  }
}
