/**
 * Steps of training whose every op is compared with the CPU backend, as a table: one row a layer and a parameter.
 *
 * @module
 */

import { batches, shuffledOrder } from "../data/mod.ts";
import { compareOps, type Comparison, describeOp, type OpComparison } from "../debug/compare.ts";
import { layerOf, nameOf, nameOfAll } from "../debug/describe.ts";
import { recordProvenance } from "../debug/record.ts";
import { foldIn, type Shape, type Tensor } from "../tensor/mod.ts";
import type { TrainOptions, TrainResult } from "./loop.ts";
import { TrainingStep } from "./step.ts";

/** What of a step a row is about. */
export type ComparedPart = "output" | "input gradient" | "gradient" | "velocity" | "weight";

/** A tensor of the step, and the ops that made it from the rows before. */
export interface ComparedTensor {
  /** The layer or the parameter. */
  readonly name: string;
  /** What of it. */
  readonly part: ComparedPart;
  /** Its extents. */
  readonly shape: Shape;
  /** The largest absolute value. */
  readonly largest: number;
  /** The largest difference from the CPU's own step, in units in the last place of `largest`; null for Infinity. */
  readonly ulps: number | null;
  /** The largest error of an op as a fraction of its bound; null for Infinity, which JSON does not have. */
  readonly worst: number | null;
}

/** An op that leaves its bound, or several that do when they are fused. */
export interface ComparedFailure {
  /** The op, or `conv2d+add+relu`. */
  readonly op: string;
  /** Whether it is one that is wrong only as part of a fused kernel. */
  readonly fused: boolean;
  /** The op whose gradient it is, or null. */
  readonly gradientOf: string | null;
  /** The layer, or the parameter that is updated. */
  readonly layer: string | null;
  /** The source lines, innermost first. */
  readonly lines: readonly string[];
  /** All of it in a sentence. */
  readonly message: string;
}

/** A step was compared. */
export interface CompareEvent {
  /** Which event this is. */
  readonly event: "compare";
  /** From 1. */
  readonly step: number;
  /** The mean cross-entropy of the batch, before the update; null where it is not finite. */
  readonly loss: number | null;
  /** How many ops were compared. */
  readonly ops: number;
  /** How far the closest of them comes to its bound; of a right step at most 1. */
  readonly worst: number | null;
  /** Which one that is, and of which layer or parameter. */
  readonly worstOp: string;
  /**
   * The largest difference between the loss, velocities and weights as they are trained, by fused kernels, and op by op, in
   * units in the last place.
   */
  readonly fused: number | null;
  /** How many groups of fused ops had other numbers than the ops on their own, and were held to a bound of theirs. */
  readonly fusedApart: number;
  /** The first op beyond its bound, or else the first group of fused ones; null where there is none. */
  readonly failure: ComparedFailure | null;
  /** The table. */
  readonly tensors: readonly ComparedTensor[];
  /** How long it took. */
  readonly seconds: number;
}

/**
 * Trains as `train` does, and compares every op of every step; the weights go on with the device's own numbers. Nothing is
 * measured.
 *
 * @throws {Error} after the last step, when an op left its bound; the sentence names the first.
 */
export async function compareSteps(options: TrainOptions): Promise<TrainResult> {
  const { dataset, batch, steps, schedule, stepKey, shuffleKey, optimiser, signal, report } = options;
  const training = new TrainingStep({ ...options, shape: dataset.shape });
  let [step, failure]: [number, string | null] = [0, null];
  try {
    await stepKey.data();
    await training.prepare();
    for (let epoch = 1; step < steps && !signal?.aborted; epoch++) {
      const order = await shuffledOrder(shuffleKey, epoch, dataset.train.count);
      for await (
        const { images, labels } of batches(dataset.train, dataset.shape, { batch, order, last: "drop" })
      ) {
        if (step === steps || signal?.aborted) break;
        const began = performance.now();
        const lr = schedule.rate(step, steps);
        const key = foldIn(stepKey, ++step);
        const graph = recordProvenance(() => training.describe(images, labels, lr, key));
        const contents = (states: readonly Tensor[]) => states.map((state) => state.snapshot());
        const [weights, velocities] = [contents(optimiser.parameters), contents(optimiser.velocities)];
        const found = await compareOps([graph.loss, graph.correct, ...velocities, ...weights]);
        const named = optimiser.parameters.flatMap(({ name }, i): Target[] => [
          { name, part: "gradient", tensor: graph.gradients[i]! },
          { name, part: "velocity", tensor: velocities[i]! },
          { name, part: "weight", tensor: weights[i]! },
        ]);
        const seconds = (performance.now() - began) / 1000;
        const event = eventOf(step, await graph.loss.item(), found, named, seconds);
        void report(event);
        if (event.failure) failure ??= `step ${step}: ${event.failure.message}`;
      }
    }
  } finally {
    training.dispose();
  }
  if (failure !== null) throw new Error(failure);
  return { steps: step, evaluation: null, interrupted: step < steps };
}

