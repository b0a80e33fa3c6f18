/**
 * A kernel of a few lines, straight on WebGPU: what runs it and says how long it took. The ceilings are measured with it.
 *
 * @module
 */

import { queueDone } from "./measure.ts";

/** The bindings and parameters that every micro-kernel has. */
export const HEAD = `struct Params { rounds: u32, length: u32, m: f32, c: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
`;

/** What differs between micro-kernels. */
export interface MicroKernel {
  /** WGSL; `HEAD` goes before it. */
  readonly code: string;
  /** Workgroups of a dispatch. */
  readonly groups: number;
  /** Bytes of `x`, and of `y`. */
  readonly bytes: number;
}

// The flags of WebGPU by their numbers: not every runtime has the names as globals.
const UNIFORM = 0x40 | 0x08; // UNIFORM | COPY_DST
const STORAGE = 0x80;
const RESOLVE = 0x200 | 0x04; // QUERY_RESOLVE | COPY_SRC
const READABLE = 0x01 | 0x08; // MAP_READ | COPY_DST

/** A micro-kernel with its pipeline and memory. */
export class MicroBench {
  readonly #gpu: GPUDevice;
  readonly #kernel: MicroKernel;
  readonly #pipeline: GPUComputePipeline;
  readonly #group: GPUBindGroup;
  readonly #params: GPUBuffer;
  readonly #buffers: GPUBuffer[] = [];
  readonly #clock: { queries: GPUQuerySet; resolved: GPUBuffer; readable: GPUBuffer } | null;

  /** Makes pipeline and memory. */
  constructor(gpu: GPUDevice, kernel: MicroKernel) {
    this.#gpu = gpu;
    this.#kernel = kernel;
    const module = gpu.createShaderModule({ code: HEAD + kernel.code });
    this.#pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
    this.#params = this.#buffer(16, UNIFORM);
    const buffers = [this.#params, this.#buffer(kernel.bytes, STORAGE), this.#buffer(kernel.bytes, STORAGE)];
    this.#group = gpu.createBindGroup({
      layout: this.#pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    this.#clock = gpu.features.has("timestamp-query")
      ? {
        queries: gpu.createQuerySet({ type: "timestamp", count: 2 }),
        resolved: this.#buffer(16, RESOLVE),
        readable: this.#buffer(16, READABLE),
      }
      : null;
  }

  #buffer(size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.#gpu.createBuffer({ size, usage });
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Milliseconds of so many dispatches of so many rounds: by the device's clock if it has a plausible one. */
  async run(rounds: number, dispatches: number): Promise<number> {
    const { queue } = this.#gpu;
    const params = new ArrayBuffer(16);
    new Uint32Array(params).set([rounds, this.#kernel.bytes / 16]);
    // Multiplying by m and adding c again and again ends at 1: no overflow, no subnormals.
    new Float32Array(params).set([0.75, 0.25], 2);
    queue.writeBuffer(this.#params, 0, params);
    await queueDone(this.#gpu);
    const began = performance.now();
    queue.submit([this.#encode(dispatches)]);
    const wall = await queueDone(this.#gpu) - began;
    const stamped = await this.#stamped();
    // Some implementations give ticks where nanoseconds are promised, and some give zeros.
    return stamped > 0.8 * wall && stamped <= wall ? stamped : wall;
  }

  #encode(dispatches: number): GPUCommandBuffer {
    const encoder = this.#gpu.createCommandEncoder();
    const clock = this.#clock;
    const pass = encoder.beginComputePass(
      clock
        ? {
          timestampWrites: {
            querySet: clock.queries,
            beginningOfPassWriteIndex: 0,
            endOfPassWriteIndex: 1,
          },
        }
        : {},
    );
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(this.#kernel.groups);
    pass.end();
    if (clock) {
      encoder.resolveQuerySet(clock.queries, 0, 2, clock.resolved, 0);
      encoder.copyBufferToBuffer(clock.resolved, 0, clock.readable, 0, 16);
    }
    return encoder.finish();
  }

  async #stamped(): Promise<number> {
    if (this.#clock === null) return 0;
    const { readable } = this.#clock;
    await readable.mapAsync(1 /* READ */);
    const [begin, end] = new BigUint64Array(readable.getMappedRange());
    const ms = Number(end! - begin!) / 1e6;
    readable.unmap();
    return ms;
  }

  /** Gives the memory back. */
  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#clock?.queries.destroy();
  }
}
