/**
 * What a workload is: how much work it means, and how to queue it. Everything that is measured is data of this form.
 *
 * @module
 */

import { type Device, Parameter, randomKey, type Shape, type Tensor, uniform } from "../mod.ts";

/** The families of kernels, and whole steps. */
export type Family =
  | "matmul"
  | "conv2d"
  | "linear"
  | "localResponseNorm"
  | "maxPool2d"
  | "loss"
  | "dropout"
  | "reduction"
  | "elementwise"
  | "sgd"
  | "step";

/** What is stored and multiplied: `f16` sums in f32, and keeps weights in f32 too. */
export type Precision = "f32" | "f16";

/** Something to be measured. */
export interface Workload {
  readonly family: Family;
  /** As in `conv2 input gradient`. */
  readonly name: string;
  /** As in `batch 8`. */
  readonly size: string;
  readonly precision: Precision;
  /** Multiplications and additions of one evaluation; 0 where nobody counts them, as in pooling. */
  readonly flops: number;
  /** Compulsory traffic of one evaluation: each operand and each result once, in bytes. */
  readonly bytes: number;
  /** Of one evaluation, for steps. */
  readonly images: number;
  /** Bytes of the results, of which there may be several copies; 0 for what must not be repeated in one evaluation. */
  readonly resultBytes: number;
  /** Makes the operands, which stay on the device, and gives what describes one evaluation. */
  prepare(scope: Scope): Promise<Describe>;
}

/** Describes one evaluation anew, and gives the results that it is to leave on the device. */
export type Describe = () => readonly Tensor[];

/** A workload, what stands in for it where it would take minutes, and whether it is for fast devices only. */
export interface Entry {
  readonly workload: Workload;
  /** The same with less of it, for the CPU backend. */
  readonly small: Workload;
  /** Measured only where the device's ceilings promise that it does not take long, unless asked for. */
  readonly large: boolean;
}

interface Disposable {
  dispose(): void;
}

/** The tensors of one workload, which go when it was measured. */
export class Scope {
  readonly device: Device;
  readonly #kept: Disposable[] = [];
  #seed = 0;

  constructor(device: Device) {
    this.device = device;
  }

  /** Gives `what` back with the rest. */
  keep<T extends Disposable>(what: T): T {
    this.#kept.push(what);
    return what;
  }

  /** An operand of random numbers from -0.5 to 0.5: zeros would let a GPU's clocks rise. */
  random(...shape: Shape): Parameter {
    const key = randomKey(++this.#seed, { device: this.device });
    return this.keep(new Parameter(uniform(key, shape).sub(0.5)));
  }

  /** Gives everything back. */
  dispose(): void {
    for (const each of this.#kept) each.dispose();
  }
}

/** How many bytes tensors of these shapes have, of four an element. */
export function bytesOf(...shapes: readonly Shape[]): number {
  return shapes.reduce((sum, shape) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
}
