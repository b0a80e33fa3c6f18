/**
 * From items to dispatches, and from values to memory: which values share a buffer because they never live together, and
 * which are written straight into a state.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import { assign, type Assignment } from "./assign.ts";
import { groupDispatches, sinkOf } from "./fused.ts";
import { type Group, groupOf, type Item, resultsOf, schedule, viewsOf } from "./fuse.ts";
import type { Abilities } from "./kernels/variants.ts";
import type { Candidate, Emitter, GpuKernels, KernelContext } from "./kernels/types.ts";
import { copyStep, type DispatchStep, type Program, type Step } from "./lower.ts";
import { recompute } from "./recompute.ts";
import { type Dispatch, windowCount } from "./shader.ts";
import { isContiguous, isWhole, type PlanValue, sizeOfView, type View } from "./values.ts";

/** What the adapter can do. */
export interface Limits {
  /** The largest binding, a multiple of 4096. */
  readonly windowBytes: number;
  readonly maxBindings: number;
  /** The most workgroups along an axis of the grid. */
  readonly maxGroups: number;
  /** Bytes behind every array that belong to nothing, for tests that watch them. */
  readonly band: number;
  /** How many invocations keep it busy. */
  readonly parallelism: number;
  /** Up to how many elements a matrix is packed rather than read where it lies. */
  readonly copyBelow: number;
  /** What kernels may use of it. */
  readonly abilities: Abilities;
  /** The products whose lanes share what they load; null where each lane works on its own. */
  readonly gpu: GpuKernels | null;
  /** Gives the name of a candidate; without it, or an answer, kernels go by their guess. */
  readonly choose?: (question: Question) => string | undefined;
}

/** A choice that a kernel has. */
export interface Question {
  readonly family: string;
  readonly candidates: readonly Candidate[];
  readonly guess: Candidate;
  /** The op that asks, or the element-wise ops of a kernel. */
  readonly item: Item;
}

/** A plan without its memory. */
export interface Compiled extends Assignment {
  readonly dispatches: readonly Dispatch[];
  /** The value whose memory is the plan's scalars. */
  readonly scalars: PlanValue;
  readonly outputs: Program["outputs"];
  /** Updates that could not be written in place. */
  readonly copies: readonly { readonly from: PlanValue; readonly to: GPUBuffer }[];
}

/** Compiles a program. */
export function compile(program: Program, limits: Limits): Compiled {
  const items = recompute(schedule(program, limits), program);
  const copies = writeInPlace(program, items);
  const scalars: PlanValue = { dtype: "u32", length: 4, label: "scalars", home: { kind: "scalars" } };
  const dispatches: Dispatch[] = [];
  for (const item of items) {
    if (item.kind === "dispatch") emitStep(item, null, scalars, limits, dispatches);
    else if (item.head) emitHeaded(item.head, item, scalars, limits, dispatches);
    else emitGroup(item, scalars, limits, dispatches);
  }
  const busy = dispatches.filter((dispatch) => dispatch.invocations > 0);
  for (const dispatch of busy) checkBindings(dispatch, limits);
  const kept = new Set([...program.outputs.map(({ value }) => value), ...copies.map(({ from }) => from)]);
  return { dispatches: busy, ...assign(busy, kept, limits.band), scalars, outputs: program.outputs, copies };
}

/** Lets an update be written into its state where no later item reads the old value; the rest is copied at the end. */
function writeInPlace(program: Program, items: readonly Item[]): { from: PlanValue; to: GPUBuffer }[] {
  const maker = new Map<PlanValue, number>();
  const lastReader = new Map<GPUBuffer, number>();
  items.forEach((item, position) => {
    for (const value of resultsOf(item)) maker.set(value, position);
    for (const { value: { home } } of viewsOf(item)) {
      if (home.kind === "state") lastReader.set(home.buffer, position);
    }
  });
  return program.updates.flatMap(({ buffer, value }) => {
    const position = maker.get(value)!;
    const last = lastReader.get(buffer) ?? -1;
    const safe = last < position || (last === position && readsElementwise(items[position]!, buffer));
    if (!safe || value.home.kind !== "workspace") return [{ from: value, to: buffer }];
    value.home = { kind: "state", buffer };
    return [];
  });
}

