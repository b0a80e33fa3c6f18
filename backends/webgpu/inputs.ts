/**
 * What enters a plan from outside: a copy of each leaf's numbers, which stays from run to run where they stay the same, and
 * all scalars together.
 *
 * @module
 */

import type { HostArray, Tensor } from "../../tensor/mod.ts";
import type { Gear } from "./gear.ts";
import { isHostData, isScalarLeaf, type Leaf } from "./lower.ts";
import { encode, scalarWord } from "./transfer.ts";
import { byteLength } from "./values.ts";

/** The inputs of a plan. */
export class Inputs {
  /** The scalars, a word each, in the order of their leaves. */
  readonly scalars: GPUBuffer;
  /** By leaf: the plan's copy; null of a scalar. */
  readonly of: readonly (GPUBuffer | null)[];
  /** By leaf: the tensor whose numbers are in the copy. */
  readonly #uploaded: (WeakRef<Tensor> | null)[];
  readonly #scalarWords: Uint32Array<ArrayBuffer>;
  #scalarsWritten = false;

  /** Takes memory. */
  constructor(leaves: readonly Leaf[], { memory, guard, limits: { band } }: Gear) {
    this.#scalarWords = new Uint32Array(Math.max(4, leaves.filter(isScalarLeaf).length));
    this.scalars = memory.create("scalars", this.#scalarWords.byteLength);
    this.of = leaves.map((leaf) => isScalarLeaf(leaf) ? null : memory.create("input", bytesOf(leaf) + band));
    leaves.forEach((leaf, i) => this.of[i] && guard?.fillBand(this.of[i], bytesOf(leaf)));
    this.#uploaded = leaves.map(() => null);
  }

  /** All buffers. */
  get own(): readonly GPUBuffer[] {
    return [this.scalars, ...this.of.filter((buffer) => buffer !== null)];
  }

  /** Brings the leaves' numbers here, where they are not from the last run. */
  upload(leaves: readonly Leaf[], queue: GPUQueue, encoder: GPUCommandEncoder): void {
    let scalar = 0;
    let changed = !this.#scalarsWritten;
    leaves.forEach((leaf, i) => {
      const { tensor, data } = leaf;
      if (isScalarLeaf(leaf)) {
        const word = scalarWord((data as HostArray)[0]!, tensor.dtype);
        changed ||= this.#scalarWords[scalar] !== word;
        this.#scalarWords[scalar++] = word;
        return;
      }
      if (this.#uploaded[i]?.deref() === tensor) return;
      const buffer = this.of[i]!;
      if (isHostData(data)) queue.writeBuffer(buffer, 0, encode(data, tensor));
      else encoder.copyBufferToBuffer(data, 0, buffer, 0, bytesOf(leaf));
      this.#uploaded[i] = new WeakRef(tensor);
    });
    if (changed) queue.writeBuffer(this.scalars, 0, this.#scalarWords);
    this.#scalarsWritten = true;
  }
}

function bytesOf({ tensor: { dtype, size } }: Leaf): number {
  return byteLength({ dtype, length: size });
}
