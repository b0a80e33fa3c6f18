/**
 * Cross-entropy and its gradient, where the composition would take ten small kernels. A lane has a row; on a GPU, for which
 * rows are few, a workgroup (`softmax_shared.ts`).
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { elementOf, readOf, writeOf } from "../shader.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<NoAttributes>;

/** Code that knows `largest`, `sum`, of the exponentials below it, and `label` of `row`. The largest begins not with -infinity,
 * from which there is no distance. */
const ROW = `
  let end = (row + 1u) * p.classes;
  var largest = -3.4028234663852886e38;
  for (var at = row * p.classes; at < end; at += 1u) { largest = max(largest, f32(logits(at))); }
  var sum = 0.0;
  for (var at = row * p.classes; at < end; at += 1u) { sum += exp(f32(logits(at)) - largest); }
  let label = labels(row);`;

/** What both kernels start with. */
function rowsOf(context: Context) {
  const [logits, labels] = context.inputs.map((view) => context.contiguous(view));
  const [batch, classes] = context.inputs[0]!.shape as readonly [number, number];
  return {
    params: { batch, classes },
    bindings: [readOf("logits", logits!), readOf("labels", labels!, "i32")],
  };
}

function emitLoss(context: Context): void {
  if (context.gpu?.sharedCrossEntropy(context)) return;
  const { params, bindings } = rowsOf(context);
  const { batch } = params;
  const losses = context.temporary("f32", batch);
  context.dispatch({
    bindings: [...bindings, writeOf("losses", losses)],
    params: { ...params, nan: 0x7fc00000 },
    body: `
  let row = i;${ROW}
  var loss = bitcast<f32>(p.nan);
  if (label >= 0 && u32(label) < p.classes) {
    loss = log(sum) - (f32(logits(row * p.classes + u32(label))) - largest);
  }
  set_losses(i, loss);`,
    invocations: batch,
  });
  const output = context.outputs[0]!;
  context.dispatch({
    bindings: [readOf("losses", losses), writeOf("loss", output)],
    params: { batch },
    body: `
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) { sum += losses(n); }
  set_loss(0u, ${elementOf(output)}(sum / f32(p.batch)));`,
    invocations: 1,
  });
}

function emitGradient(context: Context): void {
  if (context.gpu?.sharedCrossEntropyGradient(context)) return;
  const cotangent = context.contiguous(context.inputs[2]!);
  const output = context.outputs[0]!;
  const { params, bindings } = rowsOf(context);
  context.dispatch({
    bindings: [...bindings, readOf("cotangent", cotangent), writeOf("gradient", output)],
    params,
    body: `
  let row = i;${ROW}
  let factor = f32(cotangent(0u)) / f32(p.batch);
  for (var c = 0u; c < p.classes; c++) {
    let at = row * p.classes + c;
    let probability = exp(f32(logits(at)) - largest) / sum;
    set_gradient(at, ${elementOf(output)}((probability - select(0.0, 1.0, i32(c) == label)) * factor));
  }`,
    invocations: params.batch,
  });
}

/** The table of the family. */
export const softmaxKernels: KernelsOf<typeof import("../../../tensor/ops/softmax.ts")> = {
  crossEntropy: { kind: "dispatch", emit: emitLoss } as DispatchKernel<NoAttributes>,
  crossEntropyGradient: { kind: "dispatch", emit: emitGradient } as DispatchKernel<NoAttributes>,
};
