/**
 * Where windows lie on images: the part that they reach, and the phases into which a stride splits the way back.
 *
 * @module
 */

import type { ConvGeometry } from "../../../tensor/ops/conv2d.ts";
import type { View } from "../values.ts";
import type { PackSpace } from "./pack.ts";

/** The part of the images that windows reach, with the zeros around it. */
export function reachOf(
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

/** The window elements that reach input line `stride * j + phase`, and where they find the output lines. */
export interface Phase {
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
export function phases(
  extent: number,
  window: number,
  stride: number,
  dilation: number,
  before: number,
): Phase[] {
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

/** The border around the lines that all phases together meet. */
export function borderOf(list: readonly Phase[]): { readonly before: number; readonly count: number } {
  const before = Math.max(0, ...list.map(({ start }) => -start));
  const reach = list.map(({ start, lines, taps, delta }) =>
    before + start + lines + Math.max(0, taps - 1) * delta
  );
  return { before, count: Math.max(...reach) };
}
