/**
 * The WebGPU backend: turns the graph of an evaluation into a plan, and finds the plan again for the next one.
 *
 * @module
 */

import {
  type Backend,
  Device,
  type DType,
  type EvaluationRequest,
  type HostArray,
  type Spec,
  type Storage,
  tensor,
} from "../../tensor/mod.ts";
import { apply } from "../../tensor/declare.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { openGpu } from "./adapter.ts";
import { compile, type Limits } from "./compile.ts";
import { Failures } from "./failures.ts";
import type { Gear } from "./gear.ts";
import type { Guard } from "./guard.ts";
import { type Leaf, lower, type Structure, structureOf } from "./lower.ts";
import { bufferOfStorage, Memory } from "./memory.ts";
import { limitsOf, type WebGpuOptions } from "./options.ts";
import { Pipelines } from "./pipelines.ts";
import { Plan, type Prepared } from "./plan.ts";
import { encode } from "./transfer.ts";
import type { Tuner } from "./tune.ts";
import { Turns } from "./turns.ts";
import { byteLength } from "./values.ts";

/** How many plans are kept; the one that was not used for the longest goes first. */
const MAX_PLANS = 64;
/** How many bytes plans may keep on the device; more when the one in use is large itself. */
const MAX_PLAN_BYTES = 1 << 29;

/**
 * Opens a WebGPU device.
 *
 * @throws {Error} one sentence that says how to get an adapter, when there is none.
 * @throws {RangeError} when there is no variant of that name, or the adapter cannot run it.
 */
export async function webgpuDevice(gpu: "auto" | "dawn", options: WebGpuOptions = {}): Promise<Device> {
  const opened = await openGpu(gpu);
  const { device, identity, description, atExit, mappingBlocks } = opened;
  const { tune = "off" } = options;
  const tuner = tune === "off" ? null : await (await import("./tune.ts")).openTuner(tune, identity);
  const backend = new WebGpuBackend(
    device,
    await limitsOf(opened, options, tuner),
    mappingBlocks,
    options.guard ? new options.guard(device) : null,
    options.planBytes,
    tuner,
  );
  atExit?.(backend);
  return new Device("webgpu", description, backend);
}

/** An evaluation on its way; `settled` rejects when the device finds fault with it, or with one that it builds on. */
interface Submitted {
  readonly results: Promise<(HostArray | Storage)[]>;
  readonly settled: Promise<void>;
}

/** The backend of one device. */
export class WebGpuBackend implements Backend {
  readonly precision = "f32";
  /** The device, for tests that count what happens on it. */
  readonly device: GPUDevice;
  /** The device's buffers. */
  readonly memory: Memory;
  /** The device's pipelines. */
  readonly pipelines: Pipelines;
  /** Answers what kernels ask; null where they go by guesses. */
  readonly tuner: Tuner | null;
  readonly #failures: Failures;
  readonly #gear: Gear;
  readonly #planBytes: number;
  readonly #plans: Map<string, Plan> = new Map();
  /** By structure: what waits for its pipelines. */
  readonly #preparing: Map<string, Promise<Prepared>> = new Map();
  readonly #turns: Turns = new Turns();
  /** By state: settles when the evaluation that overwrites it has succeeded or failed. */
  readonly #writes: WeakMap<GPUBuffer, Promise<void>> = new WeakMap();
  readonly #ids: WeakMap<GPUBuffer, number> = new WeakMap();
  #lastId = 0;

