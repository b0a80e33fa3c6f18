/**
 * A compiled evaluation with its memory: bound once, encoded and submitted at every run. A run creates nothing.
 *
 * @module
 */

import type { HostArray, Storage } from "../../tensor/mod.ts";
import type { Compiled } from "./compile.ts";
import type { Gear } from "./gear.ts";
import { Inputs } from "./inputs.ts";
import type { Leaf } from "./lower.ts";
import type { BufferStorage } from "./memory.ts";
import type { Pipeline } from "./pipelines.ts";
import { type Binding, gridOf, paramWords, UNIFORM_ALIGNMENT, windowCount } from "./shader.ts";
import { decode } from "./transfer.ts";
import { byteLength, type PlanValue } from "./values.ts";

/** What a plan is made of. */
export interface Prepared {
  readonly compiled: Compiled;
  /** Of each dispatch. */
  readonly pipelines: readonly Pipeline[];
}

interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: readonly [number, number];
}

/** Where a value's first byte is. */
export interface Location {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** A run that was submitted: where its outputs are going to be. */
export interface Run {
  readonly kept: readonly (BufferStorage | null)[];
  readonly staging: GPUBuffer | null;
  /** Rejects when a guarded kernel wrote where it must not. */
  readonly checked: (() => Promise<void>) | null;
}

/**
 * How many evaluations may be under way before their numbers are read: the ring of staging buffers has so many from the
 * start, one more than a trainer has on their way.
 */
const READS_IN_FLIGHT = 17;

/** A plan. */
export class Plan {
  readonly #gear: Gear;
  readonly #compiled: Compiled;
  /** What it was made of, for another like it. */
  readonly prepared: Prepared;
  readonly #bound: Bound[];
  readonly #workspace: GPUBuffer[];
  readonly #inputs: Inputs;
  /** The buffers that go when the plan goes. */
  readonly #own: readonly GPUBuffer[];

  /** Takes memory and binds it. */
  constructor(prepared: Prepared, leaves: readonly Leaf[], gear: Gear) {
    const { compiled } = prepared;
    this.#gear = gear;
    this.prepared = prepared;
    this.#compiled = compiled;
    const { memory, failures, device } = gear;
    const label = compiled.dispatches[0]?.label ?? "copy";
    this.#workspace = failures.watch(
      compiled.slots.reduce((a, b) => b.bytes > a.bytes ? b : a, { bytes: 0, label }).label,
      () => memory.workspace(compiled.slots),
    );
    this.#inputs = new Inputs(leaves, gear);

    // All dispatches get as much room as the one with the most parameters.
    const parameters = compiled.dispatches.map(paramWords);
    const most = Math.max(1, ...parameters.map((params) => params.byteLength));
    const stride = Math.ceil(most / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
    const words = new Uint32Array(Math.max(1, parameters.length) * stride / 4);
    const uniforms = memory.create("parameters", words.byteLength, 0x40 | 0x08); // UNIFORM | COPY_DST
    this.#bound = compiled.dispatches.map((dispatch, i) => {
      const params = parameters[i]!;
      words.set(params, i * stride / 4);
      const { pipeline, layout } = prepared.pipelines[i]!;
      const uniform = {
        buffer: uniforms,
        offset: i * stride,
        size: Math.ceil(params.length / 4) * 16,
      };
      const resources = [uniform, ...dispatch.bindings.flatMap((binding) => this.#windows(binding))];
      const entries = resources.map((resource, binding) => ({ binding, resource }));
      const { label } = dispatch;
      return {
        pipeline,
        bindGroup: failures.watch(label, () => device.createBindGroup({ label, layout, entries })),
        grid: gridOf(dispatch, gear.limits.maxGroups),
      };
    });
    device.queue.writeBuffer(uniforms, 0, words);
    this.#own = [uniforms, ...this.#inputs.own];
    memory.reserveStaging(this.#stagingBytes(), READS_IN_FLIGHT);
  }

  /** Whether the plan reads or writes a state's buffer. */
  uses(buffer: GPUBuffer): boolean {
    const { dispatches, copies } = this.#compiled;
    return copies.some(({ to }) => to === buffer) ||
      dispatches.some(({ bindings }) =>
        bindings.some(({ value: { home } }) => home.kind === "state" && home.buffer === buffer)
      );
  }

  /** The bytes of all memory that the plan works in, states excepted. */
  get bytes(): number {
    return this.#workspace.reduce((bytes, buffer) => bytes + buffer.size, this.ownBytes);
  }

  /** The bytes of the buffers that are the plan's own. */
  get ownBytes(): number {
    return this.#own.reduce((bytes, { size }) => bytes + size, 0);
  }

  /** Submits one evaluation of the plan's structure. */
  run(leaves: readonly Leaf[]): Run {
    const { device, memory, failures } = this.#gear;
    const label = this.#compiled.dispatches.at(-1)?.label ?? "copy";
    const stagingBytes = this.#stagingBytes();
    return failures.watch(label, () => {
      const encoder = device.createCommandEncoder();
      // This may throw: first, since nobody would give back what the run has taken by then.
      this.#inputs.upload(leaves, device.queue, encoder);
      const kept = this.#compiled.outputs.map(({ value, read }) =>
        read ? null : memory.storage(value.label, byteLength(value))
      );
      const staging = stagingBytes > 0 ? memory.staging(stagingBytes) : null;
      const checked = this.#encode(encoder);
      const copy = (value: PlanValue, to: GPUBuffer, at = 0): number => {
        const bytes = byteLength(value);
        const { buffer, offset } = this.locate(value);
        encoder.copyBufferToBuffer(buffer, offset, to, at, bytes);
        return bytes;
      };
      let at = 0;
      this.#compiled.outputs.forEach(({ value }, i) => {
        if (kept[i]) copy(value, kept[i].buffer!);
        else at += copy(value, staging!, at);
      });
      for (const { from, to } of this.#compiled.copies) copy(from, to);
      device.queue.submit([encoder.finish()]);
      return { kept, staging, checked };
    });
  }

