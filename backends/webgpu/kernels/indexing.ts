/**
 * Picking by index, and its transpose. Sums go over all indices for each element: slow for many, but no atomics, so the
 * same bits every time.
 *
 * @module
 */

import type { CropAttributes, GatherAttributes, ScatterAttributes } from "../../../tensor/ops/indexing.ts";
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

/**
 * Where in x the row of a part lies, for element `e` of the result: `row` and `left` in the image, which begins at `plane`.
 * The rest is about `j`, the pixel's place in the row of the part.
 */
function cropRow(
  places: string,
  { attributes: { size: [height, width] }, inputs, param }: IndexedContext<CropAttributes>,
): { readonly lines: string; readonly width: string; readonly columns: string } {
  const [images, channels, rows, columns] = inputs[0]!.map(param);
  const [partRows, partWidth] = [param(height), param(width)];
  const lines = `let j = e % ${partWidth};
var rest = e / ${partWidth};
let i = rest % ${partRows};
rest /= ${partRows};
let channel = rest % ${channels};
let part = rest / ${channels};
let row = ${places}(3u * part) + i32(i);
let left = ${places}(3u * part + 1u);
let mirrored = ${places}(3u * part + 2u) != 0;
let plane = ((part % ${images} * ${channels} + channel) * ${rows} + u32(row)) * ${columns};
let inside = (row >= 0) & (u32(row) < ${rows});`;
  return { lines, width: partWidth, columns: columns! };
}

const crop: IndexedKernel<CropAttributes> = {
  kind: "indexed",
  element([x, places], context) {
    const { lines, width, columns } = cropRow(places!, context);
    return `${lines}
let column = left + i32(select(j, ${width} - 1u - j, mirrored));
if (!inside | (column < 0) | (u32(column) >= ${columns})) { return ${context.type}(0); }
return ${x}(plane + u32(column));`;
  },
  // Four neighbours lie in one row, so most of the arithmetic is theirs together.
  four([x, places], context) {
    if (context.attributes.size[1] % 4 !== 0) return undefined;
    const { lines, width, columns } = cropRow(places!, context);
    const each = [0, 1, 2, 3].map((k) =>
      `if (inside & (first + ${k} * step >= 0) & (u32(first + ${k} * step) < ${columns})) ` +
      `{ four[${k}] = ${x}(plane + u32(first + ${k} * step)); }`
    );
    return `${lines}
let step = select(1, -1, mirrored);
let first = left + i32(select(j, ${width} - 1u - j, mirrored));
var four: vec4<${context.type}>;
${each.join("\n")}
return four;`;
  },
};

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
  crop,
};
