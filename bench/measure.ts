/**
 * How long one evaluation of a workload takes. A sample is as many evaluations as make it last, queued one behind the
 * other, and waited for once at its end: waiting costs nothing then, nor does reading back, since results stay on the
 * device.
 *
 * @module
 */

import { Bench } from "tinybench";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { type Device, Parameter, type Tensor, zeros } from "../mod.ts";
import { type Describe, Scope, type Workload } from "./workload.ts";

/** What one measurement gave. */
export interface Timing {
  /** Milliseconds of one evaluation: the median of the samples, the shortest and the longest. */
  readonly ms: number;
  readonly shortest: number;
  readonly longest: number;
  /** How many samples there were, how many evaluations each had, and how many copies of the workload an evaluation. */
  readonly samples: number;
  readonly evaluations: number;
  readonly copies: number;
}

/** How long to measure. */
export interface Effort {
  /** The least that a sample lasts, in ms. */
  readonly sample: number;
  readonly samples: number;
}

/** All samples of a workload together take about so many ms at most: slow ones get fewer. */
const PATIENCE = 4000;
/** Results of copies take no more memory than this. */
const MOST_RESULT_BYTES = 1 << 28;
const MOST_COPIES = 16;
/** An evaluation should keep the device busy for so many ms, so that the host's part is hidden behind it. */
const WORTHWHILE = 2;

/** How many copies of a workload an evaluation gets, when the device takes at least `bound` ms for one. */
export function copiesOf({ resultBytes }: Workload, bound: number): number {
  if (resultBytes === 0) return 1;
  const wanted = Math.min(MOST_COPIES, Math.ceil(WORTHWHILE / bound));
  return Math.max(1, Math.min(wanted, Math.floor(MOST_RESULT_BYTES / resultBytes)));
}

/** Measures a workload. */
export async function measure(
  workload: Workload,
  device: Device,
  { sample, samples }: Effort,
  copies: number,
): Promise<Timing> {
  const scope = new Scope(device);
  try {
    const evaluate = inPlace(await workload.prepare(scope), copies, scope);
    const run = (evaluations: number) => timeOf(evaluate, evaluations, device);
    // The first one builds shaders and plan, or lets the host's compiler see the loops.
    let last = await run(1);
    let evaluations = 1;
    if (device.name !== "cpu" || last < PATIENCE) last = await run(1);
    while (last < sample) {
      evaluations = Math.ceil(evaluations * Math.min(10, 1.2 * sample / last));
      last = await run(evaluations);
    }
    const bench = new Bench({
      iterations: Math.max(1, Math.min(samples, Math.floor(PATIENCE / last))),
      time: 0,
      warmup: false,
      throws: true,
    });
    const perEvaluation = async () => ({ overriddenDuration: await run(evaluations) / evaluations / copies });
    bench.add(workload.name, perEvaluation, { async: true });
    const [task] = await bench.run();
    const { result } = task!;
    if (result.state !== "completed") throw new Error(`${workload.name}: the measurement ${result.state}`);
    const { p50: ms, min: shortest, max: longest, samplesCount } = result.latency;
    return { ms, shortest, longest, samples: samplesCount, evaluations, copies };
  } finally {
    scope.dispose();
  }
}

/**
 * One evaluation of some copies, each with results of its own: an update is written where it stays, so nothing is copied,
 * and as nobody reads it, nothing is waited for.
 */
function inPlace(describe: Describe, copies: number, scope: Scope): () => Promise<void> {
  const makeResult = ({ shape, dtype }: Tensor) =>
    scope.keep(new Parameter(zeros(shape, { dtype, device: scope.device })));
  const results: Parameter[][] = [];
  return () => {
    for (let copy = 0; copy < copies; copy++) {
      const tensors = describe();
      results[copy] ??= tensors.map(makeResult);
      tensors.forEach((tensor, i) => results[copy]![i]!.assign(tensor));
    }
    return scope.device.evaluate([], false);
  };
}

/** Milliseconds from the first evaluation's description to the end of the last. */
async function timeOf(evaluate: () => Promise<void>, evaluations: number, device: Device): Promise<number> {
  const began = performance.now();
  const all = Array.from({ length: evaluations }, evaluate);
  const ended = await finished(device);
  await Promise.all(all);
  return ended - began;
}

/** When the device had done all that was submitted. */
function finished({ name, backend }: Device): Promise<number> {
  return name === "cpu" ? Promise.resolve(performance.now()) : queueDone((backend as WebGpuBackend).device);
}

/** When the queue of a GPU was empty. Deno waits in the call, and settles the promise 11 ms after that. */
export async function queueDone(gpu: GPUDevice): Promise<number> {
  const done = gpu.queue.onSubmittedWorkDone();
  const returned = performance.now();
  await done;
  return "Deno" in globalThis ? returned : performance.now();
}
