/**
 * The three passes of conv2d as address recipes for the product of `gemm_shared.ts`. Tensors are read where they lie, and
 * nothing is copied: where windows reach over the edge of images, whoever loads looks whether it is there.
 *
 * @module
 */

import type { ConvGeometry, ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import { borderOf, type Phase, phases, reachOf } from "./conv_windows.ts";
import { emitProduct, extentsOf } from "./gemm_shared.ts";
import type { Edges, Pair } from "./operand.ts";
import { fitsPacked } from "./operand_loading.ts";
import type { PackSpace } from "./pack.ts";
import type { Four } from "./shapes.ts";
import { pick } from "./variants.ts";
import type { KernelContext } from "./types.ts";

/** A line or pixel, by the steps that lead to it, and how many of them windows reach. */
interface Reach extends Pick<PackSpace, "before" | "count" | "extent"> {
  readonly free: number;
  readonly k: number;
}

/** Where the images end that windows reach over; undefined where none does, null where they are too large to say. */
function edgesOf(y: Reach, x: Reach): Edges | undefined | null {
  const pair = (of: (reach: Reach) => number): Pair => [of(y), of(x)];
  if ([y, x].every(({ before, count, extent }) => before === 0 && count <= extent)) return undefined;
  const [extent, before] = [pair((each) => each.extent), pair((each) => each.before)];
  if (!fitsPacked(extent, before, pair(({ count }) => count))) return null;
  return {
    extent,
    first: [-before[0], -before[1]],
    free: pair(({ free }) => free),
    k: pair(({ k }) => k),
  };
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
  const variant = pick(context, extentsOf({ groups, rows, columns, k }, input.value, weight.value));
  if (variant.shares === "lane") return false;
  const space = reachOf(input, [height, width], [windowY, windowX], context.attributes);
  const edges = edgesOf(
    { ...space.y, free: stride[0], k: dilation[0] },
    { ...space.x, free: stride[1], k: dilation[1] },
  );
  if (edges === null) return false;
  const [n, c, y, z] = input.strides as unknown as Four;
  const [wo, wi, wy, wx] = weight.strides as unknown as Four;
  const area = height * width;
  emitProduct(context, {
    groups,
    rows,
    columns,
    k,
    a: { value: weight.value, start: weight.offset, group: rows * wo, free: [0, 0, wo], k: [wi, wy, wx] },
    b: {
      value: input.value,
      start: input.offset - space.y.before * y - space.x.before * z,
      group: depth * c,
      free: [n, stride[0] * y, stride[1] * z],
      k: [c, dilation[0] * y, dilation[1] * z],
      edges,
    },
    out: { start: 0, group: rows * area, row: area, column: [outChannels * area, width, 1] },
  }, variant);
  return true;
}

/** Rows: input channels. Columns: (image, y, x) of a phase. k: (output channel, window y, window x), taps reversed. */
export function sharedInputGradient(context: KernelContext<ConvGradientAttributes>): boolean {
  const { stride, padding, dilation, groups } = context.attributes;
  const [dy, weight] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, channels, height, width] = context.shapes[0] as unknown as Four;
  const [outChannels, rows, windowY, windowX] = weight.shape as unknown as Four;
  const depth = outChannels / groups;
  const phasesY = phases(height, windowY, stride[0], dilation[0], padding[0]);
  const phasesX = phases(width, windowX, stride[1], dilation[1], padding[1]);
  // One variant for all phases, chosen for the largest.
  const columns = [batch, Math.ceil(height / stride[0]), Math.ceil(width / stride[1])] as const;
  const k = [depth, Math.ceil(windowY / stride[0]), Math.ceil(windowX / stride[1])] as const;
  const variant = pick(context, extentsOf({ groups, rows, columns, k }, dy.value, weight.value));
  if (variant.shares === "lane") return false;
  const border = (list: readonly Phase[], axis: 2 | 3) => ({ ...borderOf(list), extent: dy.shape[axis]! });
  // Of all phases together: they share pipelines.
  const edges = edgesOf(
    { ...border(phasesY, 2), free: 1, k: 1 },
    { ...border(phasesX, 3), free: 1, k: 1 },
  );
  if (edges === null) return false;
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
          start: dy.offset + py.start * y + px.start * x,
          group: depth * o,
          free: [n, y, x],
          k: [o, py.delta * y, px.delta * x],
          edges: edges && { ...edges, first: [py.start, px.start], k: [py.delta, px.delta] },
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
  const variant = pick(context, extentsOf({ groups, rows, columns, k }, input.value, dy.value));
  if (variant.shares === "lane") return false;
  const space = reachOf(input, [height, width], [windowY, windowX], context.attributes);
  const edges = edgesOf(
    { ...space.y, free: dilation[0], k: stride[0] },
    { ...space.x, free: dilation[1], k: stride[1] },
  );
  if (edges === null) return false;
  const [xn, xc, xy, xx] = input.strides as unknown as Four;
  const [yn, yc, yy, yx] = dy.strides as unknown as Four;
  emitProduct(context, {
    groups,
    rows,
    columns,
    k,
    a: { value: dy.value, start: dy.offset, group: rows * yc, free: [0, 0, yc], k: [yn, yy, yx] },
    b: {
      value: input.value,
      start: input.offset - space.y.before * xy - space.x.before * xx,
      group: depth * xc,
      free: [xc, dilation[0] * xy, dilation[1] * xx],
      k: [xn, stride[0] * xy, stride[1] * xx],
      edges,
    },
    out: { start: 0, group: rows * depth * area, row: depth * area, column: [area, windowX, 1] },
    ...(context.outputs[1] ? { rowSums: context.outputs[1] } : {}),
  }, variant);
  return true;
}
