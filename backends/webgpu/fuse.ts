/**
 * Groups steps into items, one kernel each, and puts the items in order.
 *
 * An element-wise step joins the group of its readers when all of them are in that group and read it element by element:
 * then its value needs no memory. A group whose operand is the result of a convolution or a product, read by nobody
 * else, is computed where that kernel stores: that is how bias and ReLU disappear.
 *
 * @module
 */

import { postorder } from "../../tensor/graph.ts";
import type { DispatchStep, ElementwiseStep, Program, Step } from "./lower.ts";
import { byteLength, isWhole, type PlanValue, type View, viewKey } from "./values.ts";

/** Element-wise steps that become one kernel. */
export interface Group {
  readonly kind: "group";
  /** Operands first. */
  readonly steps: ElementwiseStep[];
  /** The kernel whose result the group takes over. */
  head: DispatchStep | null;
  /** The values that are needed outside. */
  readonly stores: PlanValue[];
  readonly length: number;
}

/** One kernel's worth of work. */
export type Item = Group | DispatchStep;

/** How many steps a kernel may have: drivers compile long ones in more than linear time. */
const MAX_STEPS = 64;

/** How many storage buffers a kernel may use, and how large a binding may be. */
export interface BindingLimits {
  readonly maxBindings: number;
  readonly windowBytes: number;
}

/** Fuses, and puts the items in the order of execution. */
export function schedule(program: Program, limits: BindingLimits): Item[] {
  const readers = readersOf(program.steps);
  const exported = new Set([...program.outputs, ...program.updates].map(({ value }) => value));
  const groups = new Map<ElementwiseStep, Group>();
  const items: Item[] = [];
  for (const step of [...program.steps].reverse()) {
    if (step.kind === "dispatch") {
      items.push(step);
      continue;
    }
    const joined = joinable(step, readers, groups, exported, limits);
    const group = joined ?? groupOf(step, []);
    if (joined) joined.steps.unshift(step);
    else items.push(group);
    groups.set(step, group);
    const outside = (readers.get(step.output) ?? []).some(({ step: reader }) =>
      groups.get(reader as ElementwiseStep) !== group
    );
    if (outside || exported.has(step.output)) group.stores.push(step.output);
  }
  const updated = new Set(program.updates.map(({ value }) => value));
  const makers = new Map(
    program.steps.flatMap((step) => step.kind === "dispatch" ? [[step.outputs[0]!, step]] : []),
  );
  const absorbed = new Set<Item>();
  for (const item of items) {
    if (item.kind === "dispatch") continue;
    item.head = findHead(item, readers, makers, exported, updated);
    if (item.head) absorbed.add(item.head);
  }
  return inOrder(items.filter((item) => !absorbed.has(item)), program);
}

interface Reader {
  readonly step: Step;
  readonly view: View;
}

function readersOf(steps: readonly Step[]): Map<PlanValue, Reader[]> {
  const readers = new Map<PlanValue, Reader[]>();
  for (const step of steps) {
    for (const view of step.inputs) {
      const list = readers.get(view.value) ?? [];
      list.push({ step, view });
      readers.set(view.value, list);
    }
  }
  return readers;
}

/** A group of one step. */
export function groupOf(step: ElementwiseStep, stores: PlanValue[]): Group {
  return { kind: "group", steps: [step], head: null, stores, length: step.output.length };
}

/** The one group that reads the step's value element by element, if there is no other reader and room for its operands. */
function joinable(
  step: ElementwiseStep,
  readers: Map<PlanValue, Reader[]>,
  groups: Map<ElementwiseStep, Group>,
  exported: Set<PlanValue>,
  limits: BindingLimits,
): Group | null {
  let group: Group | null = null;
  for (const { step: reader, view } of readers.get(step.output) ?? []) {
    const candidate = reader.kind === "elementwise" ? groups.get(reader)! : null;
    if (candidate === null || (group !== null && candidate !== group)) return null;
    if (
      !isWhole(view) || candidate.length !== step.output.length ||
      (reader as ElementwiseStep).kernel.kind === "indexed"
    ) return null;
    group = candidate;
  }
  if (group === null || group.steps.length >= MAX_STEPS) return null;
  const bound = boundBy([step, ...group.steps], limits) + group.stores.length +
    (exported.has(step.output) ? 1 : 0);
  return bound <= limits.maxBindings ? group : null;
}

