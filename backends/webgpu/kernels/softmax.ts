/**
 * Cross-entropy and its gradient, where the composition would take ten small kernels. Rows are few: on a GPU each is done in
 * parts.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { onCores } from "../cores.ts";
import { type Element, elementOf } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<NoAttributes>;

const read = (name: string, value: PlanValue, element: Element = elementOf(value)) =>
  ({ name, value, element, access: "read" }) as const;
const write = (name: string, value: PlanValue) =>
  ({ name, value, element: elementOf(value), access: "write" }) as const;

/** The fewest classes that are worth a part of their own, and the most parts of a row. */
const LEAST_CLASSES = 32;
const MOST_PARTS = 32;

/** Not -infinity, so that a part with nothing above it, exp(-infinity - largest) being 0 then, counts for nothing. */
const LOWEST = "-3.4028234663852886e38";

/** The largest logit among some, and the sum of the exponentials below it. */
const over = (first: string, step: string) => `
  let end = (row + 1u) * p.classes;
  var largest = ${LOWEST};
  for (var at = ${first}; at < end; at += ${step}) { largest = max(largest, f32(logits(at))); }
  var sum = 0.0;
  for (var at = ${first}; at < end; at += ${step}) { sum += exp(f32(logits(at)) - largest); }`;

/** The same of a row, from its parts. */
const FROM_PARTS = `
  var largest = ${LOWEST};
  for (var n = row * p.parts; n < (row + 1u) * p.parts; n++) { largest = max(largest, largests(n)); }
  var sum = 0.0;
  for (var n = row * p.parts; n < (row + 1u) * p.parts; n++) { sum += sums(n) * exp(largests(n) - largest); }`;

/** What both kernels start with: code that knows `largest`, `sum` and `label` of `row`. A GPU does rows in parts before. */
function emitRows(context: Context) {
  const [logits, labels] = context.inputs.map((view) => context.contiguous(view));
  const [batch, classes] = context.inputs[0]!.shape as readonly [number, number];
  const { parallelism } = context;
  const wanted = onCores(parallelism) ? 1 : Math.ceil(parallelism / Math.max(1, batch));
  const parts = Math.max(1, Math.min(wanted, Math.floor(classes / LEAST_CLASSES), MOST_PARTS));
  const params = { batch, classes, parts };
  const bindings = [read("logits", logits!), read("labels", labels!, "i32")];
  const label = "\n  let label = labels(row);";
  if (parts === 1) return { params, bindings, code: over("row * p.classes", "1u") + label };
  const [largests, sums] = [0, 1].map(() => context.temporary("f32", batch * parts)) as [
    PlanValue,
    PlanValue,
  ];
  context.dispatch({
    bindings: [read("logits", logits!), write("largests", largests), write("sums", sums)],
    params,
    // Neighbouring lanes read neighbours.
    body: `
  let row = i / p.parts;${over("row * p.classes + i % p.parts", "p.parts")}
  set_largests(i, largest);
  set_sums(i, sum);`,
    invocations: batch * parts,
  });
  return {
    params,
    bindings: [...bindings, read("largests", largests), read("sums", sums)],
    code: FROM_PARTS + label,
  };
}

function emitLoss(context: Context): void {
  const { params, bindings, code } = emitRows(context);
  const { batch } = params;
  const losses = context.temporary("f32", batch);
  context.dispatch({
    bindings: [...bindings, write("losses", losses)],
    params: { ...params, nan: 0x7fc00000 },
    body: `
  let row = i;${code}
  var loss = bitcast<f32>(p.nan);
  if (label >= 0 && u32(label) < p.classes) {
    loss = log(sum) - (f32(logits(row * p.classes + u32(label))) - largest);
  }
  set_losses(i, loss);`,
    invocations: batch,
  });
  const output = context.outputs[0]!;
  context.dispatch({
    bindings: [read("losses", losses), write("loss", output)],
    params: { batch },
    body: `
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) { sum += losses(n); }
  set_loss(0u, ${elementOf(output)}(sum / f32(p.batch)));`,
    invocations: 1,
  });
}

function emitGradient(context: Context): void {
  const cotangent = context.contiguous(context.inputs[2]!);
  const output = context.outputs[0]!;
  const { params, bindings, code } = emitRows(context);
  context.dispatch({
    bindings: [...bindings, read("cotangent", cotangent), write("gradient", output)],
    params,
    body: `
  let row = i / p.parts;${code}
  let factor = f32(cotangent(0u)) / f32(p.batch);
  for (var c = i % p.parts; c < p.classes; c += p.parts) {
    let at = row * p.classes + c;
    let probability = exp(f32(logits(at)) - largest) / sum;
    set_gradient(at, ${elementOf(output)}((probability - select(0.0, 1.0, i32(c) == label)) * factor));
  }`,
    invocations: params.batch * params.parts,
  });
}

/** The table of the family. */
export const softmaxKernels: KernelsOf<typeof import("../../../tensor/ops/softmax.ts")> = {
  crossEntropy: { kind: "dispatch", emit: emitLoss } as DispatchKernel<NoAttributes>,
  crossEntropyGradient: { kind: "dispatch", emit: emitGradient } as DispatchKernel<NoAttributes>,
};
