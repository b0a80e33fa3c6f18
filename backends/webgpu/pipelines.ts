/**
 * Compute pipelines, kept by their WGSL text: kernels take sizes at run time, so a handful serves any shape.
 *
 * @module
 */

import type { Failures } from "./failures.ts";
import { type Dispatch, paramWords, shaderText, windowCount } from "./shader.ts";

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
  readonly #pipelines: Map<string, Pipeline> = new Map();
  readonly #layouts: Map<string, { bindings: GPUBindGroupLayout; pipeline: GPUPipelineLayout }> = new Map();

  constructor(device: GPUDevice, failures: Failures, windowBytes: number) {
    this.#device = device;
    this.#failures = failures;
    this.#windowBytes = windowBytes;
  }

  /** How many pipelines were built. */
  get count(): number {
    return this.#pipelines.size;
  }

  /** The pipeline for a dispatch, built when it is not there yet. */
  for(dispatch: Dispatch): Pipeline {
    const code = shaderText(dispatch, this.#windowBytes);
    const known = this.#pipelines.get(code);
    if (known) return known;
    const { label } = dispatch;
    const { bindings, pipeline: layout } = this.#failures.watch(label, () => this.#layoutFor(dispatch));
    const pipeline = this.#failures.watch(label, () => {
      const module = this.#device.createShaderModule({ label, code });
      return this.#device.createComputePipeline({ label, layout, compute: { module, entryPoint: "main" } });
    }, () => this.#pipelines.delete(code));
    const made = { pipeline, layout: bindings };
    this.#pipelines.set(code, made);
    return made;
  }

  #layoutFor(dispatch: Dispatch): { bindings: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const modes = dispatch.bindings.flatMap((binding) =>
      Array<boolean>(windowCount(binding, this.#windowBytes)).fill(binding.access === "read")
    );
    // The size of the parameters belongs to the layout: wgpu's late check of it mixes up pipelines whose layouts agree.
    const minBindingSize = paramWords(dispatch).length * 4;
    const key = `${minBindingSize}:${modes}`;
    const known = this.#layouts.get(key);
    if (known) return known;
    const visibility = 0x4; // COMPUTE
    const bindings = this.#device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", minBindingSize } },
        ...modes.map((readOnly, i): GPUBindGroupLayoutEntry => ({
          binding: i + 1,
          visibility,
          buffer: { type: readOnly ? "read-only-storage" : "storage" },
        })),
      ],
    });
    const made = { bindings, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [bindings] }) };
    this.#layouts.set(key, made);
    return made;
  }
}
