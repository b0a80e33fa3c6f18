/**
 * The three passes of conv2d as address recipes for the one matrix product of `gemm.ts`.
 *
 * @module
 */

import type { ConvGeometry, ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import type { PlanValue, View } from "../values.ts";
import { type Axes, emitGemm, tileRowsFor } from "./gemm.ts";
import { pack, type PackSpace, plainAxis } from "./pack.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Four = readonly [number, number, number, number];

/** The part of the images that windows reach, with the zeros around it. */
function reachOf(
  x: View,
  outputs: readonly [number, number],
  window: readonly [number, number],
  { stride, dilation, padding }: ConvGeometry,
): { readonly y: PackSpace; readonly x: PackSpace } {
  const axis = (i: 0 | 1): PackSpace => ({
    count: (outputs[i] - 1) * stride[i] + (window[i] - 1) * dilation[i] + 1,
    stride: x.strides[2 + i]!,
    before: padding[i],
    extent: x.shape[2 + i]!,
  });
  return { y: axis(0), x: axis(1) };
}

/** Rows: output channels. Columns: (y, x, image), so a vec4 is four images. k: (channel, window y, window x). */
function emitForward(context: KernelContext<ConvGeometry>): void {
  const { stride, dilation, groups } = context.attributes;
  const [x, weight] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, channels] = x.shape as unknown as Four;
  const [outChannels, depth, windowY, windowX] = weight.shape as unknown as Four;
  const [, , height, width] = context.shapes[0] as unknown as Four;
  const rows = outChannels / groups;
  const images = Math.ceil(batch / 4);
  const taps = depth * windowY * windowX;

  // [channel][y][x][image / 4], with the zeros around it that the windows reach.
  const space = reachOf(x, [height, width], [windowY, windowX], context.attributes);
  const [reachY, reachX] = [space.y.count, space.x.count];
  const b = pack(context, x, {
    z: { count: channels, stride: x.strides[1]! },
    ...space,
    v: images,
    component: x.strides[0]!,
    rows: batch,
  });
  // [group][tile][channel][y][x][row / 4]
  const tileRows = tileRowsFor(rows, context);
  const rowTiles = Math.ceil(rows / tileRows);
  const a = pack(context, { value: context.contiguous(weight), offset: 0 }, {
    z: { count: groups, stride: rows * taps },
    t: { count: rowTiles, stride: tileRows * taps, tile: tileRows },
    x: plainAxis(taps, 1),
    v: tileRows / 4,
    component: taps,
    rows,
  });
  const vectors = tileRows / 4;
  emitGemm(context, {
    a,
    b,
    aAlong: "m",
    bAlong: "j",
    groups,
    rows,
    tileRows,
    columns: [height, width, images],
    columnExtent: batch,
    k: [depth, windowY, windowX],
    aStep: vectors,
    aGroup: rowTiles * taps * vectors,
    aRow: taps * vectors,
    bStep: [reachY * reachX * images, dilation[0] * reachX * images, dilation[1] * images],
    bGroup: depth * reachY * reachX * images,
    bColumn: [stride[0] * reachX * images, stride[1] * images, 1],
    outColumn: [width, 1, 4 * outChannels * height * width],
    outComponent: outChannels * height * width,
    outRow: height * width,
    outGroup: rows * height * width,
  });
}

/** The window elements that reach input line `stride * j + phase`, and where they find the output lines. */
interface Phase {
  readonly phase: number;
  /** How many input lines there are. */
  readonly lines: number;
  /** Window elements first, first + step, ... */
  readonly taps: number;
  readonly first: number;
  readonly step: number;
  /** Tap t, counted from the last one, meets output line j + start + t * delta. */
  readonly start: number;
  readonly delta: number;
}

/** Splits an axis of the input gradient by the remainder of stride: in each phase it is a convolution of stride 1. */
function phases(extent: number, window: number, stride: number, dilation: number, before: number): Phase[] {
  return Array.from({ length: Math.min(stride, extent) }, (_, phase) => {
    const meets = [...Array(window).keys()].filter((tap) => (phase + before - tap * dilation) % stride === 0);
    const [first = 0, second = first] = meets;
    const step = second - first;
    const delta = step * dilation / stride;
    const last = first + (Math.max(1, meets.length) - 1) * step;
    const start = meets.length === 0 ? 0 : (phase + before - last * dilation) / stride;
    return {
      phase,
      lines: Math.ceil((extent - phase) / stride),
      taps: meets.length,
      first,
      step,
      start,
      delta,
    };
  });
}

