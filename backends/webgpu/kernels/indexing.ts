/**
 * Picking by index, and its transpose. Sums go over all indices for each element: slow for many, but no atomics, so the
 * same bits every time.
 *
 * @module
 */

import type { GatherAttributes, ScatterAttributes } from "../../../tensor/ops/indexing.ts";
import { isFloat } from "../../../tensor/dtype.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { IndexedContext, IndexedKernel, KernelsOf } from "./types.ts";

function pick(
  [x, indices]: readonly string[],
  { attributes: { axis }, inputs, param }: IndexedContext<GatherAttributes>,
  outside: string,
): string {
  const [source, picked] = inputs;
  const inner = param(sizeOf(source!.slice(axis + 1)));
  const count = param(sizeOf(picked!));
  const extent = param(source![axis]!);
  return `let index = ${indices}(e / ${inner} % ${count});
if (index < 0 || u32(index) >= ${extent}) { return ${outside}; }
return ${x}((e / (${inner} * ${count}) * ${extent} + u32(index)) * ${inner} + e % ${inner});`;
}

/** The table of the family. */
export const indexingKernels: KernelsOf<typeof import("../../../tensor/ops/indexing.ts")> = {
  gather: {
    kind: "indexed",
    // A NaN made at run time: WGSL has no literal for it.
    element: (args, context) =>
      pick(
        args,
        context,
        isFloat(context.output) ? `bitcast<f32>(${context.param(0x7fc00000)})` : `${context.type}(0)`,
      ),
  } as IndexedKernel<GatherAttributes>,
  gatherInRange: {
    kind: "indexed",
    element: (args, context) => pick(args, context, `${context.type}(0)`),
  } as IndexedKernel<GatherAttributes>,
  scatterAdd: {
    kind: "indexed",
    element([x, indices], { attributes: { axis, extent }, inputs: [source, picked], type, param }) {
      const inner = param(sizeOf(source!.slice(axis + picked!.length)));
      const count = param(sizeOf(picked!));
      const rows = param(extent);
      return `let row = e / ${inner} % ${rows};
let outer = e / (${inner} * ${rows});
var sum = ${type}(0);
for (var j = 0u; j < ${count}; j++) {
  if (${indices}(j) == i32(row)) { sum += ${x}((outer * ${count} + j) * ${inner} + e % ${inner}); }
}
return sum;`;
    },
  } as IndexedKernel<ScatterAttributes>,
};
