/**
 * What of TensorFlow.js is raced, and how it wants its numbers: images NHWC, weights HWIO, and no groups. They are moved on
 * the host, before anything is timed; a grouped convolution splits its operands on the device.
 *
 * @module
 */

import { numbersOf, type Operand } from "./numbers.ts";
import { permute } from "./permute.ts";

/** Extents. */
export type Shape = readonly number[];
/** Its tensor. */
export interface Arr {
  readonly shape: Shape;
  readonly name?: string;
  add(other: Arr): Arr;
  sub(other: Arr): Arr;
  mul(other: number): Arr;
  relu(): Arr;
  reshape(shape: Shape): Arr;
  slice(begin: Shape, size: Shape): Arr;
  data(): Promise<Float32Array>;
  dispose(): void;
}
/** Its variable, whose content is exchanged. */
export interface Variable extends Arr {
  readonly name: string;
  assign(value: Arr): void;
}
interface Backend {
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** The few functions of TensorFlow.js that are used here; its own types are not there unless it is installed. */
interface Tf {
  setBackend(name: "webgpu"): Promise<boolean>;
  backend(): Backend;
  engine(): { runKernel(name: string, inputs: object, attributes: object): Arr };
  tensor(data: Float32Array | Int32Array, shape: Shape, dtype?: "int32"): Arr;
  variable(initial: Arr, trainable: boolean, name: string): Variable;
  tidy<T>(f: () => T): T;
  dispose(x: readonly Arr[]): void;
  zeros(shape: Shape): Arr;
  matMul(a: Arr, b: Arr): Arr;
  split(x: Arr, parts: number, axis: number): Arr[];
  concat(parts: readonly Arr[], axis: number): Arr;
  conv2d(x: Arr, filter: Arr, stride: number, pad: number): Arr;
  maxPool(x: Arr, window: number, stride: number, pad: "valid"): Arr;
  oneHot(labels: Arr, classes: number): Arr;
  readonly losses: { softmaxCrossEntropy(hot: Arr, logits: Arr): Arr };
  readonly fused: {
    // In a tape only the bias is fused; its activations are not.
    conv2d(options: { x: Arr; filter: Arr; strides: number; pad: number; bias: Arr }): Arr;
    matMul(options: { a: Arr; b: Arr; bias: Arr }): Arr;
  };
  variableGrads(f: () => Arr, variables: readonly Variable[]): { value: Arr; grads: Record<string, Arr> };
}

// Variables, because the checker is not to look for packages that need not be there.
const [packageName, backendName]: [string, string] = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu"];
/** The library. */
export const tf: Tf = await import(packageName);
await import(backendName);

/** Hands over the commands that wait for company. */
export function flush(): void {
  const backend = tf.backend();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** The axes of NCHW in the order of NHWC. */
export const TO_NHWC: Shape = [0, 2, 3, 1];
/** The way back. */
export const TO_NCHW: Shape = [0, 3, 1, 2];
/** The axes of OIHW in the order of HWIO. */
export const TO_HWIO: Shape = [2, 3, 1, 0];
/** The way back. */
export const TO_OIHW: Shape = [3, 2, 0, 1];

/** An operand with its axes in another order. */
export function permuted(operand: Operand, axes: Shape): Arr {
  return tf.tensor(
    permute(numbersOf(operand), operand.shape, axes),
    axes.map((axis) => operand.shape[axis]!),
  );
}

/** Some rows of an array. */
export type Rows = { readonly shape: Shape; readonly data: Float32Array };

/** So many equal parts of an array, one below the other. */
export function partsOf(operand: Operand, parts: number): Rows[] {
  const numbers = numbersOf(operand);
  const shape = [operand.shape[0]! / parts, ...operand.shape.slice(1)];
  const length = numbers.length / parts;
  return Array.from(
    { length: parts },
    (_, i) => ({ shape, data: numbers.subarray(i * length, (i + 1) * length) }),
  );
}

/** A weight [outputs, inputs, height, width] as TensorFlow.js has it. */
export function hwio({ shape, data }: Rows): Arr {
  return tf.tensor(permute(data, shape, TO_HWIO), TO_HWIO.map((axis) => shape[axis]!));
}

/** The results of something done once a group, to the group's part of each operand. */
export function eachGroup(
  groups: number,
  wholes: readonly Arr[],
  f: (group: number, parts: Arr[]) => Arr,
): Arr[] {
  if (groups === 1) return [f(0, [...wholes])];
  const parts = wholes.map((whole) => tf.split(whole, groups, 3));
  return Array.from({ length: groups }, (_, i) => f(i, parts.map((part) => part[i]!)));
}