/** How many bindings a value takes that is not worked through in parts. */
function windowsOf(value: PlanValue, { windowBytes }: BindingLimits): number {
  return Math.ceil(byteLength(value) / windowBytes);
}

/** How many bindings the operands of a group take. All scalars are in one buffer; a group of its own works in parts. */
function boundBy(steps: readonly ElementwiseStep[], limits: BindingLimits): number {
  const indexed = new Set(steps.flatMap(({ kernel, inputs }) => kernel.kind === "indexed" ? inputs : []));
  const views = externalViews(steps);
  const buffers = views.filter(({ value }) => value.home.kind !== "scalar");
  const count = (view: View) => isWhole(view) && !indexed.has(view) ? 1 : windowsOf(view.value, limits);
  return buffers.reduce((sum, view) => sum + count(view), buffers.length < views.length ? 1 : 0);
}

/** The views through which steps read what none of them computes, each once. */
export function externalViews(steps: readonly ElementwiseStep[]): View[] {
  const own = new Set(steps.map((step) => step.output));
  const views = new Map<string, View>();
  const ids = new Map<PlanValue, number>();
  for (const view of steps.flatMap((step) => step.inputs)) {
    if (own.has(view.value)) continue;
    if (!ids.has(view.value)) ids.set(view.value, ids.size);
    views.set(`${ids.get(view.value)}:${viewKey(view)}`, view);
  }
  return [...views.values()];
}

/** A convolution or product whose result only this group reads. */
function findHead(
  group: Group,
  readers: Map<PlanValue, Reader[]>,
  makers: Map<PlanValue, DispatchStep>,
  exported: Set<PlanValue>,
  updated: Set<PlanValue>,
): DispatchStep | null {
  // Bytes are stored four at a time, which a kernel that stores single elements cannot do; and an update in place has to
  // wait for all readers of the old value, while a gradient should be there as soon as it can.
  if (group.stores.some((value) => updated.has(value) || value.dtype === "u8" || value.dtype === "bool")) {
    return null;
  }
  const members = new Set<Step>(group.steps);
  for (const { value } of externalViews(group.steps)) {
    const head = makers.get(value);
    if (
      !head?.kernel.fuses || head.outputs.length > 1 || exported.has(value) || value.length !== group.length
    ) continue;
    const elementByElement = ({ step, view }: Reader) =>
      members.has(step) && isWhole(view) && step.kernel.kind === "elementwise";
    if (readers.get(value)!.every(elementByElement)) return head;
  }
  return null;
}

/**
 * Orders items so that operands come first, and an update comes after every reader of the state's old value and as soon
 * as it can: then a gradient lives no longer than it must and the update happens in place.
 */
function inOrder(items: readonly Item[], program: Program): Item[] {
  const makers = new Map<PlanValue, Item>();
  const stateReaders = new Map<GPUBuffer, Item[]>();
  for (const item of items) {
    for (const value of resultsOf(item)) makers.set(value, item);
    for (const { value: { home } } of viewsOf(item)) {
      if (home.kind === "state") {
        stateReaders.set(home.buffer, [...(stateReaders.get(home.buffer) ?? []), item]);
      }
    }
  }
  const made = (values: readonly PlanValue[]) => values.flatMap((value) => makers.get(value) ?? []);
  const roots = made(program.outputs.map(({ value }) => value));
  for (const { buffer, value } of [...program.updates].reverse()) {
    const update = makers.get(value);
    roots.push(
      ...(stateReaders.get(buffer) ?? []).filter((item) => item !== update),
      ...(update ? [update] : []),
    );
  }
  return postorder(
    roots,
    (item) => made(viewsOf(item).map(({ value }) => value)).filter((maker) => maker !== item),
  );
}

/** The values that an item makes. */
export function resultsOf(item: Item): readonly PlanValue[] {
  return item.kind === "group" ? item.stores : item.outputs;
}

/** Everything that an item reads. */
export function viewsOf(item: Item): readonly View[] {
  if (item.kind === "dispatch") return item.inputs;
  const views = externalViews(item.steps);
  return item.head
    ? [...views.filter(({ value }) => value !== item.head!.outputs[0]), ...item.head.inputs]
    : views;
}
