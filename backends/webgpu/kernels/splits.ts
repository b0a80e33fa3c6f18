/**
 * Where a product stores: into its outputs, or, where k is split, into partial sums that are added up afterwards. Both
 * families of products end here.
 *
 * @module
 */

import { elementOf, readOf } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import { RowLoads, type RowsOf } from "./row_loads.ts";
import type { Emitter, Sink } from "./types.ts";

/** How many k are summed before they are added to the total. */
export const BLOCK = 32;

/** What the stores depend on. */
export interface Stored extends RowsOf {
  /** Where the sums of A's rows are wanted. */
  readonly rowSums?: PlanValue;
}

/** The stores of a product. */
export interface Targets {
  /** Stores the product, its `width` elements at a time, after `load_row(r)` for the row they are in. */
  readonly sink: Sink;
  /** Stores the sums of A's rows with `store_sum(e, v)`, where they are asked for. */
  readonly sums: Sink | null;
  /** Elements of a split's sums of rows. */
  readonly sumsSplit: number;
  /** To be called after the product was emitted. */
  finish(): void;
}

/** The stores of the emitter's output 0, `width` elements at a time, and of the sums of rows. */
export function targetsOf(emitter: Emitter, splits: number, width: 1 | 4, product: Stored): Targets {
  const { length } = emitter.outputs[0]!;
  const { rowSums } = product;
  const sumsSplit = rowSums?.length ?? 0;
  const rows = new RowLoads(product, width);
  if (splits === 1) {
    const sums = rowSums ? storeOf(rowSums, "sums", "store_sum") : null;
    return { sink: rows.before(emitter.sink(width, rows.load)), sums, sumsSplit, finish: () => {} };
  }
  // Splits are added up without regard to rows.
  const partial = emitter.temporary("f32", splits * length);
  const partialSums = rowSums && emitter.temporary("f32", splits * sumsSplit);
  return {
    sink: rows.before(width === 4 ? STORE_FOUR(partial) : storeOf(partial, "partial", "store")),
    sums: partialSums ? storeOf(partialSums, "sums", "store_sum") : null,
    sumsSplit,
    finish() {
      emitSum(emitter, partial, splits, length, emitter.sink());
      if (partialSums) emitSum(emitter, partialSums, splits, sumsSplit, storeOf(rowSums, "sums", "store"));
    },
  };
}

/** Adds up the splits, in their order: the same bits every time. */
function emitSum(emitter: Emitter, partial: PlanValue, splits: number, length: number, sink: Sink): void {
  emitter.dispatch({
    bindings: [readOf("partial", partial), ...sink.bindings],
    params: { ...sink.params, length, splits },
    functions: sink.functions,
    body: `
  var sum = 0.0;
  for (var s = 0u; s < p.splits; s++) { sum += partial(s * p.length + i); }
  store(i, sum);`,
    invocations: length,
  });
}

const STORE_FOUR = (value: PlanValue): Sink => ({
  bindings: [{ name: "partial", value, element: "vec4<f32>", access: "write" }],
  params: {},
  functions: "fn store_four(i: u32, v: vec4<f32>) { set_partial(i, v); }",
});

function storeOf(value: PlanValue, name: string, store: string): Sink {
  const element = elementOf(value);
  return {
    bindings: [{ name, value, element, access: "write" }],
    params: {},
    functions: `fn ${store}(e: u32, v: f32) { set_${name}(e, ${element}(v)); }`,
  };
}
