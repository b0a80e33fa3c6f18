/**
 * Where the time of a training step goes: every dispatch between two timestamps. The step is like that of `train.ts`, but
 * its images are f32, and no accuracy is counted.
 *
 *     deno run -A bench/profile.ts [model] [batch]
 *
 * @module
 */

import process from "node:process";
import type { WebGpuBackend } from "../backends/webgpu/mod.ts";
import { crossEntropy, device, gradients, InputSlot, nn, randomKey, setDefaultDevice, SGD } from "../mod.ts";

const [name = "alexnet_mini", batchText = "64"] = process.argv.slice(2);
const table = nn.models[name as keyof typeof nn.models];
const batch = Number(batchText);
const gpu = await device("webgpu");
setDefaultDevice(gpu);
const { device: raw } = gpu.backend as WebGpuBackend;

const network = nn.build(table, { key: randomKey(1) });
const sgd = new SGD(network.parameters().values());
const images = new InputSlot([batch, ...table.input]);
const labels = new InputSlot([batch], { dtype: "i32" });
const step = async () => {
  const loss = crossEntropy(network.forward(images, nn.training(randomKey(2))), labels);
  sgd.step(gradients(loss, sgd.parameters), 0.01);
  return await loss.item();
};
await step();
await step();

// From here on each dispatch is a pass of its own, with a timestamp before and after it.
const CAPACITY = 2048;
const queries = raw.createQuerySet({ type: "timestamp", count: CAPACITY });
const resolved = raw.createBuffer({ size: CAPACITY * 8, usage: 0x200 | 0x04 }); // QUERY_RESOLVE | COPY_SRC
const readable = raw.createBuffer({ size: CAPACITY * 8, usage: 0x01 | 0x08 }); // MAP_READ | COPY_DST
const labelsOf: string[] = [];
const createEncoder = raw.createCommandEncoder.bind(raw);
raw.createCommandEncoder = () => {
  const encoder = createEncoder();
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = () => {
    let pipeline: GPUComputePipeline;
    let group: GPUBindGroup;
    return {
      setPipeline: (value: GPUComputePipeline) => void (pipeline = value),
      setBindGroup: (_: number, value: GPUBindGroup) => void (group = value),
      dispatchWorkgroups(x: number, y: number) {
        const at = labelsOf.push(group.label) - 1;
        const pass = begin({
          timestampWrites: {
            querySet: queries,
            beginningOfPassWriteIndex: 2 * at,
            endOfPassWriteIndex: 2 * at + 1,
          },
        });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(x, y);
        pass.end();
      },
      end() {},
    } as unknown as GPUComputePassEncoder;
  };
  return encoder;
};
const began = performance.now();
await step();
const wall = performance.now() - began;
raw.createCommandEncoder = createEncoder;
const encoder = raw.createCommandEncoder();
encoder.resolveQuerySet(queries, 0, 2 * labelsOf.length, resolved, 0);
encoder.copyBufferToBuffer(resolved, 0, readable, 0, CAPACITY * 8);
raw.queue.submit([encoder.finish()]);
await readable.mapAsync(1);
const times = new BigUint64Array(readable.getMappedRange());
const rows = labelsOf.map((label, i) => ({ label, ms: Number(times[2 * i + 1]! - times[2 * i]!) / 1e6 }));
const total = rows.reduce((sum, { ms }) => sum + ms, 0);
for (const { label, ms } of rows) if (ms > total / 200) console.log(ms.toFixed(2).padStart(9), label);
console.log(`${total.toFixed(1)} ms in ${rows.length} dispatches, ${wall.toFixed(1)} ms by the clock`);
gpu.destroy();
process.exit(0);