  /** Made by `webgpuDevice`. */
  constructor(
    device: GPUDevice,
    limits: Limits,
    mappingBlocks: boolean,
    guard: Guard | null,
    planBytes: number = MAX_PLAN_BYTES,
    tuner: Tuner | null = null,
  ) {
    this.tuner = tuner;
    this.device = device;
    this.#planBytes = planBytes;
    this.#failures = new Failures(device);
    this.memory = new Memory(device, this.#turns);
    this.memory.onStateGone = (buffer) => {
      for (const [key, plan] of this.#plans) if (plan.uses(buffer)) this.#forget(key, plan);
    };
    this.pipelines = new Pipelines(device, this.#failures, limits.windowBytes);
    this.#gear = {
      device,
      limits,
      mappingBlocks,
      memory: this.memory,
      pipelines: this.pipelines,
      failures: this.#failures,
      guard,
      compile,
      Plan,
      definition: { apply, tensor, openCpu: async () => (await import("../cpu/mod.ts")).cpuDevice("f32") },
    };
  }

  /** What the adapter can do. */
  get limits(): Limits {
    return this.#gear.limits;
  }

  /** How many plans are kept. */
  get plans(): number {
    return this.#plans.size;
  }

  /** Every dtype, f16 where the adapter has shader-f16. */
  supports(dtype: DType): boolean {
    return dtype !== "f16" || this.device.features.has("shader-f16");
  }

  /**
   * Finds the plan, and submits it before it returns. A structure that is met for the first time may want pipelines that
   * are still to be made: then it is submitted when they are there, and what comes later waits behind it.
   */
  evaluate(request: EvaluationRequest): Promise<(HostArray | Storage)[]> {
    const { free } = this.#turns;
    if (free) this.#failures.check();
    const structure = structureOf(request, (buffer) => this.#idOf(buffer));
    const targets = request.updates.map(({ state }) => bufferOfStorage(state.storage));
    const earlier = new Set(structure.states.map((buffer) => this.#writes.get(buffer)));
    const prepared = this.#prepare(request, structure);
    const { results, settled } = free && !(prepared instanceof Promise)
      ? this.#submit(structure, prepared, earlier)
      : this.#submitLater(structure, prepared, earlier);
    for (const buffer of targets) this.#writes.set(buffer, settled);
    return results;
  }

  #submitLater(
    structure: Structure,
    prepared: Prepared | Promise<Prepared>,
    earlier: Iterable<unknown>,
  ): Submitted {
    const submitted = this.#turns.take(async () => {
      try {
        const ready = await prepared;
        this.#failures.check();
        return this.#submit(structure, ready, earlier);
      } catch (error) {
        // As if the device had found out: what came before has its numbers first.
        await this.device.queue.onSubmittedWorkDone().catch(() => {});
        throw error;
      }
    });
    const settled = submitted.then(({ settled }) => settled);
    settled.catch(() => {/* Met with the results. */});
    return { results: submitted.then(({ results }) => results), settled };
  }

  /** What the plan of a structure is made of; a promise while pipelines are missing. */
  #prepare(request: EvaluationRequest, structure: Structure): Prepared | Promise<Prepared> {
    const { key } = structure;
    const known = this.#plans.get(key)?.prepared ?? this.#preparing.get(key);
    if (known) return known;
    const gear = this.#gear;
    const { tuner } = this;
    const open = tuner?.open(() => lower(request, structure), gear) ?? [];
    const program = lower(request, structure);
    const build = (): Prepared | Promise<Prepared> => {
      const compiled = compile(program, gear.limits);
      const pipelines = this.pipelines.for(compiled.dispatches);
      if (!(pipelines instanceof Promise)) return { compiled, pipelines };
      return pipelines.then((each) => ({ compiled, pipelines: each }));
    };
    // What is measured is not to be disturbed, so that has its turn too.
    const prepared = open.length > 0
      ? this.#turns.take(() => tuner!.answer(open, gear)).then(build)
      : build();
    if (!(prepared instanceof Promise)) return prepared;
    this.#preparing.set(key, prepared);
    prepared.catch(() => {/* The evaluation meets it in its turn. */}).then(() =>
      this.#preparing.delete(key)
    );
    return prepared;
  }

  /** Submits; `earlier` are evaluations whose updates this one reads, which fails when one of them does. */
  #submit({ key, leaves }: Structure, prepared: Prepared, earlier: Iterable<unknown>): Submitted {
    try {
      const { result: { plan, run }, settled: own } = this.#failures.collect(() => {
        const plan = this.#planFor(key, leaves, prepared);
        return { plan, run: plan.run(leaves) };
      });
      const settled = Promise.all([own, ...earlier]).then(() => {});
      settled.catch(() => {/* Met with the results. */});
      const results = plan.results(run, settled).catch((error) => {
        this.#forgetPlans();
        throw error;
      });
      return { results, settled };
    } catch (error) {
      this.#forgetPlans();
      throw error;
    }
  }

  #planFor(key: string, leaves: readonly Leaf[], prepared: Prepared): Plan {
    const known = this.#plans.get(key);
    // Put back at the end: the map's order is the order of use.
    if (known) this.#plans.delete(key);
    const plan = known ?? new Plan(prepared, leaves, this.#gear);
    this.#plans.set(key, plan);
    if (!known) this.#evict(plan);
    return plan;
  }

  /** Makes the memory of a state, zeroed as every new buffer is. */
  createState({ shape, dtype }: Spec): Storage {
    // A buffer that could not be made is met, as invalid, by the first evaluation that uses it.
    const bytes = byteLength({ dtype, length: sizeOf(shape) });
    const { guard, limits } = this.#gear;
    const make = () =>
      this.#failures.watch("a parameter", () => {
        const storage = this.memory.state("state", bytes + limits.band);
        guard?.fillBand(bufferOfStorage(storage), bytes);
        return storage;
      });
    return this.#failures.collect(make).result;
  }

  /** Overwrites a state, after what was asked for so far. */
  writeState(storage: Storage, data: HostArray, spec: Spec): void {
    const buffer = bufferOfStorage(storage);
    const own = this.#turns.free ? data : data.slice();
    const bytes = encode(own, { dtype: spec.dtype, size: data.length });
    this.#turns.do(() => this.device.queue.writeBuffer(buffer, 0, bytes));
  }

  /** Destroys the device and all its buffers. */
  destroy(): void {
    this.#failures.expectLoss();
    this.device.destroy();
  }

  /** After a failure: a buffer that could not be made is invalid for good, and plans share their buffers. */
  #forgetPlans(): void {
    for (const plan of this.#plans.values()) plan.destroy();
    this.#plans.clear();
  }

  /** Forgets the plans that were not used for the longest, never the one in use. */
  #evict(inUse: Plan): void {
    const allowed = Math.max(this.#planBytes, 3 * inUse.bytes);
    const bytes = () =>
      [...this.#plans.values()].reduce((sum, plan) => sum + plan.ownBytes, this.memory.workspaceBytes);
    for (const [key, plan] of this.#plans) {
      if (plan === inUse || (this.#plans.size <= MAX_PLANS && bytes() <= allowed)) return;
      this.#forget(key, plan);
    }
  }

  #forget(key: string, plan: Plan): void {
    plan.destroy();
    this.#plans.delete(key);
  }

  #idOf(buffer: GPUBuffer): number {
    let id = this.#ids.get(buffer);
    if (id === undefined) this.#ids.set(buffer, id = ++this.#lastId);
    return id;
  }
}