/** Rows: input channels. Columns: (y, x, image) of a phase. k: (output channel, window y, window x), taps reversed. */
function emitInputGradient(context: KernelContext<ConvGradientAttributes>): void {
  const { stride, padding, dilation, groups } = context.attributes;
  const [dy, weight] = [context.inputs[0]!, context.inputs[1]!];
  const [batch, channels, height, width] = context.shapes[0] as unknown as Four;
  const [outChannels, rows, windowY, windowX] = weight.shape as unknown as Four;
  const depth = outChannels / groups;
  const images = Math.ceil(batch / 4);
  const phasesY = phases(height, windowY, stride[0], dilation[0], padding[0]);
  const phasesX = phases(width, windowX, stride[1], dilation[1], padding[1]);
  const border = (list: readonly Phase[]) => {
    const before = Math.max(0, ...list.map(({ start }) => -start));
    const reach = list.map(({ start, lines, taps, delta }) =>
      before + start + lines + Math.max(0, taps - 1) * delta
    );
    return { before, count: Math.max(...reach) };
  };
  const [borderY, borderX] = [border(phasesY), border(phasesX)];

  // [channel][y][x][image / 4], shared by all phases.
  const b = pack(context, dy, {
    z: { count: outChannels, stride: dy.strides[1]! },
    y: { ...borderY, stride: dy.strides[2]!, extent: dy.shape[2]! },
    x: { ...borderX, stride: dy.strides[3]!, extent: dy.shape[3]! },
    v: images,
    component: dy.strides[0]!,
    rows: batch,
  });
  const source = { value: context.contiguous(weight), offset: 0 };
  const area = windowY * windowX;
  const tileRows = tileRowsFor(rows, context);
  const rowTiles = Math.ceil(rows / tileRows);
  const vectors = tileRows / 4;
  const plane = borderY.count * borderX.count * images;
  for (const py of phasesY) {
    for (const px of phasesX) {
      const taps = py.taps * px.taps;
      // [group][tile][output channel][y][x][row / 4], the last tap first.
      const lastTap = (py.first + (py.taps - 1) * py.step) * windowX + px.first + (px.taps - 1) * px.step;
      const a = pack(context, source, {
        z: { count: groups, stride: depth * rows * area },
        t: { count: rowTiles, stride: tileRows * area, tile: tileRows },
        y: plainAxis(depth, rows * area),
        x: plainAxis(py.taps, -py.step * windowX),
        u: { count: px.taps, stride: -px.step },
        v: vectors,
        component: area,
        rows,
        start: lastTap,
      });
      emitGemm(context, {
        a,
        b,
        aAlong: "m",
        bAlong: "j",
        groups,
        part: phasesY.length * phasesX.length > 1,
        rows,
        tileRows,
        columns: [py.lines, px.lines, images],
        columnExtent: batch,
        k: [taps === 0 ? 0 : depth, py.taps, px.taps],
        aStep: vectors,
        aGroup: rowTiles * depth * taps * vectors,
        aRow: depth * taps * vectors,
        bStart: ((borderY.before + py.start) * borderX.count + borderX.before + px.start) * images,
        bStep: [plane, py.delta * borderX.count * images, px.delta * images],
        bGroup: depth * plane,
        bColumn: [borderX.count * images, images, 1],
        outStart: py.phase * width + px.phase,
        outColumn: [stride[0] * width, stride[1], 4 * channels * height * width],
        outComponent: channels * height * width,
        outRow: height * width,
        outGroup: rows * height * width,
      });
    }
  }
}

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
function emitWeightGradient(context: WeightGradient): void {
  const { groups } = context.attributes;
  const { dy, batch, outChannels, height, width, depth, windowY, windowX } = shapesOf(context);
  const rows = outChannels / groups;
  const pixels = height * width;
  const area = windowY * windowX;
  const byLine = depth * Math.ceil(windowX / 4) < windowX * Math.ceil(depth / 4);
  const rowSums = context.outputs[1];
  const windows = byLine ? lineColumns(context) : channelColumns(context);

  // [group][tile][image][y, x][row / 4]
  const tileRows = tileRowsFor(rows, context);
  const rowTiles = Math.ceil(rows / tileRows);
  const vectors = tileRows / 4;
  const a = pack(context, { value: context.contiguous(dy), offset: 0 }, {
    z: { count: groups, stride: rows * pixels },
    t: { count: rowTiles, stride: tileRows * pixels, tile: tileRows },
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
    tileRows,
    k: [batch, height, width],
    aStep: vectors,
    aGroup: rowTiles * batch * pixels * vectors,
    aRow: batch * pixels * vectors,
    outRow: depth * area,
    outGroup: rows * depth * area,
    ...(rowSums ? { rowSums } : {}),
  });
}

/** The table of the family. */
export const conv2dKernels: KernelsOf<typeof import("../../../tensor/ops/conv2d.ts")> = {
  conv2d: { kind: "dispatch", fuses: true, emit: emitForward } as DispatchKernel<ConvGeometry>,
  conv2dInputGradient: { kind: "dispatch", fuses: true, emit: emitInputGradient } as DispatchKernel<
    ConvGradientAttributes
  >,
  conv2dWeightGradient: { kind: "dispatch", fuses: true, emit: emitWeightGradient } as DispatchKernel<
    ConvGradientAttributes
  >,
  conv2dParameterGradients: { kind: "dispatch", emit: emitWeightGradient } as DispatchKernel<
    ConvGradientAttributes
  >,
};
