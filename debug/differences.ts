/**
 * Gradients beside central differences, one number at a time: what the tools that check gradients are made from.
 *
 * @module
 */

import {
  foldIn,
  gradients,
  type HostArray,
  InputSlot,
  Parameter,
  randomBits,
  randomKey,
  type Shape,
  type Tensor,
  tensor,
} from "../tensor/mod.ts";
import { stridesOf } from "../tensor/shape.ts";

/**
 * The element of one argument, or the direction, whose gradient differs most.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, tensor } from "@fermi/fermi";
 * import { checkGradients, type GradientCheck } from "@fermi/fermi/debug";
 *
 * const x = tensor([[1, 2], [3, 4]], { device: await device("cpu", { precision: "f64" }) });
 * const [check]: GradientCheck[] = await checkGradients((x) => x.pow(3), [x]);
 * const { at, analytic, numeric } = check!; // where it differs most: somewhere
 * const [row, column] = at!;
 * assert.ok(Math.abs(analytic - 3 * (1 + 2 * row! + column!) ** 2) < 1e-12); // 3 x^2
 * assert.ok(Math.abs(analytic - numeric) < 1e-7);
 * ```
 */
export interface GradientCheck {
  /** Row-major index of the element, or which of the directions. */
  readonly index: number;
  /** The element's index along each axis; null for a direction. */
  readonly at: readonly number[] | null;
  /** What the gradient rule says there. */
  readonly analytic: number;
  /** What the central difference says there; at a kink, the slope between those of its sides that is nearest. */
  readonly numeric: number;
  /** |analytic - numeric| / max(floor, |analytic|, |numeric|). */
  readonly error: number;
  /** The slopes on the two sides of a kink, between which any is a gradient; null where there is none. */
  readonly kink: readonly [number, number] | null;
}

/** The slope of an element or a direction of one of several arguments. */
export interface Difference extends GradientCheck {
  /** Which argument was moved. */
  readonly argument: number;
}

/** What is compared, and how. */
export interface DifferenceOptions {
  /** The step of the differences, and smaller ones that are tried where the first disagrees. */
  readonly steps: readonly number[];
  /** The largest error that agrees. */
  readonly tolerance: number;
  /** Elements of each argument that are compared, spread over it, besides the one with the largest gradient. */
  readonly limit: number;
  /** Directions in which each argument is moved as a whole. */
  readonly directions: number;
  /** Elements and directions are drawn from it. */
  readonly seed: number;
  /** What slopes under it are measured by: a number, or the size of the argument's own gradient. */
  readonly floor: number | "gradient";
}

/** Compares the gradients of the sum of f with its differences, an argument after the other. */
export async function* differences<Args extends readonly Tensor[]>(
  f: (...args: Args) => Tensor,
  args: Args,
  options: DifferenceOptions,
): AsyncGenerator<Difference, void, void> {
  const values = f(...args);
  const value = values.sum();
  const slopes = await Promise.all(gradients(value, args).map((gradient) => gradient.data()));
  const middle = await value.item();
  // What cancels in the sum has been rounded before.
  const rounding = ROUNDINGS * await values.abs().sum().item() * (isExact(args) ? 2 ** -53 : 2 ** -24);
  for (const [argument, moving] of args.entries()) {
    const data = await moving.data();
    const slope = slopes[argument]!;
    const valueAt = (moved: HostArray): Promise<number> => {
      const changed = withContent(moving, moved);
      return f(...args.map((arg, i) => i === argument ? changed : arg) as unknown as Args).sum().item();
    };
    try {
      for await (const { direction, ...probe } of probes(argument, moving, slope, options)) {
        const floor = smallestScale(slope, direction, options);
        // A direction has length 1, so that its step is no longer than that of an element.
        const length = Math.sqrt(direction?.length ?? 1);
        const analytic = direction === null ? slope[probe.index]! : dot(slope, direction) / length;
        const along = async (step: number) => {
          const moved = data.slice();
          if (direction === null) moved[probe.index]! += step;
          else direction.forEach((sign, i) => moved[i]! += sign / length * step);
          // An element of an f32 device does not move by the step, but from one f32 to another.
          const way = direction === null
            ? moved[probe.index]! - data[probe.index]!
            : dot(moved.map((value, i) => value - data[i]!), direction) / length;
          return { value: await valueAt(moved), way };
        };
        yield {
          argument,
          ...probe,
          analytic,
          ...await compare(analytic, floor, { middle, rounding }, along, options),
        };
      }
    } finally {
      if (withContent(moving, data) === moving) await moving.data();
    }
  }
}

/** Whether all arguments are where differences have ten digits. */
export function isExact(args: readonly Tensor[]): boolean {
  return args.every(({ device }) => device.precision === "f64");
}

