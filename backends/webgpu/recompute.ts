/**
 * Large values that cost little are computed again where they are needed next, instead of being kept all the while: the
 * normalised images of a batch, for the weight gradient of the first layer.
 *
 * @module
 */

import { externalViews, type Group, type Item, resultsOf, viewsOf } from "./fuse.ts";
import type { Program, Step } from "./lower.ts";
import { byteLength, type PlanValue, type View } from "./values.ts";

/** Less is not worth a dispatch. */
const LEAST_BYTES = 1 << 20;
/** How many steps, none of them a gathering one, cost no more than the memory traffic beside them. */
const MOST_STEPS = 8;
/** For how many items a value is not needed before it is given up. */
const LEAST_GAP = 16;

/** Puts copies of cheap groups before readers that come late; the order of the items stays as it is. */
export function recompute(items: readonly Item[], { outputs, updates }: Program): Item[] {
  const exported = new Set([...outputs, ...updates].map(({ value }) => value));
  const updated = new Map(updates.map(({ buffer, value }) => [buffer, value]));
  const makers = new Map<PlanValue, Item>();
  const lastUse = new Map<PlanValue, number>();
  /** Whether it is there without being kept: a leaf, and no state that was overwritten. No result of a step is one. */
  const isThere = ({ value: { home } }: View) =>
    home.kind === "state" ? !makers.has(updated.get(home.buffer)!) : home.kind !== "workspace";

  const result: Item[] = [];
  const copies = new Map<PlanValue, PlanValue>();
  items.forEach((item, position) => {
    for (const { value } of viewsOf(item)) {
      const gap = position - (lastUse.get(value) ?? position);
      lastUse.set(value, position);
      const maker = makers.get(value);
      if (gap < LEAST_GAP || maker?.kind !== "group" || exported.has(value) || !isCheap(maker)) continue;
      if (externalViews(maker.steps).every(isThere)) result.push(copyOf(maker, copies));
    }
    result.push(reading(item, copies));
    for (const value of resultsOf(item)) {
      makers.set(value, item);
      lastUse.set(value, position);
    }
  });
  return result;
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
