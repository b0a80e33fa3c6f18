/**
 * The operands of products that lanes work on together. An operand is a view: nothing is packed first. What matters to a
 * GPU is that neighbouring lanes read neighbouring addresses, so lanes run along the rows (or columns) of the tile or
 * along k, whichever is closer in memory, and read four elements at once where they lie so.
 *
 * @module
 */

import type { Binding } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import { type Axes, range } from "./shapes.ts";

/** Element (z, free, k) stands at start + z * group + sum of free_i * free[i] + sum of k_i * k[i]. */
export interface Operand {
  readonly value: PlanValue;
  readonly start: number;
  readonly group: number;
  /** The strides of the rows of A or the columns of B. */
  readonly free: Axes;
  readonly k: Axes;
  /** Of images whose windows reach over the edge: what lies outside counts as zero. */
  readonly edges?: Edges | undefined;
}

/** Lines, pixels. */
export type Pair = readonly [number, number];

/**
 * Where an image ends. An element lies in line first + free_1 * free + k_1 * k and in that pixel, by the last two axes of
 * either kind.
 */
export interface Edges {
  /** How many lines and pixels there are. */
  readonly extent: Pair;
  /** Negative where windows begin outside. */
  readonly first: Pair;
  readonly free: Pair;
  readonly k: Pair;
}

/** Which way lanes go through a tile, and whether each reads four neighbours. */
export type Order = "free" | "free4" | "k" | "k4";

/** An operand, and what its shader depends on. */
export interface Side {
  readonly name: "a" | "b";
  readonly operand: Operand;
  readonly order: Order;
  /** Whether all of k is one axis in memory. */
  readonly linear: boolean;
  /** Whether the four of a vec4 are neighbours. */
  readonly adjacent: boolean;
  /** What its numbers are on their way to the product. */
  readonly scalar: "f32" | "f16";
}

/** How many there are. */
export const volume = (counts: Axes): number => counts[0] * counts[1] * counts[2];

/** Makes one of neighbouring k axes over which both operands step evenly; axes of one element go to the front. */
export function mergeK(counts: Axes, a: Operand, b: Operand): { counts: Axes; a: Operand; b: Operand } {
  let axes = range(3).map((i) => ({ count: counts[i]!, a: a.k[i]!, b: b.k[i]! })).filter(({ count }) =>
    count !== 1
  );
  if (counts.includes(0)) axes = [{ count: 0, a: 0, b: 0 }];
  for (let i = axes.length - 1; i > 0; i--) {
    const [outer, inner] = [axes[i - 1]!, axes[i]!];
    if (outer.a !== inner.a * inner.count || outer.b !== inner.b * inner.count) continue;
    axes.splice(i - 1, 2, { ...inner, count: outer.count * inner.count });
  }
  while (axes.length < 3) axes.unshift({ count: 1, a: 0, b: 0 });
  const of = (key: "count" | "a" | "b") => axes.map((axis) => axis[key]) as unknown as Axes;
  return { counts: of("count"), a: { ...a, k: of("a") }, b: { ...b, k: of("b") } };
}

/** Whether all are multiples of four. */
export const byFour = (numbers: readonly number[]): boolean => numbers.every((n) => n % 4 === 0);

/** Whether axes are one in memory, with the step of the innermost. */
export function nests(counts: Axes, steps: Axes): boolean {
  const inner = counts[2] * steps[2];
  return (counts[1] === 1 || steps[1] === inner) && (counts[0] === 1 || steps[0] === inner * counts[1]);
}

/**
 * Chooses the order of an operand whose free axes have these counts, and k (merged) those. Some orders may be none for who
 * loads it; `neighbours` says that four should be neighbours if they can.
 */
export function sideOf(
  name: "a" | "b",
  operand: Operand,
  counts: Axes,
  kCounts: Axes,
  { never, neighbours, scalar }: {
    readonly never: readonly Order[];
    readonly neighbours: boolean;
    readonly scalar: Side["scalar"];
  },
): Side {
  const { start, group, free, k, edges } = operand;
  // Of what may lie outside, each has to be asked.
  const linear = !edges && nests(kCounts, k);
  const aligned = byFour([start, group]);
  // The shorter step, then the longer run.
  const [stepFree, stepK] = [Math.abs(free[2]), Math.abs(k[2])];
  const order = (["free4", "k4", "k", "free"] as const).find((each) => {
    if (never.includes(each) || (edges && each.endsWith("4"))) return false;
    if (each === "free4") return aligned && free[2] === 1 && byFour([counts[2], free[0], free[1], ...k]);
    if (each === "k4") return aligned && linear && k[2] === 1 && byFour([volume(kCounts), ...free]);
    return each === "free" || stepK < stepFree || (stepK === stepFree && kCounts[2] > counts[2]);
  })!;
  return {
    name,
    operand,
    linear,
    order,
    adjacent: order === "free4" || (order !== "free" && neighbours),
    scalar,
  };
}

/** The binding of an operand. */
export function bindingOf({ name, operand: { value }, order }: Side): Binding {
  const type = value.dtype === "f16" ? "f16" : "f32";
  return { name, value, element: order.endsWith("4") ? `vec4<${type}>` : type, access: "read" };
}

/** Declares the functions from a row or column to its distance from the first, and what reads zeros beyond the edges. */
export function sideFunctions({ name, scalar, operand: { edges } }: Side, counts: Axes): string {
  const free = freeText(`${name}_free`, (axis) => `p.${name}_free${axis}`, counts);
  if (!edges) return free;
  return `${free}
${freeText(`${name}_edge_free`, (axis) => axis === 0 ? "0u" : `p.${name}_edge_free${axis}`, counts)}
// Line and pixel, each in half of a word, are inside where neither they nor what is left to the last is negative.
fn ${name}_or_zero(at: u32, place: u32) -> ${scalar} {
  let inside = ((place | (p.${name}_edge_last - place)) & 0x80008000u) == 0u;
  ${
    // Beside matrices loads are what takes the time: what is outside is better loaded and dropped than branched around.
    scalar === "f16"
      ? `return select(0.0h, ${name}(at), inside);`
      : `if (inside) { return f32(${name}(at)); }\n  return 0.0;`}
}`;
}
/** Declares a function from a row or column to the sum of its steps along the axes. */
export function freeText(name: string, stride: (axis: number) => string, counts: Axes): string {
  if (counts[0] * counts[1] === 1) return `fn ${name}(f: u32) -> u32 { return f * ${stride(2)}; }`;
  return `fn ${name}(f: u32) -> u32 {
  let outer = f / p.f2;
  return outer / p.f1 * ${stride(0)} + outer % p.f1 * ${stride(1)} + f % p.f2 * ${stride(2)};
}`;
}