/** The argument with other numbers. A parameter or slot is overwritten, because f may read it from around itself. */
function withContent(argument: Tensor, data: HostArray): Tensor {
  if (argument instanceof InputSlot) {
    argument.write(data);
    return argument;
  }
  const { shape, dtype, device } = argument;
  const content = tensor(data, { shape, dtype, device });
  if (!(argument instanceof Parameter)) return content;
  argument.assign(content);
  return argument;
}

/** An element to be moved, or a direction to move along: a sign for each element. */
interface Probe extends Pick<Difference, "index" | "at"> {
  readonly direction: Int8Array | null;
}

async function* probes(
  argument: number,
  { shape, size, device }: Tensor,
  slope: HostArray,
  { limit, directions, seed }: DifferenceOptions,
): AsyncGenerator<Probe, void, void> {
  const key = foldIn(randomKey(seed, { device }), argument);
  const bits = (purpose: number, count: number) => randomBits(foldIn(key, purpose), [count]).data();
  const elements = new Set<number>();
  if (limit >= size) { for (let i = 0; i < size; i++) elements.add(i); }
  else if (limit > 0) {
    // One from each of as many parts of equal size.
    (await bits(0, limit)).forEach((bit, part) => {
      const [start, end] = [part, part + 1].map((edge) => Math.floor(edge * size / limit));
      elements.add(start! + Math.floor(bit / 2 ** 32 * (end! - start!)));
    });
    elements.add(largest(slope));
  }
  for (const index of elements) yield { index, at: unravel(index, shape), direction: null };
  for (let index = 0; index < directions; index++) {
    const direction = Int8Array.from(await bits(1 + index, size), (bit) => bit < 2 ** 31 ? -1 : 1);
    yield { index, at: null, direction };
  }
}

/** The index along each axis of a row-major one. */
export function unravel(index: number, shape: Shape): number[] {
  return stridesOf(shape).map((stride, axis) => Math.floor(index / stride) % shape[axis]!);
}

/** Where the largest of the absolute values is. */
function largest(values: HostArray): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i]!) > Math.abs(values[best]!)) best = i;
  return best;
}

function dot(slope: HostArray, direction: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < direction.length; i++) sum += slope[i]! * direction[i]!;
  return sum;
}

/** What a slope is at least measured by: along a direction of length 1, slopes come to the root of the mean square. */
function smallestScale(
  slope: HostArray,
  direction: Int8Array | null,
  { floor }: DifferenceOptions,
): number {
  if (floor !== "gradient") return floor;
  if (direction === null) return Math.abs(slope[largest(slope)]!);
  let squares = 0;
  for (const each of slope) squares += each * each;
  return Math.sqrt(squares / slope.length);
}

type Compared = Pick<Difference, "numeric" | "error" | "kink">;

/**
 * The slope by differences. A step that straddles a kink, such as that of a ReLU, gives a slope in between: where the
 * slopes disagree, smaller steps are tried, which pass a kink nearby, and which no wrong gradient agrees with. Where the
 * slopes of the two sides stay apart however small the step, there is a kink right here, and every slope from one to the
 * other is a gradient; one outside of them is wrong.
 */
async function compare(
  analytic: number,
  floor: number,
  { middle, rounding }: { readonly middle: number; readonly rounding: number },
  along: (step: number) => Promise<{ readonly value: number; readonly way: number }>,
  { steps, tolerance, floor: kind }: DifferenceOptions,
): Promise<Compared> {
  let best: Compared | null = null;
  let [jump, jumpBefore, noise] = [0, Infinity, 0];
  let sides: [number, number] = [0, 0];
  let least = floor;
  for (const step of steps) {
    const [above, below] = [await along(step), await along(-step)];
    noise = rounding / step;
    // Slopes that drown in the value's own rounding cannot be told apart.
    least = kind === "gradient" ? Math.max(floor, noise / tolerance) : floor;
    const numeric = (above.value - below.value) / (above.way - below.way);
    const error = errorOf(analytic, numeric, least);
    if (error <= tolerance) return { numeric, error, kink: null };
    if (best === null || error < best.error) best = { numeric, error, kink: null };
    sides = [(middle - below.value) / -below.way, (above.value - middle) / above.way];
    [jumpBefore, jump] = [jump, Math.abs(sides[1] - sides[0])];
  }
  const [low, high] = [Math.min(...sides), Math.max(...sides)];
  // What is smooth has slopes that meet in proportion to the step; those beside a jump of the value grow as it shrinks.
  const isKink = steps.length > 1 && jump > jumpBefore / 2 && jump < jumpBefore * 2 && jump > 100 * noise;
  const nearest = Math.min(Math.max(analytic, low), high);
  const error = errorOf(analytic, nearest, least);
  return isKink && error <= tolerance ? { numeric: nearest, error, kink: sides } : best!;
}

/** How many roundings of its last place a value of f is taken to be off by: those of a network come to a few. */
const ROUNDINGS = 32;

function errorOf(analytic: number, numeric: number, floor: number): number {
  if (analytic === numeric) return 0;
  return Math.abs(analytic - numeric) / Math.max(floor, Math.abs(analytic), Math.abs(numeric));
}
