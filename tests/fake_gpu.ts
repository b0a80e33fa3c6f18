/**
 * A GPUDevice that accepts all commands and carries none out: what is left of a step's time is JavaScript's share.
 *
 * @module
 */

/** What was asked of a fake device. */
export interface FakeCounts {
  buffers: number;
  bytes: number;
  bindGroups: number;
  pipelines: number;
  dispatches: number;
  submits: number;
  writes: number;
  bytesWritten: number;
}

class FakeBuffer {
  readonly label: string;
  readonly size: number;
  readonly usage: number;
  readonly #mapped: Promise<void>;

  constructor({ label = "", size, usage }: GPUBufferDescriptor, mapped: Promise<void>) {
    this.#mapped = mapped;
    this.label = label;
    this.size = size;
    this.usage = usage;
  }

  mapAsync(): Promise<void> {
    return this.#mapped;
  }

  getMappedRange(): ArrayBuffer {
    return new ArrayBuffer(this.size);
  }

  unmap(): void {}
  destroy(): void {}
}

/** Makes the device, which has the limits of a large GPU. Numbers can be read once `mapped` is fulfilled. */
export function fakeGpu(
  mapped: Promise<void> = Promise.resolve(),
): { device: GPUDevice; counts: FakeCounts } {
  const counts = {
    buffers: 0,
    bytes: 0,
    bindGroups: 0,
    pipelines: 0,
    dispatches: 0,
    submits: 0,
    writes: 0,
    bytesWritten: 0,
  };
  const pass = {
    setPipeline() {},
    setBindGroup() {},
    dispatchWorkgroups: () => void counts.dispatches++,
    end() {},
  };
  const encoder = { beginComputePass: () => pass, copyBufferToBuffer() {}, finish: () => ({}) };
  const device = {
    features: new Set(["shader-f16", "subgroups"]),
    limits: {
      maxBufferSize: 2 ** 32,
      maxStorageBufferBindingSize: 2 ** 31,
      maxStorageBuffersPerShaderStage: 10,
      maxComputeWorkgroupsPerDimension: 65535,
    },
    lost: new Promise<never>(() => {}),
    addEventListener() {},
    pushErrorScope() {},
    popErrorScope: () => Promise.resolve(null),
    createBuffer(descriptor: GPUBufferDescriptor) {
      counts.buffers++;
      counts.bytes += descriptor.size;
      return new FakeBuffer(descriptor, mapped);
    },
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createComputePipeline: () => (counts.pipelines++, {}),
    createComputePipelineAsync: () => Promise.resolve((counts.pipelines++, {})),
    createBindGroup: () => (counts.bindGroups++, {}),
    createCommandEncoder: () => encoder,
    queue: {
      writeBuffer: (_: GPUBuffer, _at: number, { byteLength }: ArrayBufferView) => {
        counts.writes++;
        counts.bytesWritten += byteLength;
      },
      submit: () => void counts.submits++,
      onSubmittedWorkDone: () => Promise.resolve(),
    },
    destroy() {},
  };
  return { device: device as unknown as GPUDevice, counts };
}
