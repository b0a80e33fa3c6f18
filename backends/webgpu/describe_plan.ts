/**
 * A plan in numbers, for people who want to know what a step does and what it costs: no part of making or running one.
 *
 * @module
 */

import type { Provenance, Tensor } from "../../tensor/mod.ts";
import { livesOf } from "./assign.ts";
import type { Compiled, Limits } from "./compile.ts";
import { type Binding, type Dispatch, gridOf, shaderText } from "./shader.ts";
import { byteLength, type PlanValue } from "./values.ts";

/** One dispatch. Bytes count each array once, as much of it as is bound. */
export interface DispatchDescription {
  /** The ops that it computes: `conv2d+add+relu`. */
  readonly ops: string;
  /** Their layers; a prime stands behind those of a gradient. */
  readonly layer: string;
  /** What it does for these ops, where it makes none of their results. */
  readonly part: "packs" | "partial" | null;
  /** Multiplications and additions of products, and one an element for each element-wise op. */
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly workgroups: number;
  /** Bytes of the workspace that hold something needed while it runs. */
  readonly bytesLive: number;
}

/** An array in the workspace. */
export interface ValueDescription {
  /** What it is: `relu1`, `norm1 scale`, `conv2' conv2dWeightGradient`, `fc6 packed`. */
  readonly name: string;
  /** Whether a kernel wants it for itself: a packed operand, partial sums. */
  readonly scratch: boolean;
  readonly bytes: number;
  /** Where it lies. */
  readonly slot: number;
  readonly offset: number;
  /** The dispatches, by number, between which it lives. */
  readonly first: number;
  readonly last: number;
}

/** A plan. */
export interface PlanDescription {
  readonly dispatches: readonly DispatchDescription[];
  /** The largest first. */
  readonly values: readonly ValueDescription[];
  /** The workspace's buffers, in bytes. */
  readonly slots: readonly number[];
  /** The plan's copies of what is neither in the workspace nor a state, in bytes. */
  readonly inputBytes: number;
  /** How many different pipelines the dispatches want. */
  readonly pipelines: number;
  readonly flops: number;
  /** Read and written, of all dispatches. */
  readonly bytesMoved: number;
  /** The most that lives at once, and the first dispatch at which it does. */
  readonly peak: { readonly bytes: number; readonly dispatch: number };
}

/** Describes a plan. */
export function describePlan(compiled: Compiled, limits: Limits): PlanDescription {
  const { dispatches, slots, placeOf, outputs, copies } = compiled;
  const kept = new Set([...outputs.map(({ value }) => value), ...copies.map(({ from }) => from)]);
  const end = Math.max(0, dispatches.length - 1);
  const lives = livesOf(dispatches, kept, limits.band).sort((a, b) => b.bytes - a.bytes)
    .map((life) => ({ ...life, first: Math.min(life.first, end), last: Math.min(life.last, end) }));
  const live = dispatches.map((_, i) =>
    lives.reduce((sum, { first, last, bytes }) => first <= i && i <= last ? sum + bytes : sum, 0)
  );
  const described = dispatches.map((dispatch, i) => describeDispatch(dispatch, live[i]!, limits));
  const total = (count: (dispatch: DispatchDescription) => number) =>
    described.reduce((sum, dispatch) => sum + count(dispatch), 0);
  const most = live.reduce((a, b) => Math.max(a, b), 0);
  return {
    dispatches: described,
    values: lives.map(({ value, bytes, first, last }) => ({
      name: nameOf(value, dispatches[first]),
      scratch: value.scratch ?? false,
      bytes,
      ...placeOf.get(value)!,
      first,
      last,
    })),
    slots: slots.map(({ bytes }) => bytes),
    inputBytes: inputBytesOf([...dispatches.flatMap(({ bindings }) => bindings), ...outputs]),
    pipelines: new Set(dispatches.map((dispatch) => shaderText(dispatch, limits.windowBytes))).size,
    flops: total(({ flops }) => flops),
    bytesMoved: total(({ bytesRead, bytesWritten }) => bytesRead + bytesWritten),
    peak: { bytes: most, dispatch: Math.max(0, live.indexOf(most)) },
  };
}

/** The layer of the op behind a tensor, if that is known; with a prime where the op differentiates one. */
export function layersOf({ node }: Tensor): readonly string[] {
  const made = node?.made;
  if (!made?.layer) return [];
  for (let each: Provenance | null | undefined = made; each; each = each.of?.made) {
    if (each.role === "gradient") return [`${made.layer}'`];
  }
  return [made.layer];
}

/** Forward there is one array a layer, as a rule; others are told apart by their op, or by what the kernel calls them. */
function nameOf(value: PlanValue, maker: Dispatch | undefined): string {
  const { label, layers = [], scratch } = value;
  const written = maker?.bindings.filter(({ access }) => access !== "read") ?? [];
  const at = written.findIndex((binding) => binding.value === value);
  const [layer] = layers;
  if (layer === undefined) return label;
  if (scratch || at > 0) return `${layer} ${written[at]?.name ?? label}`;
  return layer.endsWith("'") ? `${layer} ${label}` : layer;
}

function describeDispatch(dispatch: Dispatch, bytesLive: number, { maxGroups }: Limits): DispatchDescription {
  const { label: ops, layers, flops = 0, share = 1, bindings } = dispatch;
  const written = bindings.filter(({ access }) => access !== "read");
  const [x, y] = gridOf(dispatch, maxGroups);
  return {
    ops,
    layer: [...new Set(layers)].join(" "),
    part: !written.every(({ value }) => value.scratch)
      ? null
      : written[0]?.name === "packed"
      ? "packs"
      : "partial",
    flops,
    bytesRead: bytesOf(bindings.filter(({ access }) => access !== "write")),
    bytesWritten: Math.round(bytesOf(written) * share),
    workgroups: x * y,
    bytesLive,
  };
}

function inputBytesOf(uses: readonly { readonly value: PlanValue }[]): number {
  const inputs = new Set(uses.flatMap(({ value }) => value.home.kind === "input" ? [value] : []));
  return [...inputs].reduce((sum, value) => sum + byteLength(value), 0);
}

/** Each array once, however many bindings show it. */
function bytesOf(bindings: readonly Binding[]): number {
  const arrays = new Map<PlanValue, number>();
  for (const { value, part } of bindings) {
    arrays.set(value, Math.max(arrays.get(value) ?? 0, part?.byteLength ?? byteLength(value)));
  }
  return [...arrays.values()].reduce((sum, bytes) => sum + bytes, 0);
}
