/**
 * Cross-entropy and its gradient, a row an invocation: the composition would take ten small kernels.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import type { Element } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

const elementOf = (value: PlanValue): Element => value.dtype === "f16" ? "f16" : "f32";

/** The largest logit of the row and the sum of the exponentials below it. */
const ROW = `
  let row = i * p.classes;
  var largest = f32(logits(row));
  for (var c = 1u; c < p.classes; c++) { largest = max(largest, f32(logits(row + c))); }
  var sum = 0.0;
  for (var c = 0u; c < p.classes; c++) { sum += exp(f32(logits(row + c)) - largest); }
  let label = labels(i);`;

function emitLoss(context: KernelContext<NoAttributes>): void {
  const [logits, labels] = context.inputs.map((view) => context.contiguous(view));
  const [batch, classes] = context.inputs[0]!.shape as readonly [number, number];
  const losses = context.temporary("f32", batch);
  context.dispatch({
    bindings: [
      { name: "logits", value: logits!, element: elementOf(logits!), access: "read" },
      { name: "labels", value: labels!, element: "i32", access: "read" },
      { name: "losses", value: losses, element: "f32", access: "write" },
    ],
    params: { classes, nan: 0x7fc00000 },
    body: `${ROW}
  var loss = bitcast<f32>(p.nan);
  if (label >= 0 && u32(label) < p.classes) { loss = log(sum) - (f32(logits(row + u32(label))) - largest); }
  set_losses(i, loss);`,
    invocations: batch,
  });
  const output = context.outputs[0]!;
  context.dispatch({
    bindings: [
      { name: "losses", value: losses, element: "f32", access: "read" },
      { name: "loss", value: output, element: elementOf(output), access: "write" },
    ],
    params: { batch },
    body: `
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) { sum += losses(n); }
  set_loss(0u, ${elementOf(output)}(sum / f32(p.batch)));`,
    invocations: 1,
  });
}

function emitGradient(context: KernelContext<NoAttributes>): void {
  const [logits, labels, cotangent] = context.inputs.map((view) => context.contiguous(view));
  const [batch, classes] = context.inputs[0]!.shape as readonly [number, number];
  const output = context.outputs[0]!;
  context.dispatch({
    bindings: [
      { name: "logits", value: logits!, element: elementOf(logits!), access: "read" },
      { name: "labels", value: labels!, element: "i32", access: "read" },
      { name: "cotangent", value: cotangent!, element: elementOf(cotangent!), access: "read" },
      { name: "gradient", value: output, element: elementOf(output), access: "write" },
    ],
    params: { batch, classes },
    body: `${ROW}
  let factor = f32(cotangent(0u)) / f32(p.batch);
  for (var c = 0u; c < p.classes; c++) {
    let probability = exp(f32(logits(row + c)) - largest) / sum;
    set_gradient(row + c, ${elementOf(output)}((probability - select(0.0, 1.0, i32(c) == label)) * factor));
  }`,
    invocations: batch,
  });
}

/** The table of the family. */
export const softmaxKernels: KernelsOf<typeof import("../../../tensor/ops/softmax.ts")> = {
  crossEntropy: { kind: "dispatch", emit: emitLoss } as DispatchKernel<NoAttributes>,
  crossEntropyGradient: { kind: "dispatch", emit: emitGradient } as DispatchKernel<NoAttributes>,
};
