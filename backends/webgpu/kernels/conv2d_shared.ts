/**
 * The three passes of conv2d as address recipes for the product of `gemm_shared.ts`. Tensors are read where they lie;
 * only images whose windows reach over the edge are copied first, with zeros around them.
 *
 * @module
 */

import type { ConvGeometry, ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import { elementOf } from "../shader.ts";
import type { View } from "../values.ts";
import { borderOf, phases, reachOf } from "./conv_windows.ts";
import { emitProduct, extentsOf } from "./gemm_shared.ts";
import type { PackSpace } from "./pack.ts";
import type { Four } from "./shapes.ts";
import { pick } from "./variants.ts";
import type { KernelContext } from "./types.ts";

/** Images with zeros around them; as they are where no window reaches over the edge. */
function bordered(context: KernelContext<ConvGeometry>, x: View, { y, x: across }: {
  readonly y: Pick<PackSpace, "before" | "count">;
  readonly x: Pick<PackSpace, "before" | "count">;
}): View {
  const [batch, channels, height, width] = x.shape as unknown as Four;
  const inside = (space: Pick<PackSpace, "before" | "count">, extent: number) =>
    space.before === 0 && space.count <= extent;
  if (inside(y, height) && inside(across, width)) return x;
  const shape = [batch, channels, y.count, across.count];
  const length = shape.reduce((a, b) => a * b, 1);
  const element = elementOf(x.value);
  const value = context.temporary(x.value.dtype, length);
  context.dispatch({
    bindings: [
      { name: "source", value: x.value, element, access: "read" },
      { name: "copy", value, element: `vec4<${element}>`, access: "write" },
    ],
    params: {
      length,
      channels,
      height,
      width,
      rows: y.count,
      columns: across.count,
      above: y.before,
      left: across.before,
      start: x.offset,
      zStride: x.strides[0]!,
      cStride: x.strides[1]!,
      yStride: x.strides[2]!,
      xStride: x.strides[3]!,
    },
    body: `
  // Four neighbours, which share the divisions.
  var column = 4u * i % p.columns;
  var row = 4u * i / p.columns;
  var plane = row / p.rows;
  row %= p.rows;
  var four = vec4<${element}>();
  for (var n = 0u; n < 4u; n++) {
    // Unsigned: above and left of the image wraps round to beyond it.
    let line = row - p.above;
    let pixel = column - p.left;
    if (line < p.height && pixel < p.width && 4u * i + n < p.length) {
      four[n] = source(p.start + plane / p.channels * p.zStride + plane % p.channels * p.cStride +
        line * p.yStride + pixel * p.xStride);
    }
    column += 1u;
    if (column == p.columns) { column = 0u; row += 1u; }
    if (row == p.rows) { row = 0u; plane += 1u; }
  }
  set_copy(i, four);`,
    invocations: Math.ceil(length / 4),
  });
  const strides = [channels * y.count * across.count, y.count * across.count, across.count, 1];
  return { value, shape, strides, offset: 0 };
}

/** Rows: output channels. Columns: (image, y, x). k: (channel, window y, window x). False: left to the other family. */
export function sharedForward(context: KernelContext<ConvGeometry>): boolean {
  const { stride, dilation, groups } = context.attributes;
  const [input, weight] = [context.inputs[0]!, context.inputs[1]!];
  const [outChannels, depth, windowY, windowX] = weight.shape as unknown as Four;
  const [batch, , height, width] = context.shapes[0] as unknown as Four;
  const rows = outChannels / groups;
  const columns = [batch, height, width] as const;
  const k = [depth, windowY, windowX] as const;
  const variant = pick(context, extentsOf({ groups, rows, columns, k }));
  if (variant.shares === "lane") return false;
  const space = reachOf(input, [height, width], [windowY, windowX], context.attributes);
  const x = bordered(context, input, space);
  const [n, c, y, z] = x.strides as unknown as Four;
  const [wo, wi, wy, wx] = weight.strides as unknown as Four;
  const area = height * width;
  emitProduct(context, {
    groups,
    rows,
    columns,
    k,
    a: { value: weight.value, start: weight.offset, group: rows * wo, free: [0, 0, wo], k: [wi, wy, wx] },
    b: {
      value: x.value,
      start: x.offset,
      group: depth * c,
      free: [n, stride[0] * y, stride[1] * z],
      k: [c, dilation[0] * y, dilation[1] * z],
    },
    out: { start: 0, group: rows * area, row: area, column: [outChannels * area, width, 1] },
  }, variant);
  return true;
}

/** Rows: input channels. Columns: (image, y, x) of a phase. k: (output channel, window y, window x), taps reversed. */
export function sharedInputGradient(context: KernelContext<ConvGradientAttributes>): boolean {
  const { stride, padding, dilation, groups } = context.attributes;
  const [slope, weight] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, channels, height, width] = context.shapes[0] as unknown as Four;
  const [outChannels, rows, windowY, windowX] = weight.shape as unknown as Four;
  const depth = outChannels / groups;
  const phasesY = phases(height, windowY, stride[0], dilation[0], padding[0]);
  const phasesX = phases(width, windowX, stride[1], dilation[1], padding[1]);
  // One variant for all phases, chosen for the largest.
  const columns = [batch, Math.ceil(height / stride[0]), Math.ceil(width / stride[1])] as const;
  const k = [depth, Math.ceil(windowY / stride[0]), Math.ceil(windowX / stride[1])] as const;
  const variant = pick(context, extentsOf({ groups, rows, columns, k }));
  if (variant.shares === "lane") return false;
  const [borderY, borderX] = [borderOf(phasesY), borderOf(phasesX)];
  const dy = bordered(context, slope, { y: borderY, x: borderX });
  const [n, o, y, x] = dy.strides as unknown as Four;
  const [wo, wi, wy, wx] = weight.strides as unknown as Four;
  const area = height * width;
  for (const py of phasesY) {
    for (const px of phasesX) {
      emitProduct(context, {
        groups,
        part: phasesY.length * phasesX.length > 1,
        rows,
        columns: [batch, py.lines, px.lines],
        k: [py.taps * px.taps === 0 ? 0 : depth, py.taps, px.taps],
        a: {
          value: weight.value,
          start: weight.offset + (py.first + (py.taps - 1) * py.step) * wy +
            (px.first + (px.taps - 1) * px.step) * wx,
          group: depth * wo,
          free: [0, 0, wi],
          k: [wo, -py.step * wy, -px.step * wx],
        },
        b: {
          value: dy.value,
          start: dy.offset + (borderY.before + py.start) * y + (borderX.before + px.start) * x,
          group: depth * o,
          free: [n, y, x],
          k: [o, py.delta * y, px.delta * x],
        },
        out: {
          start: py.phase * width + px.phase,
          group: rows * area,
          row: area,
          column: [channels * area, stride[0] * width, stride[1]],
        },
      }, variant);
    }
  }
  return true;
}

