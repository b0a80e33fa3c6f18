/**
 * Which memory a value has: values that never live at the same time share it, large ones make room for several small.
 *
 * @module
 */

import type { Dispatch } from "./shader.ts";
import { byteLength, type PlanValue } from "./values.ts";

/** A buffer of the workspace; the label is that of the largest value in it. */
export interface Slot {
  readonly bytes: number;
  readonly label: string;
}

/** Where a value stands. */
export interface Place {
  readonly slot: number;
  readonly offset: number;
}

/** The workspace of a plan. */
export interface Assignment {
  readonly slots: readonly Slot[];
  readonly placeOf: ReadonlyMap<PlanValue, Place>;
}

/** Bindings start at multiples of this. */
const ALIGNMENT = 256;

/** A value from the first dispatch that uses it to the last. */
export interface Life {
  readonly value: PlanValue;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/**
 * Places the values that dispatches work with. The largest come first, each at the lowest offset of the first slot that
 * has room for it while it lives, so that the sum is close to what lives at once at most.
 *
 * @param kept what is needed after the last dispatch
 * @param band bytes behind every value that nothing else may use
 */
export function assign(
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<PlanValue>,
  band: number,
): Assignment {
  const lives = livesOf(dispatches, kept, band).sort((a, b) => b.bytes - a.bytes);
  const foes = foesOf(dispatches);
  const slots: (Slot & { readonly tenants: (Life & { readonly offset: number })[] })[] = [];
  const placeOf = new Map<PlanValue, Place>();
  for (const life of lives) {
    const { value, bytes } = life;
    let [slot, offset] = [0, -1];
    for (; slot < slots.length; slot++) {
      const { bytes: size, tenants } = slots[slot]!;
      const meeting = tenants.filter(({ first, last }) => first <= life.last && last >= life.first);
      if (meeting.some((tenant) => foes.get(value)?.has(tenant.value))) continue;
      offset = lowestGap(meeting, bytes, size);
      if (offset >= 0) break;
    }
    if (offset < 0) {
      offset = 0;
      slots.push({ bytes, label: value.label, tenants: [] });
    }
    slots[slot]!.tenants.push({ ...life, offset });
    placeOf.set(value, { slot, offset });
  }
  return { slots: slots.map(({ bytes, label }) => ({ bytes, label })), placeOf };
}

/** The values that need memory of the workspace, each with `band` bytes more than it has itself. */
export function livesOf(dispatches: readonly Dispatch[], kept: ReadonlySet<PlanValue>, band: number): Life[] {
  const first = new Map<PlanValue, number>();
  const last = new Map<PlanValue, number>();
  dispatches.forEach(({ bindings }, position) => {
    for (const { value } of bindings) {
      if (value.home.kind !== "workspace") continue;
      if (!first.has(value)) first.set(value, position);
      last.set(value, position);
    }
  });
  for (const value of kept) {
    if (value.home.kind !== "workspace") continue;
    // What leaves the plan without being computed, having no elements, needs memory all the same.
    if (!first.has(value)) first.set(value, dispatches.length);
    last.set(value, Infinity);
  }
  return [...first].map(([value, from]) => ({
    value,
    bytes: byteLength(value) + band,
    first: from,
    last: last.get(value)!,
  }));
}

/** Values that a dispatch binds together and writes one of: WebGPU wants them in different buffers. */
function foesOf(dispatches: readonly Dispatch[]): Map<PlanValue, Set<PlanValue>> {
  const foes = new Map<PlanValue, Set<PlanValue>>();
  for (const { bindings } of dispatches) {
    for (const a of bindings) {
      for (const b of bindings) {
        if (a.value === b.value || (a.access === "read" && b.access === "read")) continue;
        foes.set(a.value, (foes.get(a.value) ?? new Set()).add(b.value));
      }
    }
  }
  return foes;
}

/** The lowest offset at which `bytes` are free between tenants; -1 where there is none. */
function lowestGap(
  tenants: readonly { readonly offset: number; readonly bytes: number }[],
  bytes: number,
  size: number,
): number {
  let offset = 0;
  for (const tenant of [...tenants].sort((a, b) => a.offset - b.offset)) {
    if (offset + bytes <= tenant.offset) break;
    offset = Math.max(offset, Math.ceil((tenant.offset + tenant.bytes) / ALIGNMENT) * ALIGNMENT);
  }
  return offset + bytes <= size ? offset : -1;
}
