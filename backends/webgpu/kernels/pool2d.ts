/**
 * Pooling. A gradient asks, for each pixel, which windows hold it: no two invocations write to one place.
 *
 * @module
 */

import type { PoolGeometry, PoolGradientAttributes } from "../../../tensor/ops/pool2d.ts";
import type { DispatchKernel, IndexedContext, IndexedKernel, KernelContext, KernelsOf } from "./types.ts";

type Four = readonly [number, number, number, number];

/**
 * Division by a number that only the run knows takes software drivers some sixty operations; windows and strides are few
 * and small, so they are written into the shader.
 */
const fixed = (value: number) => `${value}u`;

function emitMaxPool(context: KernelContext<PoolGeometry>): void {
  const { window, stride, padding } = context.attributes;
  const view = context.inputs[0]!;
  const [, channels, height, width] = view.shape as unknown as Four;
  const [batch, , rows, columns] = context.shapes[0] as unknown as Four;
  const [y, index] = context.outputs;
  const element = view.value.dtype === "f16" ? "f16" : "f32";
  const asBytes = index!.dtype === "u8";
  const length = batch * channels * rows * columns;
  // Bytes are stored four at a time.
  const neighbours = asBytes ? 4 : 1;
  context.dispatch({
    bindings: [
      { name: "x", value: view.value, element, access: "read" },
      { name: "y", value: y!, element, access: "write" },
      { name: "index", value: index!, element: asBytes ? "u32" : "i32", access: "write" },
    ],
    params: {
      length,
      neighbours,
      channels,
      height,
      width,
      rows,
      columns,
      windowY: window[0],
      windowX: window[1],
      imageStride: view.strides[0]!,
      channelStride: view.strides[1]!,
      lineStride: view.strides[2]!,
      pixelStride: view.strides[3]!,
      offset: view.offset,
    },
    body: `
  var column = i * p.neighbours % p.columns;
  let line_number = i * p.neighbours / p.columns;
  var row = line_number % p.rows;
  var plane = line_number / p.rows;
  var places = 0u;
  for (var n = 0u; n < min(p.neighbours, p.length - i * p.neighbours); n++) {
    let image = p.offset + plane / p.channels * p.imageStride + plane % p.channels * p.channelStride;
    var best = 0.0;
    var place = -1;
    for (var v = 0u; v < p.windowY; v++) {
      // Unsigned: above and left of the image wraps round to beyond it.
      let line = row * ${fixed(stride[0])} + v - ${fixed(padding[0])};
      for (var u = 0u; u < p.windowX; u++) {
        let pixel = column * ${fixed(stride[1])} + u - ${fixed(padding[1])};
        if (line < p.height && pixel < p.width) {
          let value = f32(x(image + line * p.lineStride + pixel * p.pixelStride));
          if (place < 0 || value > best) {
            best = value;
            place = i32(v * ${fixed(window[1])} + u);
          }
        }
      }
    }
    set_y(i * p.neighbours + n, ${element}(best));
    ${asBytes ? "places |= u32(place) << (8u * n);" : "set_index(i, place);"}
    column += 1u;
    if (column == p.columns) {
      column = 0u;
      row += 1u;
      if (row == p.rows) {
        row = 0u;
        plane += 1u;
      }
    }
  }
  ${asBytes ? "set_index(i, places);" : ""}`,
    invocations: Math.ceil(length / neighbours),
  });
}

type Gradient = IndexedContext<PoolGradientAttributes>;

/** At a pixel (plane, line, pixel) of the images: sums `term` over the windows w that hold it, at (v, u) in each. */
function overWindows({ attributes }: Gradient, size: readonly string[], term: string): string {
  const { window, stride, padding } = attributes;
  const axis = (name: string, i: 0 | 1, count: string) => `
// Windows ${name}_first up to ${name}_last hold it.
let ${name}_place = ${name} + ${fixed(padding[i])};
let ${name}_first = select(0u, (${name}_place - ${fixed(window[i])}) / ${
    fixed(stride[i])
  } + 1u, ${name}_place >= ${fixed(window[i])});
let ${name}_last = min(${name}_place / ${fixed(stride[i])} + 1u, ${count});`;
  return `${axis("line", 0, size[2]!)}${axis("pixel", 1, size[3]!)}
var sum = 0.0;
for (var row = line_first; row < line_last; row++) {
  for (var column = pixel_first; column < pixel_last; column++) {
    let place = (line_place - row * ${fixed(stride[0])}) * ${fixed(window[1])} + pixel_place - column * ${
    fixed(stride[1])
  };
    let w = (plane * ${size[2]} + row) * ${size[3]} + column;
    ${term}
  }
}`;
}

/** The kernel of a gradient whose `term` adds to `sum`; four neighbours share the divisions that find them. */
function gradientKernel(
  term: (args: readonly string[]) => string,
  scale: (attributes: PoolGradientAttributes) => string,
): IndexedKernel<PoolGradientAttributes> {
  const frame = (args: readonly string[], context: Gradient, neighbours: number) => {
    const { attributes, inputs, param } = context;
    const [, , height, width] = attributes.shape.map((extent) => param(extent));
    const pooled = inputs[0]!.map((extent) => param(extent));
    const steps = Array.from({ length: neighbours }, (_, k) => `
{${overWindows(context, pooled, term(args))}
  result[${k}] = sum * ${scale(attributes)};
}
pixel += 1u;
if (pixel == ${width}) {
  pixel = 0u;
  line += 1u;
  if (line == ${height}) {
    line = 0u;
    plane += 1u;
  }
}`);
    return `
var pixel = e % ${width};
var line = e / ${width};
var plane = line / ${height};
line -= plane * ${height};
var result = vec4<f32>();
${steps.join("")}
return ${neighbours === 1 ? "result.x" : "result"};`;
  };
  return {
    kind: "indexed",
    element: (args, context) => frame(args, context, 1),
    four: (args, context) => frame(args, context, 4),
  };
}

const maxPool2dGradient: IndexedKernel<PoolGradientAttributes> = gradientKernel(
  ([dy, index]) => `if (u32(${index}(w)) == place) { sum += ${dy}(w); }`,
  () => "1.0",
);

const avgPool2dGradient: IndexedKernel<PoolGradientAttributes> = gradientKernel(
  ([dy]) => `sum += ${dy}(w);`,
  ({ window }) => `(1.0 / ${window[0] * window[1]}.0)`,
);
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