function eventOf(
  step: number,
  loss: number,
  { ops, fused, first }: Comparison,
  named: readonly Target[],
  seconds: number,
): CompareEvent {
  const closest = ops.reduce((a, b) => b.worst > a.worst ? b : a);
  return {
    event: "compare",
    step,
    loss: orNull(loss),
    ops: ops.length,
    worst: orNull(closest.worst),
    worstOp: [nameOf(closest.node), layerOf(closest.node)].filter(Boolean).join(" of "),
    fused: orNull(ops.flatMap(({ outputs }) => outputs).reduce((a, { fused }) => Math.max(a, fused), 0)),
    fusedApart: fused.length,
    failure: first && failureOf(first),
    tensors: rowsOf(withFused(ops, fused), named),
    seconds,
  };
}

const orNull = (value: number) => Number.isFinite(value) ? value : null;

/** Ops with the errors of the fused kernels that their results came from: a row has the worse of the two. */
function withFused(ops: readonly OpComparison[], fused: readonly OpComparison[]): OpComparison[] {
  const worstOf = new Map(
    fused.flatMap(({ outputs }) => outputs.map(({ tensor, worst }) => [tensor, worst] as const)),
  );
  return ops.map((op) => ({
    ...op,
    worst: Math.max(op.worst, ...op.node.outputs.map((output) => worstOf.get(output) ?? 0)),
  }));
}

function failureOf(op: OpComparison): ComparedFailure {
  const { node, fused } = op;
  return {
    op: fused === null ? node.op.name : nameOfAll(fused),
    fused: fused !== null,
    gradientOf: node.made?.role === "gradient" ? node.made.of!.op.name : null,
    layer: layerOf(node),
    lines: node.made?.lines ?? [],
    message: describeOp(op),
  };
}

/** A tensor that gets a row. */
interface Target {
  readonly name: string;
  readonly part: ComparedPart;
  readonly tensor: Tensor;
}

const PARTS: readonly ComparedPart[] = ["output", "input gradient", "gradient", "velocity", "weight"];

/** The rows: each op is counted to the first of the targets that depend on it. */
function rowsOf(ops: readonly OpComparison[], named: readonly Target[]): ComparedTensor[] {
  const place = new Map(ops.flatMap(({ node }, i) => node.outputs.map((output) => [output, i] as const)));
  const targets = new Map<Tensor, Target>();
  for (const target of [...named, ...layerTargets(ops, named)]) {
    if (place.has(target.tensor) && !targets.has(target.tensor)) targets.set(target.tensor, target);
  }
  const nearest = new Map<Tensor, Tensor>();
  const worst = new Map<Tensor, number>();
  for (const { node, worst: own } of [...ops].reverse()) {
    const found = node.outputs.flatMap((output) => targets.has(output) ? output : nearest.get(output) ?? []);
    if (found.length === 0) continue;
    const target = found.reduce((a, b) => place.get(b)! < place.get(a)! ? b : a);
    worst.set(target, Math.max(worst.get(target) ?? 0, own));
    for (const input of node.inputs) {
      const other = nearest.get(input);
      if (other === undefined || place.get(target)! < place.get(other)!) nearest.set(input, target);
    }
  }
  const rows = ops.flatMap(({ outputs }) =>
    outputs.flatMap(({ tensor, shape, largest, endToEnd }): ComparedTensor[] => {
      const target = targets.get(tensor);
      if (!target) return [];
      const { name, part } = target;
      return [{ name, part, shape, largest, ulps: orNull(endToEnd), worst: orNull(worst.get(tensor) ?? 0) }];
    })
  );
  return PARTS.flatMap((part) => rows.filter((row) => row.part === part));
}

/** Of each layer its output, and the gradient that it passes on to the layer before. */
function layerTargets(ops: readonly OpComparison[], named: readonly Target[]): Target[] {
  const parameters = new Set(named.map(({ name }) => name));
  const isGradient = ({ node }: OpComparison) => node.made?.role === "gradient";
  const readers = new Map<Tensor, OpComparison[]>();
  for (const op of ops) {
    for (const input of op.node.inputs) readers.set(input, [...readers.get(input) ?? [], op]);
  }
  const found = new Map<string, Target>();
  for (const op of ops) {
    const name = layerOf(op.node);
    if (name === null || parameters.has(name)) continue;
    const tensor = op.node.outputs[0]!;
    const passedOn = (readers.get(tensor) ?? []).some((reader) =>
      isGradient(reader) && layerOf(reader.node) !== name
    );
    // The last one stays: operands come first.
    if (!isGradient(op)) found.set(`output ${name}`, { name, part: "output", tensor });
    else if (passedOn) found.set(`gradient ${name}`, { name, part: "input gradient", tensor });
  }
  return [...found.values()];
}
