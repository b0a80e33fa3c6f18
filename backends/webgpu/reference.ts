/**
 * What a measured candidate is held to: the op's definition on the CPU backend. Most ops are too long for it as a whole, so
 * it computes the last few of their results, where the tiles at the edges are, from the parts of the operands that those
 * depend on.
 *
 * @module
 */

import { hostArray } from "../../tensor/dtype.ts";
import type { HostArray } from "../../tensor/mod.ts";
import { sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Library } from "./gear.ts";
import type { DispatchStep } from "./lower.ts";
import type { PlanValue, View } from "./values.ts";

/**
 * By op: names of the axes of its operands and results, `.` for those taken whole; what is before them is a batch of
 * products. An axis that no result has is summed over. Of ops that are not here all is computed.
 */
const AXES: Readonly<Record<string, readonly [operands: readonly string[], results: readonly string[]]>> = {
  matmul: [["mk", "kn"], ["mn"]],
  conv2d: [["nc..", "oc.."], ["no.."]],
  conv2dInputGradient: [["no..", "oc.."], ["nc.."]],
  conv2dWeightGradient: [["nc..", "no.."], ["oc.."]],
  conv2dParameterGradients: [["nc..", "no.."], ["oc..", "o"]],
  localResponseNorm: [["n..."], ["n..."]],
  localResponseNormGradient: [["n...", "n..."], ["n..."]],
  maxPool2dGradient: [["nc..", "nc.."], ["nc.."]],
  avgPool2dGradient: [["nc.."], ["nc.."]],
};
/** Results along an axis. */
const FEW = 2;

/** Some elements of a result. */
export interface Sampled {
  readonly data: HostArray;
  /** Where they are in the whole. */
  readonly places: Uint32Array;
}

/** The last results of a step whose operands have these numbers; of grouped convolutions the last group's. */
export async function reference(
  { op, attributes, inputs, shapes }: DispatchStep,
  numberOf: (value: PlanValue, i: number) => number,
  { apply, tensor, openCpu }: Library,
): Promise<Sampled[]> {
  const device = await openCpu();
  const { groups = 1, axes: reduced } = attributes as { groups?: number; axes?: readonly number[] };
  const axes = reduced ? axesOfReduction(inputs[0]!.shape.length, reduced) : AXES[op.name];
  const wholes: readonly Pick<View, "shape" | "strides" | "offset">[] = [
    ...inputs,
    ...shapes.map((shape) => ({ shape, strides: stridesOf(shape), offset: 0 })),
  ];
  const names = wholes.map(({ shape: { length } }, i) =>
    axes ? axes.flat()[i]!.padStart(length, "b") : ".".repeat(length)
  );
  const keep: Record<string, number> = {};
  names.forEach((letters, i) =>
    [...letters].forEach((name, axis) => {
      const extent = wholes[i]!.shape[axis]! / (name === "o" ? groups : 1);
      const few = names[inputs.length]!.includes(name) ? FEW : Infinity;
      // Where one has the channels of a group, and one those of all, it is the group's.
      keep[name] = Math.min(keep[name] ?? few, extent);
    })
  );
  const parts = wholes.map(({ shape }, i) =>
    shape.map((extent, axis) => names[i]![axis] === "." ? extent : keep[names[i]![axis]!]!)
  );
  const operands = inputs.map((view, i) => {
    const { dtype } = view.value;
    const data = hostArray(dtype, sizeOf(parts[i]!));
    placesOf(parts[i]!, view).forEach((place, k) => data[k] = numberOf(view.value, place));
    return tensor(data, { shape: parts[i]!, dtype, device });
  });
  const part: Record<string, unknown> = { ...attributes as object };
  // What is left is of one group, where channels of the output are chosen.
  if (names.join("").includes("o")) part["groups"] = 1;
  if ("shape" in part) part["shape"] = parts[inputs.length];
  const results = apply(op, operands, part as never);
  return await Promise.all(results.map(async (result, i) => ({
    data: await result.data(),
    places: placesOf(parts[inputs.length + i]!, wholes[inputs.length + i]!),
  })));
}

/** The same of a reduction: a letter for each axis that stays. */
function axesOfReduction(rank: number, reduced: readonly number[]): readonly [string[], string[]] {
  const operand = Array.from(
    { length: rank },
    (_, i) => reduced.includes(i) ? "." : String.fromCharCode(65 + i),
  );
  return [[operand.join("")], [operand.filter((name) => name !== ".").join("")]];
}

/** Where the last elements along each axis are, in order. */
function placesOf(
  part: readonly number[],
  { shape, strides, offset }: Pick<View, "shape" | "strides" | "offset">,
): Uint32Array {
  const start = part.reduce((at, kept, axis) => at + (shape[axis]! - kept) * strides[axis]!, offset);
  const places = new Uint32Array(sizeOf(part));
  for (let i = 0; i < places.length; i++) {
    let [at, rest] = [start, i];
    for (let axis = part.length - 1; axis >= 0; axis--) {
      at += rest % part[axis]! * strides[axis]!;
      rest = Math.floor(rest / part[axis]!);
    }
    places[i] = at;
  }
  return places;
}
