/**
 * What the CPU's "device memory" is: a typed array, which the interpreter may look into and others may not.
 *
 * @module
 */

import type { HostArray } from "../../tensor/dtype.ts";
import type { Storage } from "../../tensor/device.ts";

/** A typed array that can be given back. */
export class HostStorage implements Storage {
  /** The elements; null once released. */
  array: HostArray | null;

  /** Takes over `array`. */
  constructor(array: HostArray) {
    this.array = array;
  }

  /** Lets the garbage collector have the array. */
  release(): void {
    this.array = null;
  }
}

/**
 * The elements of a storage of this backend.
 *
 * @throws {TypeError} when it was released.
 */
export function arrayOf(storage: Storage): HostArray {
  if (!(storage instanceof HostStorage) || storage.array === null) {
    throw new TypeError("the tensor's memory was released by dispose()");
  }
  return storage.array;
}
