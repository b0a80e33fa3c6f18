/**
 * The CPU device: slow, without dependencies, and the definition of what every op means.
 *
 * @module
 */

import { type Backend, Device, type EvaluationRequest, type Spec, type Storage } from "../../tensor/mod.ts";
import { type HostArray, hostArray, type Precision } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { interpret } from "./interpreter.ts";
import { arrayOf, HostStorage } from "./storage.ts";

/**
 * Makes a CPU device. With `f64` every float is kept in f64 and nothing is rounded, which is what gradients are
 * checked with.
 */
export function cpuDevice(precision: Precision): Device {
  return new Device("cpu", `plain TypeScript loops, ${precision} results`, new CpuBackend(precision));
}

class CpuBackend implements Backend {
  readonly precision: Precision;

  constructor(precision: Precision) {
    this.precision = precision;
  }

  supports(): boolean {
    return true;
  }

  // The work is done before the promise is returned.
  evaluate(request: EvaluationRequest): Promise<(HostArray | Storage)[]> {
    return Promise.resolve(interpret(request, this.precision));
  }

  createState({ shape, dtype }: Spec): Storage {
    return new HostStorage(hostArray(dtype, sizeOf(shape), this.precision));
  }

  writeState(storage: Storage, data: HostArray): void {
    arrayOf(storage).set(data);
  }

  // All memory is the garbage collector's.
  destroy(): void {}
}