/** Rows: output channels, and their sums. Columns: (input channel, window y, window x). k: (image, y, x). */
export function sharedWeightGradient(context: KernelContext<ConvGradientAttributes>): boolean {
  const { stride, dilation, groups } = context.attributes;
  const [input, dy] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, outChannels, height, width] = dy.shape as unknown as Four;
  const [, depth, windowY, windowX] = context.shapes[0] as unknown as Four;
  const rows = outChannels / groups;
  const area = windowY * windowX;
  const columns = [depth, windowY, windowX] as const;
  const k = [batch, height, width] as const;
  const variant = pick(context, extentsOf({ groups, rows, columns, k }));
  if (variant.shares === "lane") return false;
  const space = reachOf(input, [height, width], [windowY, windowX], context.attributes);
  const x = bordered(context, input, space);
  const [xn, xc, xy, xx] = x.strides as unknown as Four;
  const [yn, yc, yy, yx] = dy.strides as unknown as Four;
  emitProduct(context, {
    groups,
    rows,
    columns,
    k,
    a: { value: dy.value, start: dy.offset, group: rows * yc, free: [0, 0, yc], k: [yn, yy, yx] },
    b: {
      value: x.value,
      start: x.offset,
      group: depth * xc,
      free: [xc, dilation[0] * xy, dilation[1] * xx],
      k: [xn, stride[0] * xy, stride[1] * xx],
    },
    out: { start: 0, group: rows * depth * area, row: depth * area, column: [area, windowX, 1] },
    ...(context.outputs[1] ? { rowSums: context.outputs[1] } : {}),
  }, variant);
  return true;
}
