/**
 * Pooling. A gradient asks, for each pixel, which windows hold it: no two invocations write to one place.
 *
 * @module
 */

import type { PoolGeometry, PoolGradientAttributes } from "../../../tensor/ops/pool2d.ts";
import type { DispatchKernel, IndexedContext, IndexedKernel, KernelContext, KernelsOf } from "./types.ts";

type Four = readonly [number, number, number, number];

function emitMaxPool(context: KernelContext<PoolGeometry>): void {
  const { window, stride, padding } = context.attributes;
  const view = context.inputs[0]!;
  const [, channels, height, width] = view.shape as unknown as Four;
  const [batch, , rows, columns] = context.shapes[0] as unknown as Four;
  const [y, index] = context.outputs;
  const element = view.value.dtype === "f16" ? "f16" : "f32";
  context.dispatch({
    bindings: [
      { name: "x", value: view.value, element, access: "read" },
      { name: "y", value: y!, element, access: "write" },
      { name: "index", value: index!, element: "i32", access: "write" },
    ],
    params: {
      channels,
      height,
      width,
      rows,
      columns,
      windowY: window[0],
      windowX: window[1],
      strideY: stride[0],
      strideX: stride[1],
      top: padding[0],
      left: padding[1],
      imageStride: view.strides[0]!,
      channelStride: view.strides[1]!,
      lineStride: view.strides[2]!,
      pixelStride: view.strides[3]!,
      offset: view.offset,
    },
    body: `
  let column = i % p.columns;
  let row = i / p.columns % p.rows;
  let plane = i / (p.columns * p.rows);
  let image = p.offset + plane / p.channels * p.imageStride + plane % p.channels * p.channelStride;
  var best = 0.0;
  var place = -1;
  for (var v = 0u; v < p.windowY; v++) {
    for (var u = 0u; u < p.windowX; u++) {
      // Unsigned: above and left of the image wraps round to beyond it.
      let line = row * p.strideY + v - p.top;
      let pixel = column * p.strideX + u - p.left;
      if (line < p.height && pixel < p.width) {
        let value = f32(x(image + line * p.lineStride + pixel * p.pixelStride));
        if (place < 0 || value > best) {
          best = value;
          place = i32(v * p.windowX + u);
        }
      }
    }
  }
  set_y(i, ${element}(best));
  set_index(i, place);`,
    invocations: batch * channels * rows * columns,
  });
}

/** For pixel e of the images: sums `term`, given the window's number w and the pixel's place (v, u) in it. */
function overWindows(
  { window, stride, padding, shape }: PoolGradientAttributes,
  pooled: readonly number[],
  param: (value: number) => string,
  term: (w: string) => string,
): string {
  const [, , height, width] = shape as unknown as Four;
  const [, , rows, columns] = pooled as unknown as Four;
  const axis = (name: string, place: string, stride: number, window: number, count: number) => `
// Windows first to last hold the ${name}.
let ${name} = ${place};
let ${name}_first = select(0u, (${name} - ${param(window)}) / ${param(stride)} + 1u, ${name} >= ${
    param(window)
  });
let ${name}_last = min(${name} / ${param(stride)} + 1u, ${param(count)});`;
  return `${
    axis("line", `e / ${param(width)} % ${param(height)} + ${param(padding[0])}`, stride[0], window[0], rows)
  }
${axis("pixel", `e % ${param(width)} + ${param(padding[1])}`, stride[1], window[1], columns)}
let plane = e / ${param(height * width)};
var sum = 0.0;
for (var row = line_first; row < line_last; row++) {
  for (var column = pixel_first; column < pixel_last; column++) {
    let v = line - row * ${param(stride[0])};
    let u = pixel - column * ${param(stride[1])};
    let w = (plane * ${param(rows)} + row) * ${param(columns)} + column;
    ${term("w")}
  }
}`;
}

const maxPool2dGradient: IndexedKernel<PoolGradientAttributes> = {
  kind: "indexed",
  element: ([dy, index], { attributes, inputs: [pooled], param }) =>
    overWindows(
      attributes,
      pooled!,
      param,
      (w) => `if (${index}(${w}) == i32(v * ${param(attributes.window[1])} + u)) { sum += ${dy}(${w}); }`,
    ) + "\nreturn sum;",
};

const avgPool2dGradient: IndexedKernel<PoolGradientAttributes> = {
  kind: "indexed",
  element: ([dy], { attributes, inputs: [pooled], param }) =>
    overWindows(attributes, pooled!, param, (w) => `sum += ${dy}(${w});`) +
    `\nreturn sum / f32(${param(attributes.window[0] * attributes.window[1])});`,
};

/** For window e: its plane and the image coordinates of its first element. */
function atWindow({ attributes, inputs, shape, param }: IndexedContext<PoolGeometry>): string {
  const { stride, padding } = attributes;
  const [, , height, width] = inputs[0] as unknown as Four;
  const [, , rows, columns] = shape as unknown as Four;
  return `let height = ${param(height)};
let width = ${param(width)};
let plane = e / ${param(rows * columns)} * (height * width);
let top = e / ${param(columns)} % ${param(rows)} * ${param(stride[0])} - ${param(padding[0])};
let left = e % ${param(columns)} * ${param(stride[1])} - ${param(padding[1])};`;
}

const maxPool2dPick: IndexedKernel<PoolGeometry> = {
  kind: "indexed",
  element([x, index], context) {
    const windowX = context.param(context.attributes.window[1]);
    return `${atWindow(context)}
let place = u32(${index}(e));
return ${x}(plane + (top + place / ${windowX}) * width + left + place % ${windowX});`;
  },
};

const avgPool2d: IndexedKernel<PoolGeometry> = {
  kind: "indexed",
  element([x], context) {
    const [windowY, windowX] = context.attributes.window.map((extent) => context.param(extent));
    return `${atWindow(context)}
var sum = 0.0;
for (var v = 0u; v < ${windowY}; v++) {
  for (var u = 0u; u < ${windowX}; u++) {
    if (top + v < height && left + u < width) { sum += ${x}(plane + (top + v) * width + left + u); }
  }
}
return sum / f32(${windowY} * ${windowX});`;
  },
};

/** The table of the family. */
export const pool2dKernels: KernelsOf<typeof import("../../../tensor/ops/pool2d.ts")> = {
  maxPool2d: { kind: "dispatch", emit: emitMaxPool } as DispatchKernel<PoolGeometry>,
  maxPool2dGradient,
  maxPool2dPick,
  avgPool2d,
  avgPool2dGradient,
};
