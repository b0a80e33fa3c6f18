/**
 * Whether what one candidate computed is what another did, or the op's definition.
 *
 * @module
 */

import type { DType, HostArray } from "../../tensor/mod.ts";

/** What results may differ by that are no whole numbers: some roundings of the largest. */
const ROUNDINGS: Readonly<Partial<Record<DType, number>>> = { f32: 2 ** -14, f16: 2 ** -10 };
/** Below this an f32 has every whole number. */
const WHOLE = 2 ** 24;

/**
 * Whether results are the same. Operands are small whole numbers, so that sums of products are exact in any order, and an
 * f16 is that sum rounded once: they have to agree bit for bit. Results that are no whole numbers were rounded on the way.
 */
export function agree(found: readonly Output[], wanted: readonly { readonly data: Numbers }[]): boolean {
  return wanted.every(({ data }, k) => {
    const { dtype, data: other } = found[k]!;
    let [scale, whole] = [0, true];
    for (const x of data) {
      // Of what overflowed there is no remainder.
      whole &&= !(x % 1);
      if (Math.abs(x) < Infinity) scale = Math.max(scale, Math.abs(x));
    }
    const bound = whole && scale < WHOLE ? 0 : scale * (ROUNDINGS[dtype] ?? 0);
    for (let i = 0; i < data.length; i++) {
      if (data[i] !== other[i] && !(Math.abs(data[i]! - other[i]!) <= bound)) return false;
    }
    return true;
  });
}

/** Whether results are the same bits, or both no numbers. */
export function same(found: readonly Output[], wanted: readonly Output[]): boolean {
  return wanted.every(({ data }, k) => {
    const { data: other } = found[k]!;
    for (let i = 0; i < data.length; i++) if (!Object.is(data[i], other[i])) return false;
    return true;
  });
}

type Numbers = HostArray | Float64Array;

/** The numbers of one output. */
export interface Output {
  readonly dtype: DType;
  readonly data: Numbers;
}
