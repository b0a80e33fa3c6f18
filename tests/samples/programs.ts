// Random programs: 5 to 40 ops on small whole numbers or on reals, with shared subexpressions. A program is a list of words; what
// they mean depends only on shapes and on how large numbers may have become, so every device builds the same graph.

import fc from "fast-check";
import * as fermi from "../../mod.ts";
import type { Shape, Tensor } from "../../mod.ts";
import type { Fill, Input } from "./sample.ts";
import { type Bounded, bounded, JUMPS, reshaped, ROUNDS, STEPS, TAKES_NOTHING, WHOLE } from "./steps.ts";
import { type ViewName, VIEWS } from "./views.ts";

/** One op: its name, which earlier values it takes, and a number that chooses among its variants. */
interface Step {
  readonly op: string;
  readonly a: number;
  readonly b: number;
  readonly choice: number;
}

/** A program. */
export interface Program {
  readonly leaves: readonly { readonly shape: Shape; readonly view: ViewName }[];
  readonly fill: Fill;
  readonly seed: number;
  readonly steps: readonly Step[];
  /** Whether gradients of the sum of all results for the leaves are results too. */
  readonly gradients: boolean;
  /** In a program over states: which values they become, each in the shape of its state. */
  readonly updates: readonly number[];
}

/** What a program has computed: whether its numbers may have been rounded. */
interface Value extends Bounded {
  readonly rounded: boolean;
}

/** What has no elements becomes a one, by way of its sum. */
function filled({ x, most, rounded }: Value): Value {
  return x.size === 0 ? { x: x.sum().add(1), most: 1, rounded } : { x, most, rounded };
}

/**
 * The nearest multiples of 1/8, so that the error of a rounded number does not decide what comes after a jump: 0.37 keeps
 * them away from the jumps of `floor`.
 */
function snapped(value: Value): Value {
  return value.rounded ? { ...value, x: value.x.mul(8).add(0.37).floor().mul(0.125) } : value;
}

/** The operand as the op takes it. */
function operandOf(op: string, value: Value): Value {
  const given = TAKES_NOTHING.has(op) ? value : filled(value);
  return JUMPS.has(op) ? snapped(given) : given;
}

/** Programs. */
export const programs: fc.Arbitrary<Program> = fc.record({
  leaves: fc.array(
    fc.record({
      shape: fc.constantFrom<Shape>([4, 5], [5], [3, 1], [4, 4], [2, 3, 4], [17], [1], [13, 3], []),
      view: fc.oneof(
        { arbitrary: fc.constant<ViewName>("plain"), weight: 2 },
        { arbitrary: fc.constantFrom(...Object.keys(VIEWS) as ViewName[]), weight: 1 },
      ),
    }),
    { minLength: 2, maxLength: 4 },
  ),
  fill: fc.constantFrom<Fill>("integers", "integers", "floats"),
  seed: fc.nat(),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom(...Object.keys(STEPS)),
      a: fc.nat({ max: 5 }),
      b: fc.nat({ max: 30 }),
      choice: fc.nat({ max: 30 }),
    }),
    { minLength: 5, maxLength: 40, size: "max" },
  ),
  gradients: fc.boolean(),
  updates: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 4 }),
});

/** The leaves of a program. */
export function leavesOf({ leaves, fill, seed }: Program): Input[] {
  return leaves.map(({ shape, view }, i) => ({ shape, dtype: "f32", fill, seed: seed + i, view }));
}

/** What a program computes. */
export interface Built {
  /** What no later op took, a few that were taken, and gradients. */
  readonly results: readonly Tensor[];
  /** For each update of a state its value. */
  readonly updates: readonly Tensor[];
}

/** Builds a program's graph on its leaves; `made` is called with every value as soon as it is described. */
export function build(
  { steps, gradients, updates, fill }: Program,
  leaves: readonly Tensor[],
  made: (x: Tensor, i: number) => void = () => {},
): Built {
  const values: Value[] = leaves.map((x) => ({ x, most: 4, rounded: fill === "floats" }));
  const taken = new Set<Tensor>();
  steps.forEach(({ op, a: back, b: at, choice }, i) => {
    // The first operand is one of the latest values, so that programs are deep; the second is any.
    const first = values[Math.max(0, values.length - 1 - back)]!;
    const second = values[at % values.length]!;
    const [a, b] = [operandOf(op, first), operandOf(op, second)];
    const value = {
      ...bounded(STEPS[op]!(a, b, choice)),
      rounded: !WHOLE.has(op) && (ROUNDS.has(op) || a.rounded || b.rounded),
    };
    for (const { x } of [first, second]) taken.add(x);
    values.push(value);
    made(value.x, i);
  });
  // An op may give back its operand; a state that was read after its update would not be what the program computed.
  const computed = values.map(({ x }) => x).filter((x) => !leaves.includes(x));
  const results = computed.filter((x, i) => !taken.has(x) || i % 5 === 0);
  if (gradients) {
    const total = results.map((x) => x.sum()).reduce((a, b) => a.add(b));
    results.push(...fermi.gradients(total, leaves));
  }
  return {
    results: [...new Set(results)],
    // Clamped, so that a program that is repeated stays within its numbers.
    updates: updates.slice(0, leaves.length).map((at, i) =>
      reshaped(filled(values[at % values.length]!).x, leaves[i]!.shape).minimum(4).maximum(-4)
    ),
  };
}