  /** Puts the dispatches, or one of them, into a pass. */
  encode(pass: GPUComputePassEncoder, only?: number): void {
    for (const { pipeline, bindGroup, grid } of only === undefined ? this.#bound : [this.#bound[only]!]) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...grid);
    }
  }

  /** Empties the memory that is shared with other plans. */
  clear(encoder: GPUCommandEncoder): void {
    for (const buffer of this.#workspace) encoder.clearBuffer(buffer);
  }

  /** Encodes the dispatches: in one pass, unless they are guarded. */
  #encode(encoder: GPUCommandEncoder): (() => Promise<void>) | null {
    const { guard } = this.#gear;
    if (guard) return guard.encode(encoder, this.#compiled.dispatches, this);
    const pass = encoder.beginComputePass();
    this.encode(pass);
    pass.end();
    return null;
  }

  /** Waits for the numbers of a run that was submitted; `settled` rejects when the device found fault with it. */
  async results(run: Run, settled: Promise<void>): Promise<(HostArray | Storage)[]> {
    try {
      const [found] = await Promise.all([this.#results(run, settled), run.checked?.()]);
      return found;
    } catch (error) {
      // A buffer that could not be made must not come back through the pool.
      for (const storage of run.kept) if (storage) this.#gear.memory.discard(storage);
      throw error;
    }
  }

  async #results({ kept, staging }: Run, settled: Promise<void>): Promise<(HostArray | Storage)[]> {
    const { memory, failures, mappingBlocks } = this.#gear;
    if (staging === null) {
      await settled;
      return kept as BufferStorage[];
    }
    // A loop that does not wait for its losses goes on first, and keeps the device busy.
    if (mappingBlocks) await new Promise((resolve) => setTimeout(resolve, 0));
    try {
      await failures.told(() => staging.mapAsync(1 /* READ */));
    } catch (error) {
      memory.destroy(staging);
      await settled;
      throw error;
    }
    const bytes = staging.getMappedRange();
    let at = 0;
    const results = this.#compiled.outputs.map(({ value }, i) => {
      if (kept[i]) return kept[i];
      const host = decode(bytes, at, value);
      at += byteLength(value);
      return host;
    });
    staging.unmap();
    memory.returnStaging(staging);
    await settled;
    return results;
  }

  /** Gives the memory back. */
  destroy(): void {
    const { memory } = this.#gear;
    memory.returnWorkspace(this.#workspace);
    for (const buffer of this.#own) memory.destroy(buffer);
  }

  #stagingBytes(): number {
    return this.#compiled.outputs.reduce(
      (bytes, { value, read }) => bytes + (read ? byteLength(value) : 0),
      0,
    );
  }

  /** Where a value stands. */
  locate(value: PlanValue): Location {
    const { home } = value;
    switch (home.kind) {
      case "workspace": {
        const { slot, offset } = this.#compiled.placeOf.get(value)!;
        return { buffer: this.#workspace[slot]!, offset };
      }
      case "input":
        return { buffer: this.#inputs.of[home.leaf]!, offset: 0 };
      case "state":
        return { buffer: home.buffer, offset: 0 };
      case "scalars":
        return { buffer: this.#inputs.scalars, offset: 0 };
      case "scalar":
        throw new TypeError(`${value.label}: a scalar has no buffer of its own`);
      default:
        return home satisfies never;
    }
  }

  /** The windows through which a binding is seen; the last shows what a guard watches behind the value. */
  #windows(binding: Binding): GPUBufferBinding[] {
    const { buffer, offset } = this.locate(binding.value);
    if (binding.value.home.kind === "scalars") return [{ buffer, offset, size: buffer.size }];
    const { windowBytes, band } = this.#gear.limits;
    const bytes = byteLength(binding.value);
    return Array.from({ length: windowCount(binding, windowBytes) }, (_, w) => {
      const at = binding.part?.byteOffset ?? w * windowBytes;
      const size = binding.part?.byteLength ?? Math.min(windowBytes, bytes - at);
      // A uniform buffer is bound as large as it may be.
      const last = at + size === bytes && !binding.uniform;
      return { buffer, offset: offset + at, size: last ? size + band : size };
    });
  }
}
