/**
 * A run of the benchmark: opens the devices, measures the ceilings, then every workload on each backend.
 *
 * @module
 */

import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import type { Tune } from "../backends/webgpu/tune.ts";
import { type Device, device } from "../mod.ts";
import { type CeilingEffort, type Ceilings, measureCeilings } from "./ceilings.ts";
import { clock, type ClockLine } from "./clock.ts";
import { describeMachine } from "./machine.ts";
import { copiesOf, type Effort, measure } from "./measure.ts";
import { type Backend, bound, fastestStep, type LeftOut, type Result, type Row, rowOf } from "./results.ts";
import type { Entry, Workload } from "./workload.ts";
import { entries } from "./workloads/mod.ts";

/** What is measured, and how long. */
export interface Options {
  /** Images of the convolutions, and of a step of AlexNet. */
  readonly batch: number;
  /** Only workloads whose `family name size` matches. */
  readonly only: RegExp | null;
  /** A rough look: short samples, and nothing that takes seconds. */
  readonly quick: boolean;
  /** What is for fast devices only, too. */
  readonly large: boolean;
  readonly cpu: boolean;
  /** Which WebGPU, if any. */
  readonly gpu: "auto" | "dawn" | "off";
  /** Whether kernels are chosen by guesses, by what is kept, or by measuring. */
  readonly tune: Tune;
}

/** Is told how far the run has come. */
export interface Listener {
  started(result: Pick<Result, "machine" | "adapter">): void;
  ceilings(ceilings: Ceilings): void;
  measuring(): void;
  /** The row of WebGPU, where there is one, and that of the CPU backend. */
  measured(webgpu: Row | undefined, cpu: Row | undefined): void;
}

const EFFORT: Effort & CeilingEffort = { sample: 100, samples: 5, copyBytes: 1 << 27 };
const QUICK: Effort & CeilingEffort = { sample: 30, samples: 3, copyBytes: 1 << 24 };
/** The CPU backend takes its time: about a second for so many operations. */
const CPU_SECOND = 3e8;
/** What takes longer, in ms, at a share of the ceiling, is spared a quick look, and what is large the usual one too. */
const LONG_MS = 2000;
const EXPECTED_SHARE = 0.2;

/** The entries that the options ask for. */
export function chosen({ batch, only }: Options): Entry[] {
  return entries(batch).filter(({ workload: { family, name, size } }) =>
    only === null || only.test(`${family} ${name} ${size}`)
  );
}

/** Measures what the options choose, or given entries. */
export async function run(
  options: Options,
  listener: Listener,
  measured: readonly Entry[] = chosen(options),
): Promise<Result> {
  const began = performance.now();
  const machine = describeMachine();
  const gpu = options.gpu === "off" ? null : await device("webgpu", { gpu: options.gpu, tune: options.tune });
  const cpu = options.cpu ? await device("cpu") : null;
  try {
    const adapter = gpu && gpu.description;
    listener.started({ machine, adapter });
    const effort = options.quick ? QUICK : EFFORT;
    const ceilings = gpu && await measureCeilings((gpu.backend as WebGpuBackend).device, effort);
    if (ceilings) listener.ceilings(ceilings);
    const { rows, leftOut } = await new Session(options, effort, ceilings, listener).measureAll(
      measured,
      gpu,
      cpu,
    );
    const { batch, quick, large, tune, only } = options;
    return {
      format: 2,
      date: new Date().toISOString(),
      minutes: (performance.now() - began) / 60000,
      machine,
      adapter,
      settings: { batch, quick, large, tune, only: only && only.source },
      ceilings,
      rows,
      leftOut,
      clock: clockOf(rows, adapter),
    };
  } finally {
    gpu?.destroy();
  }
}

class Session {
  readonly #options: Options;
  readonly #effort: Effort;
  readonly #ceilings: Ceilings | null;
  readonly #listener: Listener;
  readonly #rows: Row[] = [];
  readonly #leftOut: LeftOut[] = [];

  constructor(options: Options, effort: Effort, ceilings: Ceilings | null, listener: Listener) {
    this.#options = options;
    this.#effort = effort;
    this.#ceilings = ceilings;
    this.#listener = listener;
  }

  async measureAll(
    entries: readonly Entry[],
    gpu: Device | null,
    cpu: Device | null,
  ): Promise<Pick<Result, "rows" | "leftOut">> {
    this.#listener.measuring();
    for (const entry of entries) {
      const before = this.#rows.length;
      const webgpu = gpu && await this.#onGpu(entry, gpu);
      const reference = cpu && await this.#onCpu(entry.small, cpu);
      const isNew = this.#rows.length > before;
      if (isNew) this.#listener.measured(webgpu ?? undefined, reference ?? undefined);
    }
    return { rows: this.#rows, leftOut: this.#leftOut };
  }

  async #onGpu({ workload, large }: Entry, gpu: Device): Promise<Row | null> {
    if (!gpu.backend.supports(workload.precision)) {
      return this.#leave("spared", workload, "webgpu", "the adapter has no shader-f16");
    }
    const least = bound(workload, this.#ceilings!).ms;
    const expected = least / EXPECTED_SHARE;
    const { quick, large: all } = this.#options;
    if ((quick || (large && !all)) && expected > LONG_MS) {
      const instead = quick ? "and --quick" : "--large measures it";
      const why = `an evaluation would take about ${(expected / 1000).toFixed(1)} s here; ${instead}`;
      return this.#leave("spared", workload, "webgpu", why);
    }
    return await this.#measure(workload, "webgpu", gpu, copiesOf(workload, least));
  }

  async #onCpu(workload: Workload, cpu: Device): Promise<Row | null> {
    const { family, name, size, flops } = workload;
    const isIt = (row: Row | LeftOut) =>
      row.backend === "cpu" && row.family === family && row.name === name && row.size === size;
    // One size may stand in for several, and is measured once.
    const known = this.#rows.find(isIt);
    if (known || this.#leftOut.some(isIt)) return known ?? null;
    if (this.#options.quick && flops > CPU_SECOND) {
      const why = `about ${Math.round(flops / CPU_SECOND)} s an evaluation; and --quick`;
      return this.#leave("spared", workload, "cpu", why);
    }
    return await this.#measure(workload, "cpu", cpu, 1);
  }

  async #measure(workload: Workload, backend: Backend, where: Device, copies: number): Promise<Row | null> {
    try {
      const timing = await measure(workload, where, this.#effort, copies);
      const row = rowOf(workload, backend, timing, backend === "webgpu" ? this.#ceilings : null);
      this.#rows.push(row);
      return row;
    } catch (error) {
      // A device may be too small for one of many workloads: the others are worth having, and the exit code says so.
      const why = error instanceof Error ? error.message : `${error}`;
      return this.#leave("failed", workload, backend, why);
    }
  }

  #leave(kind: LeftOut["kind"], { family, name, size }: Workload, backend: Backend, why: string): null {
    this.#leftOut.push({ kind, family, name, size, backend, why });
    return null;
  }
}

function clockOf(rows: readonly Row[], adapter: string | null): ClockLine[] {
  const measured = (["webgpu", "cpu"] as const).flatMap((backend) => {
    const row = fastestStep(rows, backend);
    if (row === undefined) return [];
    const who = backend === "webgpu" ? adapter! : "the CPU backend";
    return [{ who: `${who}, ${row.size}`, imagesPerSecond: row.imagesPerSecond! }];
  });
  return measured.length > 0 ? clock(measured) : [];
}
