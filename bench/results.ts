/**
 * The results of a benchmark, as `--json` writes them and `bench/results/` keeps them: what was measured, and what
 * follows from it by arithmetic.
 *
 * @module
 */

import type { Tune } from "../backends/webgpu/tune.ts";
import type { Ceilings } from "./ceilings.ts";
import type { ClockLine } from "./clock.ts";
import type { Machine } from "./machine.ts";
import type { Timing } from "./measure.ts";
import type { Family, Precision, Workload } from "./workload.ts";

/** Which backend. */
export type Backend = "webgpu" | "cpu";

/** A workload on a backend. */
export interface Row extends Timing {
  readonly family: Family;
  readonly name: string;
  readonly size: string;
  readonly backend: Backend;
  readonly precision: Precision;
  /** Of one evaluation, as in `Workload`. */
  readonly flops: number;
  readonly bytes: number;
  readonly images: number;
  /** Work over time; null where there is no such work. */
  readonly gflops: number | null;
  readonly gbs: number;
  readonly imagesPerSecond: number | null;
  /** What the ceilings allow at best over what it took, and which of the two is the lower; null for the CPU backend. */
  readonly ofCeiling: number | null;
  readonly boundBy: "arithmetic" | "memory" | null;
}

/** What was not measured, and why. */
export interface LeftOut {
  /** Whether nobody tried, since it takes long or the adapter has not what it takes; else something went wrong. */
  readonly kind: "spared" | "failed";
  readonly family: Family;
  readonly name: string;
  readonly size: string;
  readonly backend: Backend;
  readonly why: string;
}

/** One run of the benchmark. */
export interface Result {
  /** Changes with the meaning of the fields. */
  readonly format: 2;
  /** ISO 8601. */
  readonly date: string;
  /** Minutes that it took. */
  readonly minutes: number;
  readonly machine: Machine;
  /** Adapter and implementation; null when only the CPU backend was measured. */
  readonly adapter: string | null;
  readonly settings: {
    readonly batch: number;
    readonly quick: boolean;
    readonly large: boolean;
    /** How kernels were chosen. */
    readonly tune: Tune;
    readonly only: string | null;
  };
  readonly ceilings: Ceilings | null;
  readonly rows: readonly Row[];
  readonly leftOut: readonly LeftOut[];
  /** Empty unless a step of AlexNet was measured. */
  readonly clock: readonly ClockLine[];
  /** Tests of the agreement suite on this machine, where the pack ran both. */
  readonly agreement?: { readonly passed: number; readonly failed: number } | null;
}

/** Who, and why. */
export const leftOutLine = ({ name, size, backend, why }: LeftOut): string =>
  `${name}, ${size}, ${backend}: ${why}`;

/** What went wrong, in a sentence; null when nothing did. */
export function failureOf({ leftOut }: Pick<Result, "leftOut">): string | null {
  const failed = leftOut.filter(({ kind }) => kind === "failed");
  return failed.length === 0 ? null : `${failed.length} failed: ${failed.map(leftOutLine).join("; ")}`;
}

/** The least that the ceilings let a workload take, in ms, and the ceiling that says so. */
export function bound(
  { flops, bytes }: Pick<Workload, "flops" | "bytes">,
  { gflops, gbs }: Pick<Ceilings, "gflops" | "gbs">,
): { readonly ms: number; readonly by: "arithmetic" | "memory" } {
  const [arithmetic, memory] = [flops / gflops / 1e6, bytes / gbs / 1e6];
  return arithmetic > memory ? { ms: arithmetic, by: "arithmetic" } : { ms: memory, by: "memory" };
}

/** A row from a measurement. */
export function rowOf(
  { family, name, size, precision, flops, bytes, images }: Workload,
  backend: Backend,
  timing: Timing,
  ceilings: Ceilings | null,
): Row {
  const { ms } = timing;
  const least = ceilings && bound({ flops, bytes }, ceilings);
  return {
    family,
    name,
    size,
    backend,
    precision,
    flops,
    bytes,
    images,
    ...timing,
    gflops: flops > 0 ? flops / ms / 1e6 : null,
    gbs: bytes / ms / 1e6,
    imagesPerSecond: images > 0 ? images / ms * 1000 : null,
    ofCeiling: least && least.ms / ms,
    boundBy: least && least.by,
  };
}

/** The row of the CPU backend that goes with another: of the same size if there is one, else of a smaller one. */
export function onCpu(row: Row, rows: readonly Row[]): Row | undefined {
  const same = rows.filter(({ backend, family, name }) =>
    backend === "cpu" && family === row.family && name === row.name
  );
  return same.find(({ size }) => size === row.size) ?? same[0];
}

/** How many times as much work a row does in a second as another, which may be of another size. */
export function timesFaster(row: Row, than: Row): number {
  const rate = ({ flops, bytes, images, ms }: Row) => (images || flops || bytes) / ms;
  return rate(row) / rate(than);
}

/** The backend's fastest step of AlexNet, which the clock goes by. */
export function fastestStep(rows: readonly Row[], backend: Backend): Row | undefined {
  return rows.filter((row) => row.backend === backend && row.family === "step" && row.name === "alexnet")
    .sort((a, b) => b.imagesPerSecond! - a.imagesPerSecond!)[0];
}