/** Whether the item, which writes the state, reads of its old value only the element that it overwrites. */
function readsElementwise(item: Item, buffer: GPUBuffer): boolean {
  if (item.kind !== "group" || item.head !== null) return false;
  return item.steps.every((step) =>
    step.inputs.every((view) => {
      const { home } = view.value;
      return home.kind !== "state" || home.buffer !== buffer ||
        (isWhole(view) && step.kernel.kind === "elementwise");
    })
  );
}

function emitGroup(group: Group, scalars: PlanValue, limits: Limits, dispatches: Dispatch[]): void {
  const names = namesOf(group.steps);
  for (const dispatch of groupDispatches(group, scalars, { ...limits, choose: chooser(group, limits) })) {
    dispatches.push({ ...names, ...dispatch });
  }
}

/** Answers what the kernel of an item asks. */
function chooser(item: Item, limits: Limits): Emitter["choose"] {
  return (family, candidates, guess) => {
    const chosen = limits.choose?.({ family, candidates, guess, item });
    return candidates.find(({ name }) => name === chosen) ?? guess;
  };
}

/** What the dispatches of some steps are called. */
function namesOf(steps: readonly Step[]): { readonly label: string; readonly layers: readonly string[] } {
  const outputs = steps.map((step) => step.kind === "dispatch" ? step.outputs[0]! : step.output);
  return {
    label: [...new Set(steps.map(({ label }) => label))].join("+"),
    layers: outputs.flatMap(({ layers = [] }) => layers),
  };
}

/** Emits a kernel with the group behind it, or one after the other where both want more bindings than there are. */
function emitHeaded(
  head: DispatchStep,
  group: Group,
  scalars: PlanValue,
  limits: Limits,
  dispatches: Dispatch[],
): void {
  const fused: Dispatch[] = [];
  emitStep(head, group, scalars, limits, fused);
  if (fused.every((dispatch) => bindingsOf(dispatch, limits) <= limits.maxBindings)) {
    dispatches.push(...fused);
    return;
  }
  emitStep(head, null, scalars, limits, dispatches);
  emitGroup({ ...group, head: null }, scalars, limits, dispatches);
}

function bindingsOf({ bindings }: Dispatch, { windowBytes }: Limits): number {
  return bindings.reduce((sum, binding) => sum + windowCount(binding, windowBytes), 0);
}

function checkBindings(dispatch: Dispatch, limits: Limits): void {
  const wanted = bindingsOf(dispatch, limits);
  if (wanted <= limits.maxBindings) return;
  throw new RangeError(
    `${dispatch.label}: the arrays span ${wanted} bindings of ${limits.windowBytes} bytes, ` +
      `and this adapter lets a kernel have ${limits.maxBindings}`,
  );
}

function emitStep(
  step: DispatchStep,
  group: Group | null,
  scalars: PlanValue,
  limits: Limits,
  dispatches: Dispatch[],
): void {
  const names = namesOf([step, ...group?.steps ?? []]);
  let stored: ReturnType<typeof sinkOf> | undefined;
  const context: KernelContext<never> = {
    attributes: step.attributes,
    inputs: step.inputs,
    outputs: step.outputs,
    shapes: step.shapes,
    parallelism: limits.parallelism,
    copyBelow: limits.copyBelow,
    abilities: limits.abilities,
    gpu: limits.gpu,
    choose: chooser(step, limits),
    temporary: (dtype: DType, length: number) => ({
      ...names,
      dtype,
      length,
      scratch: true,
      home: { kind: "workspace" },
    }),
    contiguous(view: View): PlanValue {
      if (isWhole(view) || (view.offset === 0 && isContiguous(view))) return view.value;
      const copy = context.temporary(view.value.dtype, sizeOfView(view));
      emitGroup(groupOf(copyStep(view, copy), [copy]), scalars, limits, dispatches);
      return copy;
    },
    sink(width, known) {
      stored = sinkOf(step.outputs[0]!, group, scalars, width ?? 1, known);
      return stored.sink;
    },
    dispatch(dispatch) {
      const stores = stored?.sink.bindings.every((binding) => dispatch.bindings.includes(binding));
      dispatches.push({ ...names, ...dispatch, body: (stores ? stored!.start : "") + dispatch.body });
    },
  };
  step.kernel.emit(context);
  const last = dispatches.at(-1);
  if (group && last) last.flops = (last.flops ?? 0) + group.steps.length * group.length;
}
