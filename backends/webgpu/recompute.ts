/**
 * Large values that cost little are computed again where they are needed next, instead of being kept all the while: the
 * normalised images of a batch, for the weight gradient of the first layer.
 *
 * @module
 */

import { externalViews, type Group, type Item, viewsOf } from "./fuse.ts";
import type { Program, Step } from "./lower.ts";
import { byteLength, type PlanValue } from "./values.ts";

/** Less is not worth a dispatch. */
const LEAST_BYTES = 1 << 20;
/** How many steps, none of them a gathering one, cost no more than the memory traffic beside them. */
const MOST_STEPS = 8;
/** For how many items a value is not needed before it is given up. */
const LEAST_GAP = 16;

/** Puts copies of cheap groups before readers that come late; the order of the items stays as it is. */
export function recompute(items: readonly Item[], program: Program): Item[] {
  const exported = new Set([...program.outputs, ...program.updates].map(({ value }) => value));
  const updated = new Map(program.updates.map(({ buffer, value }) => [buffer, value]));
  const readers = new Map<PlanValue, number[]>();
  const makers = new Map<PlanValue, number>();
  items.forEach((item, position) => {
    for (const value of valuesOf(item)) {
      readers.set(value, [...readers.get(value) ?? [], position]);
    }
    for (const value of item.kind === "group" ? item.stores : item.outputs) makers.set(value, position);
  });
  /** Whether it is there at that position without being kept for it: a leaf. No result of a step is one. */
  const isThere = ({ home }: PlanValue, position: number) =>
    home.kind === "state"
      ? (makers.get(updated.get(home.buffer)!) ?? Infinity) >= position
      : home.kind !== "workspace";

  const result: Item[] = [];
  const copies = new Map<PlanValue, PlanValue>();
  items.forEach((item, position) => {
    for (const value of valuesOf(item)) {
      const group = items[makers.get(value) ?? -1];
      if (group?.kind !== "group" || exported.has(value) || !isCheap(group)) continue;
      const own = readers.get(value)!;
      const before = own[own.indexOf(position) - 1] ?? makers.get(value)!;
      const operands = externalViews(group.steps).map((view) => view.value);
      if (position - before < LEAST_GAP || !operands.every((each) => isThere(each, position))) continue;
      result.push(copyOf(group, copies));
    }
    result.push(reading(item, copies));
  });
  return result;
}

/** What an item reads, each once. */
function valuesOf(item: Item): Set<PlanValue> {
  return new Set(viewsOf(item).map(({ value }) => value));
}

/** Whether computing it costs no more than reading it. */
function isCheap({ steps, stores }: Group): boolean {
  const bytes = byteLength(stores[0]!);
  const operands = externalViews(steps).filter(({ value }) => value.home.kind !== "scalar")
    .reduce((sum, { value }) => sum + byteLength(value), 0);
  return stores.length === 1 && bytes >= LEAST_BYTES && operands <= bytes && steps.length <= MOST_STEPS &&
    steps.every(({ kernel }) => kernel.kind === "elementwise");
}

/** The group with values of its own, which take the place of the old ones in `copies`. */
function copyOf(group: Group, copies: Map<PlanValue, PlanValue>): Group {
  for (const { output } of group.steps) copies.set(output, { ...output });
  const steps = group.steps.map((step) => ({ ...reading(step, copies), output: copies.get(step.output)! }));
  return { ...group, steps, stores: group.stores.map((value) => copies.get(value)!) };
}

/** The same with the values that it reads replaced by their latest copies. */
function reading<T extends Item | Step>(item: T, copies: ReadonlyMap<PlanValue, PlanValue>): T {
  if (copies.size === 0) return item;
  if (item.kind === "group") {
    const { steps, head } = item;
    return {
      ...item,
      steps: steps.map((step) => reading(step, copies)),
      head: head && reading(head, copies),
    };
  }
  return {
    ...item,
    inputs: item.inputs.map((view) => ({ ...view, value: copies.get(view.value) ?? view.value })),
  };
}
