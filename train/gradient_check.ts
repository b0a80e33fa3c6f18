/**
 * The gradients of a whole network: the loss against its central differences, for some elements of each parameter, and
 * along a direction in which all of them move.
 *
 * @module
 */

import { differences, type GradientCheck } from "../debug/differences.ts";
import { type Module, Sequential } from "../nn/mod.ts";
import type { Shape, Tensor } from "../tensor/mod.ts";
import { show } from "../tensor/shape.ts";

/** A slope of the loss: errors are relative to the parameter's largest gradient where that is larger. */
export interface GradientEvent extends Omit<GradientCheck, "index" | "at"> {
  /** Which event this is. */
  readonly event: "gradient";
  /** The name of the parameter that was moved. */
  readonly parameter: string;
  /** Its extents. */
  readonly shape: Shape;
  /** The element that was moved, an index along each axis; null where all were, along a direction. */
  readonly element: readonly number[] | null;
  /** Whether they agree. */
  readonly agrees: boolean;
}

/** What is checked. */
export interface NetworkCheck {
  /** The network, on a CPU device with f64. */
  readonly model: Module;
  /** Makes the loss, the same each time: dropout has a key. */
  readonly loss: () => Tensor;
  /** Elements of each parameter, besides the one with the largest gradient. */
  readonly limit: number;
  /** Directions for each parameter, default 1. */
  readonly directions?: number;
  /** Elements and directions are drawn from it. */
  readonly seed: number;
}

/**
 * The largest error that agrees. The loss is off by some 1e-15, which a step of 1e-5 makes 1e-10 of a slope; a rule that is
 * wrong is wrong in its first digits.
 */
export const GRADIENT_TOLERANCE = 1e-6;
/** Where the first step straddles a kink, the smaller ones pass it. */
const STEPS = [1e-5, 1e-6, 1e-7];

/** Checks one slope after the other, parameters in the order of the layers. */
export async function* networkGradients(
  { model, loss, limit, directions = 1, seed }: NetworkCheck,
): AsyncGenerator<GradientEvent, void, void> {
  const parameters = [...model.parameters()];
  const options = {
    steps: STEPS,
    tolerance: GRADIENT_TOLERANCE,
    limit,
    directions,
    seed,
    floor: "gradient",
  } as const;
  const states = parameters.map(([, state]) => state);
  for await (const { argument, at, index: _, ...slopes } of differences<Tensor[]>(loss, states, options)) {
    const [parameter, { shape }] = parameters[argument]!;
    const agrees = slopes.error <= GRADIENT_TOLERANCE;
    yield { event: "gradient", parameter, shape, element: at, ...slopes, agrees };
  }
}

/** How many slopes are checked, at most: the element with the largest gradient may be one of the others. */
export function countSlopes({ model, limit, directions = 1 }: NetworkCheck): number {
  return [...model.parameters().values()].reduce(
    (sum, { size }) => sum + Math.min(size, limit + 1) + directions,
    0,
  );
}

/** The worst of several slopes. */
export function worstOf(slopes: readonly GradientEvent[]): GradientEvent {
  // A NaN is the worst of all.
  return slopes.reduce((worst, each) => each.error <= worst.error ? worst : each);
}

/** One sentence about slopes that do not agree: the worst, and which layers the mistake must be in. */
export function wrongGradients(model: Module, slopes: readonly GradientEvent[]): string {
  const wrong = slopes.filter(({ agrees }) => !agrees);
  // An element says more than all of them.
  const elements = wrong.filter(({ element }) => element !== null);
  const worst = worstOf(elements.length > 0 ? elements : wrong);
  const { parameter, shape, element, analytic, numeric, error } = worst;
  const where = element === null ? `moved as a whole, ${show(shape)}` : `element ${show(element)}`;
  const names = [...new Set(wrong.map((each) => each.parameter))];
  return `${wrong.length} of ${slopes.length} gradients are wrong, worst that of ${parameter}, ${where}: ` +
    `it is ${analytic}, the central difference ${numeric} (error ${error.toExponential(2)}, tolerance ` +
    `${GRADIENT_TOLERANCE.toExponential()}); wrong in ${names.join(", ")}${suspects(model, names)}`;
}

/**
 * A gradient goes through the layers from the last to the first. So the mistake is where it was wrong first: in the last
 * layer with a wrong one, or behind that, up to the next layer whose parameters are right.
 */
function suspects(model: Module, wrong: readonly string[]): string {
  if (!(model instanceof Sequential)) return "";
  const layerOf = (parameter: string) => parameter.slice(0, parameter.lastIndexOf("."));
  const layers = [...model.layers.keys()];
  const learning = new Set([...model.parameters().keys()].map(layerOf));
  const last = Math.max(...wrong.map((name) => layers.indexOf(layerOf(name))));
  const next = layers.findIndex((name, i) => i > last && learning.has(name));
  const between = layers.slice(last, next < 0 ? undefined : next + 1);
  return `: look at ${[...between, ...next < 0 ? ["the loss"] : []].join(", ")}`;
}
