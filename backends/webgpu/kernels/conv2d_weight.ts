/**
 * The weight gradient of conv2d as address recipes for the product of `gemm.ts`: two ways to pack the images.
 *
 * @module
 */

import type { ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import type { PlanValue } from "../values.ts";
import { reachOf } from "./conv_windows.ts";
import { emitGemm, tileFor } from "./gemm.ts";
import { pack, plainAxis } from "./pack.ts";
import type { Axes, Four } from "./shapes.ts";
import type { KernelContext } from "./types.ts";

/** How the weight gradient finds its columns, the elements of the windows: in counts of vec4s, but for the output's. */
interface WindowColumns {
  readonly b: PlanValue;
  readonly columns: Axes;
  readonly columnExtent: number;
  readonly bStep: Axes;
  readonly bGroup: number;
  readonly bColumn: Axes;
  readonly outColumn: Axes;
  readonly outComponent: number;
}

/** Columns (window y, window x, channel): no pixel is copied twice. Packed as [image][y][x][group][channel / 4]. */
function channelColumns(context: WeightGradient): WindowColumns {
  const { stride, dilation, groups } = context.attributes;
  const { x, batch, height, width, depth, windowY, windowX } = shapesOf(context);
  const space = reachOf(x, [height, width], [windowY, windowX], context.attributes);
  const channels = Math.ceil(depth / 4);
  const line = groups * channels;
  const plane = space.x.count * line;
  return {
    b: pack(context, x, {
      z: { count: batch, stride: x.strides[0]! },
      ...space,
      u: { count: groups, stride: depth * x.strides[1]! },
      v: channels,
      component: x.strides[1]!,
      rows: depth,
    }),
    columns: [windowY, windowX, channels],
    columnExtent: depth,
    bStep: [space.y.count * plane, stride[0] * plane, stride[1] * line],
    bGroup: channels,
    bColumn: [dilation[0] * plane, dilation[1] * line, 1],
    outColumn: [windowX, 1, 4 * windowY * windowX],
    outComponent: windowY * windowX,
  };
}

/**
 * Columns (window y, channel, window x), for images of few channels, of which a vec4 would hold little: then it is four
 * pixels of a line of the window. Packed as [image][y][output x][channel][window x / 4].
 */
function lineColumns(context: WeightGradient): WindowColumns {
  const { stride, dilation, groups } = context.attributes;
  const { x, batch, height, width, depth, windowY, windowX } = shapesOf(context);
  const space = reachOf(x, [height, width], [windowY, windowX], context.attributes);
  const taps = Math.ceil(windowX / 4);
  const line = groups * depth * taps;
  const plane = width * line;
  return {
    b: pack(context, x, {
      z: { count: batch, stride: x.strides[0]! },
      y: space.y,
      x: { ...space.x, count: width, step: stride[1], slide: dilation[1] },
      u: { count: groups * depth, stride: x.strides[1]! },
      v: taps,
      component: dilation[1] * x.strides[3]!,
      rows: windowX,
    }),
    columns: [windowY, depth, taps],
    columnExtent: windowX,
    bStep: [space.y.count * plane, stride[0] * plane, line],
    bGroup: depth * taps,
    bColumn: [dilation[0] * plane, taps, 1],
    outColumn: [windowX, windowY * windowX, 4],
    outComponent: 1,
  };
}

type WeightGradient = KernelContext<ConvGradientAttributes>;

function shapesOf(context: WeightGradient) {
  const [x, dy] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, outChannels, height, width] = dy.shape as unknown as Four;
  const [, depth, windowY, windowX] = context.shapes[0] as unknown as Four;
  return { x, dy, batch, outChannels, height, width, depth, windowY, windowX };
}

/**
 * Rows: output channels. Columns: the elements of the windows. k: (image, y, x). The sums of the rows are the gradient of
 * the bias, where that is asked for.
 */
export function emitWeightGradient(context: WeightGradient): void {
  const { groups } = context.attributes;
  const { dy, batch, outChannels, height, width, depth, windowY, windowX } = shapesOf(context);
  const rows = outChannels / groups;
  const pixels = height * width;
  const area = windowY * windowX;
  const byLine = depth * Math.ceil(windowX / 4) < windowX * Math.ceil(depth / 4);
  const rowSums = context.outputs[1];
  const windows = byLine ? lineColumns(context) : channelColumns(context);

  // [group][tile][image][y, x][row / 4]
  const tile = tileFor(rows, context);
  const rowTiles = Math.ceil(rows / tile.rows);
  const vectors = tile.rows / 4;
  const a = pack(context, { value: context.contiguous(dy), offset: 0 }, {
    z: { count: groups, stride: rows * pixels },
    t: { count: rowTiles, stride: tile.rows * pixels, tile: tile.rows },
    y: plainAxis(batch, outChannels * pixels),
    x: plainAxis(pixels, 1),
    v: vectors,
    component: pixels,
    rows,
  });
  emitGemm(context, {
    a,
    ...windows,
    aAlong: "m",
    bAlong: "j",
    groups,
    rows,
    tile,
    k: [batch, height, width],
    aStep: vectors,
    aGroup: rowTiles * batch * pixels * vectors,
    aRow: batch * pixels * vectors,
    outRow: depth * area,
    outGroup: rows * depth * area,
    ...(rowSums ? { rowSums } : {}),
  });
}
