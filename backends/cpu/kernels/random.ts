/**
 * Random numbers: the Threefry-2x32-20 cipher (Salmon et al. 2011) and the distributions that are made from its bits.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/declare.ts";
import type { HostArray } from "../../../tensor/dtype.ts";
import type { ShapeAttributes } from "../../../tensor/ops/movement/mod.ts";
import type { CpuKernel } from "./kernel.ts";
import { normalQuantile } from "./normal_quantile.ts";

/** Left rotations, one a round, again after eight rounds. */
const ROTATIONS: readonly number[] = [13, 15, 26, 6, 17, 29, 16, 24];
/** Skein's constant, against weak keys. */
const PARITY = 0x1bd11bda;

/** Writes the two words of a block to `out`; a word behind its end is dropped, as stores into typed arrays are. */
function block(key: HostArray, low: number, high: number, out: HostArray, at: number): void {
  const [k0, k1] = [key[0]! | 0, key[1]! | 0];
  const schedule = [k0, k1, PARITY ^ k0 ^ k1];
  let x0 = (low + k0) | 0;
  let x1 = (high + k1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = ROTATIONS[round % 8]!;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x0 = (x0 + schedule[injection % 3]!) | 0;
      x1 = (x1 + schedule[(injection + 1) % 3]! + injection) | 0;
    }
  }
  out[at] = x0 >>> 0;
  out[at + 1] = x1 >>> 0;
}

/** The block of a key and a counter. */
export const threefry: CpuKernel<NoAttributes> = ([key, counter], _, [y]) => {
  block(key!.data, counter!.data[0]!, counter!.data[1]!, y!.data, 0);
};

/** Words 2j and 2j + 1 are the block of counter j. */
export const randomBits: CpuKernel<ShapeAttributes> = ([key], _, [y]) => {
  const blocks = Math.ceil(y!.data.length / 2);
  for (let j = 0; j < blocks; j++) block(key!.data, j, Math.floor(j / 2 ** 32), y!.data, 2 * j);
};

/** Even in [0, 1). */
export const uniformFromBits: CpuKernel<NoAttributes> = ([bits], _, [y]) => {
  const [from, to] = [bits!.data, y!.data];
  for (let i = 0; i < to.length; i++) to[i] = (from[i]! >>> 8) * 2 ** -24;
};

/** Mean 0, variance 1. */
export const normalFromBits: CpuKernel<NoAttributes> = ([bits], _, [y]) => {
  const [from, to] = [bits!.data, y!.data];
  for (let i = 0; i < to.length; i++) to[i] = normalQuantile(((from[i]! >>> 8) + 0.5) * 2 ** -24);
};
