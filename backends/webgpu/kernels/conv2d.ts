/**
 * The three passes of conv2d as address recipes for the product of `gemm.ts`, in which each lane has a tile of its own; where lanes
 * share one, `conv2d_shared.ts` has them.
 *
 * @module
 */

import type { ConvGeometry, ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import { emitWeightGradient } from "./conv2d_weight.ts";
import { borderOf, phases, reachOf } from "./conv_windows.ts";
import { emitGemm, tileFor } from "./gemm.ts";
import { pack, plainAxis } from "./pack.ts";
import type { Four } from "./shapes.ts";
import type { DispatchKernel, GpuKernels, KernelContext, KernelsOf } from "./types.ts";

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
  const tile = tileFor(rows, context);
  const rowTiles = Math.ceil(rows / tile.rows);
  const a = pack(context, { value: context.contiguous(weight), offset: 0 }, {
    z: { count: groups, stride: rows * taps },
    t: { count: rowTiles, stride: tile.rows * taps, tile: tile.rows },
    x: plainAxis(taps, 1),
    v: tile.rows / 4,
    component: taps,
    rows,
  });
  const vectors = tile.rows / 4;
  emitGemm(context, {
    a,
    b,
    aAlong: "m",
    bAlong: "j",
    panels: true,
    groups,
    rows,
    tile,
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
  const [borderY, borderX] = [borderOf(phasesY), borderOf(phasesX)];

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
  const tile = tileFor(rows, context);
  const rowTiles = Math.ceil(rows / tile.rows);
  const vectors = tile.rows / 4;
  const plane = borderY.count * borderX.count * images;
  for (const py of phasesY) {
    for (const px of phasesX) {
      const taps = py.taps * px.taps;
      // [group][tile][output channel][y][x][row / 4], the last tap first.
      const lastTap = (py.first + (py.taps - 1) * py.step) * windowX + px.first + (px.taps - 1) * px.step;
      const a = pack(context, source, {
        z: { count: groups, stride: depth * rows * area },
        t: { count: rowTiles, stride: tile.rows * area, tile: tile.rows },
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
        panels: true,
        groups,
        part: phasesY.length * phasesX.length > 1,
        rows,
        tile,
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

/** The table of the family. */
export const conv2dKernels: KernelsOf<typeof import("../../../tensor/ops/conv2d.ts")> = {
  conv2d: kernel<ConvGeometry>(true, (gpu) => gpu.sharedForward, emitForward),
  conv2dInputGradient: kernel(true, (gpu) => gpu.sharedInputGradient, emitInputGradient),
  conv2dWeightGradient: kernel(true, (gpu) => gpu.sharedWeightGradient, emitWeightGradient),
  conv2dParameterGradients: kernel(false, (gpu) => gpu.sharedWeightGradient, emitWeightGradient),
};

/** The passes whose tiles lanes share, or where that declines, the one in which each has its own. */
function kernel<Attributes = ConvGradientAttributes>(
  fuses: boolean,
  shared: (gpu: GpuKernels) => (context: KernelContext<Attributes>) => boolean,
  alone: (context: KernelContext<Attributes>) => void,
): DispatchKernel<Attributes> {
  return {
    kind: "dispatch",
    fuses,
    emit: (context) => (context.gpu && shared(context.gpu)(context)) || alone(context),
  };
}
