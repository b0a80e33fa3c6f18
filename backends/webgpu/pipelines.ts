/**
 * Compute pipelines, kept by their WGSL text: kernels take sizes at run time, so a handful serves any shape. They are
 * requested asynchronously, those of a plan together, so that a driver that can compiles them side by side.
 *
 * @module
 */

import type { Failures } from "./failures.ts";
import { type Dispatch, paramWords, shaderText, UNIFORM_BYTES, windowCount } from "./shader.ts";

/** A pipeline and the layout of its bindings. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The pipelines of one device. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #windowBytes: number;
  /** By their text; promises of those that are being made. */
  readonly #pipelines: Map<string, Pipeline | Promise<Pipeline>> = new Map();
  readonly #layouts: Map<string, { bindings: GPUBindGroupLayout; pipeline: GPUPipelineLayout }> = new Map();

  constructor(device: GPUDevice, failures: Failures, windowBytes: number) {
    this.#device = device;
    this.#failures = failures;
    this.#windowBytes = windowBytes;
  }

  /** How many pipelines were built, or are being built. */
  get count(): number {
    return this.#pipelines.size;
  }

  /** The pipelines of dispatches: at once when all are there, else those that are missing are requested together. */
  for(dispatches: readonly Dispatch[]): Pipeline[] | Promise<Pipeline[]> {
    const found = dispatches.map((dispatch) => this.#find(dispatch));
    const made = found.filter((each) => !(each instanceof Promise)) as Pipeline[];
    return made.length === found.length ? made : Promise.all(found);
  }

  #find(dispatch: Dispatch): Pipeline | Promise<Pipeline> {
    const code = shaderText(dispatch, this.#windowBytes);
    const known = this.#pipelines.get(code);
    if (known) return known;
    const requested = this.#request(dispatch, code);
    this.#pipelines.set(code, requested);
    requested.then(
      (pipeline) => this.#pipelines.set(code, pipeline),
      () => this.#pipelines.delete(code),
    );
    return requested;
  }

  #request(dispatch: Dispatch, code: string): Promise<Pipeline> {
    const { label } = dispatch;
    return this.#failures.request(label, async () => {
      const { bindings, pipeline: layout } = this.#layoutFor(dispatch);
      const module = this.#device.createShaderModule({ label, code });
      const compute = { module, entryPoint: "main" };
      const pipeline = await this.#device.createComputePipelineAsync({ label, layout, compute });
      return { pipeline, layout: bindings };
    });
  }

  #layoutFor(dispatch: Dispatch): { bindings: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const types = dispatch.bindings.flatMap((binding) =>
      Array<GPUBufferBindingType>(windowCount(binding, this.#windowBytes)).fill(
        binding.uniform ? "uniform" : binding.access === "read" ? "read-only-storage" : "storage",
      )
    );
    // The size of the parameters belongs to the layout: wgpu's late check of it mixes up pipelines whose layouts agree.
    const minBindingSize = paramWords(dispatch).length * 4;
    const key = `${minBindingSize}:${types}`;
    const known = this.#layouts.get(key);
    if (known) return known;
    const visibility = 0x4; // COMPUTE
    const bindings = this.#device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", minBindingSize } },
        ...types.map((type, i): GPUBindGroupLayoutEntry => ({
          binding: i + 1,
          visibility,
          buffer: { type, minBindingSize: type === "uniform" ? UNIFORM_BYTES : 0 },
        })),
      ],
    });
    const made = { bindings, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [bindings] }) };
    this.#layouts.set(key, made);
    return made;
  }
}
