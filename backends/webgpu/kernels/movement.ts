/**
 * Movement: most of it is a way to read, not work. Padding and joining write parts of a result.
 *
 * @module
 */

import type {
  ConcatAttributes,
  FlipAttributes,
  PadAttributes,
  ShapeAttributes,
  SliceAttributes,
  TransposeAttributes,
} from "../../../tensor/ops/movement/mod.ts";
import { sizeOf, stridesOf } from "../../../tensor/shape.ts";
import { isContiguous } from "../values.ts";
import type { IndexedKernel, KernelsOf, ViewKernel } from "./types.ts";

const reshape: ViewKernel<ShapeAttributes> = {
  kind: "view",
  view(input, { shape }) {
    if (isContiguous(input)) return { ...input, shape, strides: stridesOf(shape) };
    const repeats = input.strides.every((stride, axis) => stride === 0 || input.shape[axis] === 1);
    return repeats ? { ...input, shape, strides: shape.map(() => 0) } : null;
  },
};

const broadcastTo: ViewKernel<ShapeAttributes> = {
  kind: "view",
  view(input, { shape }) {
    const lead = shape.length - input.shape.length;
    const strides = shape.map((extent, axis) =>
      axis < lead || input.shape[axis - lead] !== extent ? 0 : input.strides[axis - lead]!
    );
    return { ...input, shape, strides };
  },
};

const transpose: ViewKernel<TransposeAttributes> = {
  kind: "view",
  view: (input, { permutation }) => ({
    ...input,
    shape: permutation.map((axis) => input.shape[axis]!),
    strides: permutation.map((axis) => input.strides[axis]!),
  }),
};

const flip: ViewKernel<FlipAttributes> = {
  kind: "view",
  view: (input, { axes }) => ({
    ...input,
    strides: input.strides.map((stride, axis) => axes.includes(axis) ? -stride : stride),
    offset: axes.reduce(
      (at, axis) => at + Math.max(0, input.shape[axis]! - 1) * input.strides[axis]!,
      input.offset,
    ),
  }),
};

const slice: ViewKernel<SliceAttributes> = {
  kind: "view",
  view: (input, { start, shape, step }) => ({
    ...input,
    shape,
    strides: input.strides.map((stride, axis) => stride * step[axis]!),
    offset: start.reduce((at, first, axis) => at + first * input.strides[axis]!, input.offset),
  }),
};

/** Every element of the result asks whether one of x stands there. */
const pad: IndexedKernel<PadAttributes> = {
  kind: "indexed",
  element([x, value], { attributes: { before, interior }, inputs: [source], shape, param }) {
    const strides = stridesOf(source!);
    const lines = ["var rest = e;", "var at = 0u;", "var inside = true;"];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const step = param(interior[axis]! + 1);
      lines.push(
        `let c${axis} = rest % ${param(shape[axis]!)} - ${param(before[axis]!)};`,
        `rest /= ${param(shape[axis]!)};`,
        // Before the first, c wraps round to a large number, which is no place in x either.
        // No `&&`, which is a branch: where the compiler nests them in a loop, SwiftShader works on one kernel for minutes.
        `inside = inside & (c${axis} % ${step} == 0u) & (c${axis} / ${step} < ${param(source![axis]!)});`,
        `at += c${axis} / ${step} * ${param(strides[axis]!)};`,
      );
    }
    return `${lines.join("\n")}\nif (inside) { return ${x}(at); }\nreturn ${value}(0u);`;
  },
};

const concat: IndexedKernel<ConcatAttributes> = {
  kind: "indexed",
  element(operands, { attributes: { axis }, inputs, shape, param }) {
    const inner = sizeOf(shape.slice(axis + 1));
    const row = param(shape[axis]! * inner);
    const lines = [`let outer = e / ${row};`, `var place = e % ${row};`];
    operands.forEach((operand, i) => {
      const part = param(inputs[i]![axis]! * inner);
      lines.push(`if (place < ${part}) { return ${operand}(outer * ${part} + place); }`, `place -= ${part};`);
    });
    return `${lines.join("\n")}\nreturn ${operands[0]}(0u);`;
  },
};

/** The table of the family. */
export const movementKernels: KernelsOf<typeof import("../../../tensor/ops/movement/mod.ts")> = {
  reshape,
  broadcastTo,
  transpose,
  flip,
  slice,
  pad,
  concat,
};
