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
} from "../../tensor/mod.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { openGpu } from "./adapter.ts";
import { compile, type Limits } from "./compile.ts";
import { destroyAtExit } from "./dawn.ts";
import { Failures } from "./failures.ts";
import type { Guard } from "./guard.ts";
import { type Abilities, named } from "./kernels/variants.ts";
import { lower, type Structure, structureOf } from "./lower.ts";
import { bufferOfStorage, Memory } from "./memory.ts";
import { Pipelines } from "./pipelines.ts";
import { type Gear, Plan } from "./plan.ts";
import { encode } from "./transfer.ts";
import { byteLength } from "./values.ts";

/** How many plans are kept; the one that was not used for the longest goes first. */
const MAX_PLANS = 64;
/** How many bytes plans may keep on the device; more when the one in use is large itself. */
const MAX_PLAN_BYTES = 1 << 29;
/** Matrices of up to this many elements are packed. */
const COPY_BELOW = 1 << 18;

/** What only tests ask for. */
export interface WebGpuOptions {
  /** A lower limit on bindings than the adapter's, so that windows are cheap to test. */
  readonly bindingLimit?: number;
  /** Pretends that so many invocations keep the adapter busy: chooses between the variants for cores and for GPUs. */
  readonly parallelism?: number;
  /** Reads matrices of more elements than this along the axis that is summed over, where they lie so. */
  readonly copyBelow?: number;
  /** The variant of the matrix product, by its name in `kernels/variants.ts`. */
  readonly variant?: string;
  /** Fewer storage buffers a kernel than the adapter has. */
  readonly maxBindings?: number;
  /** Fewer workgroups along an axis of the grid than WebGPU has, so that grids are folded. */
  readonly maxGroups?: number;
  /** How many bytes plans may keep, or three times that of the one in use. */
  readonly planBytes?: number;
  /** Finds kernels that write beyond their arrays, read beyond them or leave elements out. */
  readonly guard?: typeof Guard;
}

/**
 * Opens a WebGPU device.
 *
 * @throws {Error} one sentence that says how to get an adapter, when there is none.
 * @throws {RangeError} when the adapter cannot run the variant that was asked for.
 */
export async function webgpuDevice(gpu: "auto" | "dawn", options: WebGpuOptions = {}): Promise<Device> {
  const { device, description, software, dawn, mappingBlocks, subgroup } = await openGpu(gpu);
  const {
    maxStorageBufferBindingSize,
    maxBufferSize,
    maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupsPerDimension,
    maxComputeWorkgroupStorageSize: workgroupBytes,
    maxComputeInvocationsPerWorkgroup: workgroupLanes,
  } = device.limits;
  const abilities: Abilities = { subgroup, workgroupBytes, workgroupLanes };
  const binding = options.bindingLimit ?? Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const limits: Limits = {
    windowBytes: Math.floor(binding / 4096) * 4096,
    maxBindings: options.maxBindings ?? Math.min(maxStorageBuffersPerShaderStage, 16),
    maxGroups: options.maxGroups ?? maxComputeWorkgroupsPerDimension,
    parallelism: options.parallelism ?? (software ? 256 : 65536),
    copyBelow: options.copyBelow ?? COPY_BELOW,
    abilities,
    variant: options.variant === undefined ? null : named(options.variant, abilities),
    band: options.guard?.BAND ?? 0,
  };
  const backend = new WebGpuBackend(
    device,
    limits,
    mappingBlocks,
    options.guard ? new options.guard(device) : null,
    options.planBytes,
  );
  if (dawn) destroyAtExit(backend);
  return new Device("webgpu", description, backend);
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
  readonly #failures: Failures;
  readonly #gear: Gear;
  readonly #planBytes: number;
  readonly #plans: Map<string, Plan> = new Map();
  readonly #ids: WeakMap<GPUBuffer, number> = new WeakMap();
  #lastId = 0;

  /** Made by `webgpuDevice`. */
  constructor(
    device: GPUDevice,
    limits: Limits,
    mappingBlocks: boolean,
    guard: Guard | null,
    planBytes: number = MAX_PLAN_BYTES,
  ) {
    this.device = device;
    this.#planBytes = planBytes;
    this.#failures = new Failures(device);
    this.memory = new Memory(device);
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

  /** Finds or makes the plan, and submits it before it returns. */
  evaluate(request: EvaluationRequest): Promise<(HostArray | Storage)[]> {
    this.#failures.check();
    try {
      const { result, settled } = this.#failures.collect(() => {
        const structure = structureOf(request, (buffer) => this.#idOf(buffer));
        const plan = this.#planFor(request, structure);
        return { plan, run: plan.run(structure.leaves) };
      });
      return result.plan.results(request, result.run, settled).catch((error) => {
        this.#forgetPlans();
        throw error;
      });
    } catch (error) {
      this.#forgetPlans();
      throw error;
    }
  }

  #planFor(request: EvaluationRequest, structure: Structure): Plan {
    const known = this.#plans.get(structure.key);
    // Put back at the end: the map's order is the order of use.
    if (known) this.#plans.delete(structure.key);
    const plan = known ??
      new Plan(compile(lower(request, structure), this.#gear.limits), structure.leaves, this.#gear);
    this.#plans.set(structure.key, plan);
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

  /** Overwrites a state, after what was submitted so far. */
  writeState(storage: Storage, data: HostArray, spec: Spec): void {
    this.device.queue.writeBuffer(
      bufferOfStorage(storage),
      0,
      encode(data, { dtype: spec.dtype, size: data.length }),
    );
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
