/**
 * Cross-entropy and its gradient for GPUs: a workgroup has a row, whose lanes read neighbours and put together what they have
 * in the workgroup's memory, as a tree: the same bits every time.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { onCores } from "../cores.ts";
import { elementOf, readOf, writeOf } from "../shader.ts";
import { LANES } from "./shapes.ts";
import type { KernelContext } from "./types.ts";

type Context = KernelContext<NoAttributes>;

/** Declares a function from what each lane has to what they have together. */
const together = (name: string, combined: (a: string, b: string) => string) => `
fn ${name}(lane: u32, own: f32) -> f32 {
  numbers[lane] = own;
  for (var half = ${LANES / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { numbers[lane] = ${combined("numbers[lane]", "numbers[lane + half]")}; }
  }
  workgroupBarrier();
  let all = numbers[0];
  // Before the memory is used again.
  workgroupBarrier();
  return all;
}`;
const MEMORY = `var<workgroup> numbers: array<f32, ${LANES}>;`;
const LARGEST = together("largest_of", (a, b) => `max(${a}, ${b})`);
const SUM = together("sum_of", (a, b) => `${a} + ${b}`);

/**
 * Code that knows `largest`, `sum`, of the exponentials below it, and `label` of `row`. The largest begins not with
 * -infinity, from which there is no distance.
 */
const ROW = `
  let row = number;
  let first = row * p.classes;
  var own = -3.4028234663852886e38;
  for (var c = lane; c < p.classes; c += ${LANES}u) { own = max(own, f32(logits(first + c))); }
  let largest = largest_of(lane, own);
  own = 0.0;
  for (var c = lane; c < p.classes; c += ${LANES}u) { own += exp(f32(logits(first + c)) - largest); }
  let sum = sum_of(lane, own);
  let label = labels(row);`;

/** What both kernels have: a workgroup for each row. */
function rowsOf(context: Context) {
  const [logits, labels] = context.inputs.map((view) => context.contiguous(view));
  const [batch, classes] = context.inputs[0]!.shape as readonly [number, number];
  return {
    batch,
    params: { batch, classes },
    bindings: [readOf("logits", logits!), readOf("labels", labels!, "i32")],
    functions: MEMORY + LARGEST + SUM,
    invocations: batch * LANES,
    workgroupSize: LANES,
    together: "workgroup",
  } as const;
}

/** Emits the loss. False: left to lanes on their own. */
export function sharedCrossEntropy(context: Context): boolean {
  if (onCores(context.parallelism)) return false;
  const { batch, ...rows } = rowsOf(context);
  const losses = context.temporary("f32", batch);
  context.dispatch({
    ...rows,
    bindings: [...rows.bindings, writeOf("losses", losses)],
    params: { ...rows.params, nan: 0x7fc00000 },
    body: `${ROW}
  if (lane == 0u) {
    var loss = bitcast<f32>(p.nan);
    if (label >= 0 && u32(label) < p.classes) {
      loss = log(sum) - (f32(logits(first + u32(label))) - largest);
    }
    set_losses(row, loss);
  }`,
  });
  const output = context.outputs[0]!;
  context.dispatch({
    bindings: [readOf("losses", losses), writeOf("loss", output)],
    params: { batch },
    functions: MEMORY + SUM,
    body: `
  var own = 0.0;
  for (var n = lane; n < p.batch; n += ${LANES}u) { own += losses(n); }
  let sum = sum_of(lane, own);
  if (lane == 0u) { set_loss(0u, ${elementOf(output)}(sum / f32(p.batch))); }`,
    invocations: LANES,
    workgroupSize: LANES,
    together: "workgroup",
  });
  return true;
}

/** Emits the gradient. False: left to lanes on their own. */
export function sharedCrossEntropyGradient(context: Context): boolean {
  if (onCores(context.parallelism)) return false;
  const cotangent = context.contiguous(context.inputs[2]!);
  const output = context.outputs[0]!;
  const { batch: _, ...rows } = rowsOf(context);
  context.dispatch({
    ...rows,
    bindings: [...rows.bindings, readOf("cotangent", cotangent), writeOf("gradient", output)],
    body: `${ROW}
  let factor = f32(cotangent(0u)) / f32(p.batch);
  for (var c = lane; c < p.classes; c += ${LANES}u) {
    let probability = exp(f32(logits(first + c)) - largest) / sum;
    set_gradient(first + c, ${elementOf(output)}((probability - select(0.0, 1.0, i32(c) == label)) * factor));
  }`,
  });
  return true;
}
