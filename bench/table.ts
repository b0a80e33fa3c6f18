/**
 * The results for a terminal: a line a workload, as soon as it is measured, and the clock.
 *
 * @module
 */

import type { Ceilings } from "./ceilings.ts";
import { type ClockLine, duration } from "./clock.ts";
import { onCpu, type Result, type Row, timesFaster } from "./results.ts";

/** A column: the words above it, how wide it is (negative: to the left), and what a row has in it. */
interface Column {
  readonly head: string;
  readonly width: number;
  readonly cell: (webgpu: Row | undefined, cpu: Row | undefined) => string;
}

const either = (get: (row: Row) => string): Column["cell"] => (webgpu, cpu) => get((webgpu ?? cpu)!);
const ofGpu = (get: (row: Row) => string): Column["cell"] => (webgpu) => webgpu ? get(webgpu) : "";
const ofCpu = (get: (row: Row) => string): Column["cell"] => (_, cpu) => cpu ? get(cpu) : "";

const COLUMNS: readonly Column[] = [
  { head: "family", width: -17, cell: either(({ family }) => family) },
  { head: "workload", width: -25, cell: either(({ name }) => name) },
  { head: "size", width: -14, cell: either(({ size }) => size) },
  { head: "ms", width: 8, cell: ofGpu(({ ms }) => digits(ms)) },
  { head: "+-", width: 5, cell: ofGpu((row) => percent(spread(row))) },
  { head: "GFLOP/s", width: 8, cell: ofGpu(({ gflops }) => digits(gflops)) },
  { head: "GB/s", width: 7, cell: ofGpu(({ gbs, family }) => family === "step" ? "" : digits(gbs)) },
  { head: "ceiling", width: 8, cell: ofGpu(({ ofCeiling }) => percent(ofCeiling)) },
  { head: "images/s", width: 9, cell: ofGpu(({ imagesPerSecond }) => digits(imagesPerSecond)) },
  { head: "CPU ms", width: 8, cell: ofCpu(({ ms }) => digits(ms)) },
  { head: "GFLOP/s", width: 8, cell: ofCpu(({ gflops }) => digits(gflops)) },
  { head: "at", width: -10, cell: ofCpu(({ size }) => size) },
  { head: "faster", width: 7, cell: (webgpu, cpu) => webgpu && cpu ? times(timesFaster(webgpu, cpu)) : "" },
];

const lineOf = (cells: readonly string[]) =>
  cells.map((cell, i) => {
    const { width } = COLUMNS[i]!;
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  }).join(" ").trimEnd();

/** The line above the rows. */
export function heading(): string {
  return lineOf(COLUMNS.map(({ head }) => head));
}

/** The line of a workload. */
export function rowLine(webgpu: Row | undefined, cpu: Row | undefined): string {
  return lineOf(COLUMNS.map(({ cell }) => cell(webgpu, cpu)));
}

/** What was measured on. */
export function machineLines({ machine, adapter }: Pick<Result, "machine" | "adapter">): string {
  const { system, cpu, cores, memoryGiB, runtime } = machine;
  return `${adapter ?? "no WebGPU"}\n${cpu}, ${cores} cores, ${memoryGiB} GiB; ${runtime} on ${system}`;
}

/** The two ceilings. */
export function ceilingLine({ gflops, gbs, fma, copy }: Ceilings): string {
  return `ceilings of this adapter: ${digits(gflops)} GFLOP/s (${fma}), ${digits(gbs)} GB/s (copy, ${copy})`;
}

/** The 2012 clock. */
export function clockLines(lines: readonly ClockLine[]): string {
  const width = Math.max(...lines.map(({ who }) => who.length));
  return [
    "the 2012 clock: 90 epochs of 1.2 million images would take",
    ...lines.map(({ who, imagesPerSecond, seconds }) =>
      `  ${who.padEnd(width)}  ${digits(imagesPerSecond).padStart(8)} images/s  ${
        duration(seconds).padStart(12)
      }`
    ),
  ].join("\n");
}

/** Half of the way from the shortest sample to the longest, of the median; null where there is one sample. */
export function spread({ ms, shortest, longest, samples }: Row): number | null {
  return samples > 1 ? (longest - shortest) / 2 / ms : null;
}

/** A number with three digits that count; nothing for null. */
export function digits(value: number | null): string {
  if (value === null) return "";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value === 0 ? "0" : value.toPrecision(3);
}

/** A share in percent; nothing for null. */
export function percent(share: number | null): string {
  return share === null ? "" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
}

/** How many times. */
export function times(factor: number): string {
  return `${factor < 10 ? factor.toFixed(1) : Math.round(factor).toLocaleString("en")}x`;
}

/** All rows with their partners on the CPU backend: those of WebGPU, or of the CPU backend where there are no others. */
export function pairs(rows: readonly Row[]): { readonly row: Row; readonly cpu: Row | undefined }[] {
  const webgpu = rows.filter(({ backend }) => backend === "webgpu");
  return (webgpu.length > 0 ? webgpu : rows).map((row) => ({ row, cpu: onCpu(row, rows) }));
}
