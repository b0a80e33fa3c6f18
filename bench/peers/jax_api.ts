/**
 * What of jax-js is raced.
 *
 * @module
 */

import { numbersOf, type Operand } from "./numbers.ts";
import type { ConvWorkload } from "./workloads.ts";

/** Its array; it counts references: `x.ref` keeps one that a call would take. */
export interface Arr {
  readonly ref: Arr;
  readonly shape: readonly number[];
  add(other: Arr): Arr;
  sub(other: Arr): Arr;
  mul(other: Arr | number): Arr;
  div(other: number): Arr;
  sum(): Arr;
  reshape(shape: readonly number[]): Arr;
  transpose(): Arr;
  slice(...ranges: readonly [number, number][]): Arr;
  data(): Promise<ArrayLike<number>>;
  /** Hands over everything that the array waits for, and takes the reference. */
  gpuBuffer(): Promise<GPUBuffer>;
  dispose(): void;
}
/** Arrays by name. */
export type Tree = { [name: string]: Arr };
type Padding = readonly [number, number];

/** The few functions of jax-js that are used here; its own types are not there unless it is installed. */
interface Jax {
  init(device: "webgpu"): Promise<readonly string[]>;
  defaultDevice(device: "webgpu"): void;
  jit<F>(f: F): F;
  grad(f: (x: Arr, ...others: Arr[]) => Arr): (x: Arr, ...others: Arr[]) => Arr;
  valueAndGrad(
    f: (parameters: Tree, images: Arr, labels: Arr) => Arr,
  ): (parameters: Tree, images: Arr, labels: Arr) => [Arr, Tree];
  readonly lax: {
    convGeneralDilated(
      x: Arr,
      weight: Arr,
      strides: readonly [number, number],
      padding: readonly [Padding, Padding],
      options: { readonly featureGroupCount: number },
    ): Arr;
    reduceWindow(x: Arr, f: (x: Arr) => Arr, window: readonly number[], strides: readonly number[]): Arr;
  };
  readonly nn: {
    relu(x: Arr): Arr;
    logSoftmax(x: Arr): Arr;
    oneHot(labels: Arr, classes: number): Arr;
  };
  readonly numpy: {
    array(data: Float32Array | Int32Array, options: { readonly shape: readonly number[] }): Arr;
    zeros(shape: readonly number[]): Arr;
    matmul(a: Arr, b: Arr): Arr;
    max(x: Arr): Arr;
    concatenate(arrays: readonly Arr[], axis: number): Arr;
  };
}

// A variable, because the checker is not to look for a package that need not be there.
const packageName: string = "@jax-js/jax";
/** The library. */
export const jax: Jax = await import(packageName);
/** Its numpy. */
export const np: Jax["numpy"] = jax.numpy;

/** Hands everything over that the arrays wait for. It is lazy: an array that goes before that is never computed. */
export async function submit(arrays: readonly Arr[]): Promise<void> {
  await Promise.all(arrays.map((array) => array.ref.gpuBuffer()));
}

type Conv = Pick<ConvWorkload["conv"], "stride" | "padding" | "groups">;

/** As ours. */
export function conv2d(x: Arr, weight: Arr, { stride, padding, groups }: Conv): Arr {
  const sides: Padding = [padding, padding];
  return jax.lax.convGeneralDilated(x, weight, [stride, stride], [sides, sides], {
    featureGroupCount: groups,
  });
}

/**
 * Whether images have to be padded by hand. Of AlexNet's conv1, with its padding, jax-js 0.1.25 computes zeros for the
 * weight's gradient in the third channel: its simplifier takes the test for the border to be never true.
 */
export function padsByHand({ stride }: Pick<Conv, "stride">): boolean {
  return stride > 1;
}

/** Square images with zeros round them. */
export function padded(operand: Operand, padding: number): { data: Float32Array; shape: number[] } {
  const [batch, channels, height, width] = operand.shape as [number, number, number, number];
  const shape = [batch, channels, height + 2 * padding, width + 2 * padding];
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  const numbers = numbersOf(operand);
  for (let row = 0; row < batch * channels * height; row++) {
    const inRow = Math.floor(row / height) * shape[2]! + row % height + padding;
    data.set(numbers.subarray(row * width, (row + 1) * width), inRow * shape[3]! + padding);
  }
  return { data, shape };
}
