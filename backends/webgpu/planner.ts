/**
 * A device that plans and computes nothing: it has the limits of the adapter and makes the plan of every evaluation, but
 * takes no memory and builds no pipelines. For looking at plans that might not even fit.
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
} from "../../tensor/mod.ts";
import { hostArray } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { State } from "../../tensor/state.ts";
import { compile, type Limits } from "./compile.ts";
import { describePlan, layersOf, type PlanDescription } from "./describe_plan.ts";
import { lower, type Structure, structureOf } from "./lower.ts";
import { BufferStorage } from "./memory.ts";
import { type WebGpuBackend, webgpuDevice } from "./mod.ts";
import { byteLength } from "./values.ts";

/** The plan of an evaluation, and the memory besides its workspace. */
export interface PlannedEvaluation extends PlanDescription {
  /** The states that it uses. */
  readonly states: readonly { readonly state: State; readonly bytes: number }[];
}

/** Opens the adapter and makes a device that plans for it. */
export async function openPlanner(
  gpu: "auto" | "dawn",
): Promise<{ readonly device: Device; readonly planner: PlanningBackend }> {
  const { backend, description } = await webgpuDevice(gpu);
  const planner = new PlanningBackend(backend as WebGpuBackend);
  return { device: new Device("webgpu", description, planner), planner };
}

/** The backend of a device that plans. Every number that is read from it is 0. */
export class PlanningBackend implements Backend {
  readonly precision = "f32";
  /** The plan of the last evaluation. */
  last: PlannedEvaluation | null = null;
  readonly #device: GPUDevice;
  readonly #limits: Limits;
  readonly #ids: Map<GPUBuffer, number> = new Map();

  /** The backend's device is asked for its features, and for buffers of a few bytes that stand for large ones. */
  constructor({ device, limits }: Pick<WebGpuBackend, "device" | "limits">) {
    this.#device = device;
    this.#limits = limits;
  }

  /** Every dtype, f16 where the adapter has shader-f16. */
  supports(dtype: DType): boolean {
    return dtype !== "f16" || this.#device.features.has("shader-f16");
  }

  /** Plans. */
  evaluate(request: EvaluationRequest): Promise<(HostArray | BufferStorage)[]> {
    const structure = structureOf(request, (buffer) => this.#idOf(buffer));
    const compiled = compile(lower(request, structure, layersOf), this.#limits);
    this.last = {
      ...describePlan(compiled, this.#limits),
      states: statesOf(request, structure).map((state) => ({ state, bytes: bytesOf(state) })),
    };
    return Promise.resolve(
      request.outputs.map(({ tensor, read }) =>
        read ? hostArray(tensor.dtype, tensor.size) : this.createState()
      ),
    );
  }

  /** Makes what stands for the memory of a state. */
  createState(): BufferStorage {
    const buffer = this.#device.createBuffer({ size: 16, usage: 0x80 }); // STORAGE
    return new BufferStorage(buffer, () => buffer.destroy());
  }

  /** Does nothing. */
  writeState(): void {}

  /** Destroys the device. */
  destroy(): void {
    this.#device.destroy();
  }

  #idOf(buffer: GPUBuffer): number {
    if (!this.#ids.has(buffer)) this.#ids.set(buffer, this.#ids.size);
    return this.#ids.get(buffer)!;
  }
}

function statesOf({ updates }: EvaluationRequest, { order }: Structure): State[] {
  const read = order.flatMap(({ value }) => value?.kind === "state" ? [value.state] : []);
  return [...new Set([...read, ...updates.map(({ state }) => state)])];
}

function bytesOf({ dtype, shape }: Spec): number {
  return byteLength({ dtype, length: sizeOf(shape) });
}
