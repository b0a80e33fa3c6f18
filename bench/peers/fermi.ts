/**
 * Fermi in the race: one child of `main.ts`.
 *
 * @module
 */

import process from "node:process";
import {
  cast,
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  crossEntropy,
  device,
  evaluate,
  foldIn,
  gradients,
  InputSlot,
  matmul,
  nn,
  Parameter,
  randomKey,
  setDefaultDevice,
  SGD,
  slice,
  type Tensor,
  zeros,
} from "../../mod.ts";
import { openedDevice, type Prepare, type Prepared, serve } from "./child.ts";
import {
  digestOf,
  labelsOf,
  numbersOf,
  type Operand,
  rawBytesOf,
  sampledRows,
  velocityName,
} from "./numbers.ts";
import type { Tune } from "../../backends/webgpu/tune.ts";
import type { ConvWorkload, StepWorkload, Workload } from "./workloads.ts";

/** Fills a parameter's memory from the host, as `InputSlot.write` does; what it was to start from is never computed. */
function fill(parameter: Parameter, numbers: Float32Array<ArrayBuffer>): void {
  parameter.device.cancelUpdate(parameter);
  parameter.device.backend.writeState(parameter.storage, numbers, parameter);
  parameter.updated(null);
}

/** Waits until nothing that was handed over is copied once more, on its way to the device. */
async function uploaded(): Promise<void> {
  const { queue } = openedDevice();
  queue.submit([]);
  await queue.onSubmittedWorkDone();
}

function resident(operand: Operand): Parameter {
  const parameter = new Parameter(zeros(operand.shape), { name: operand.name });
  fill(parameter, numbersOf(operand));
  return parameter;
}

/** One op, stored to memory that stays: the device has to do it every time. */
function kernel(describe: (a: Tensor, b: Tensor) => Tensor, operands: readonly [Operand, Operand]): Prepared {
  const [a, b] = [resident(operands[0]), resident(operands[1])];
  const out = new Parameter(zeros(describe(a, b).shape), { name: "out" });
  const underway: Promise<void>[] = [];
  return {
    run() {
      out.assign(describe(a, b));
      underway.push(evaluate(out));
    },
    finish: async () => void await Promise.all(underway.splice(0)),
    async result() {
      const digest = digestOf("result", await out.data());
      // Whoever looks again sees whether the runs in between stored anything: the others make new arrays every time.
      fill(out, new Float32Array(out.size).fill(NaN));
      return [digest];
    },
  };
}

function passOf({ pass, conv }: ConvWorkload): (a: Tensor, b: Tensor) => Tensor {
  const { stride, padding, groups } = conv;
  const options = { stride, padding, groups };
  switch (pass) {
    case "forward":
      return (x, weight) => conv2d(x, weight, options);
    case "input gradient":
      return (dy, weight) => conv2dInputGradient(dy, weight, { ...options, shape: conv.input });
    case "weight gradient":
      return (x, dy) => conv2dWeightGradient(x, dy, { ...options, shape: conv.weight });
    default:
      return pass satisfies never;
  }
}

/** The batch's images: what enters each step, and what the network sees of it. */
function imagesOf({ images }: StepWorkload): { readonly enter: () => void; readonly seen: () => Tensor } {
  const { shape, bytes } = images;
  const slot = new InputSlot(shape, { dtype: bytes ? "u8" : "f32" });
  const pixels = bytes ? rawBytesOf(images) : numbersOf(images);
  return {
    enter: () => slot.write(pixels),
    seen: () => bytes ? cast(slot, "f32").mul(1 / 128).sub(1) : slot,
  };
}

async function trainingStep(workload: StepWorkload): Promise<Prepared> {
  const { rows, batch, input, classes, full, lr, momentum, weightDecay } = workload;
  const table = { name: "raced", source: "", input, classes, weight: nn.init.he(), dropout: 0.5, rows };
  const network = nn.build(table, { key: randomKey(1) });
  const parameters = network.parameters();
  for (const operand of workload.parameters) {
    fill(parameters.get(operand.name)!, numbersOf(operand));
    await uploaded();
  }
  const sgd = new SGD(parameters.values(), { momentum, weightDecay });
  await evaluate(...sgd.velocities);
  const images = imagesOf(workload);
  const labels = new InputSlot([batch], { dtype: "i32" });
  const classesOfBatch = labelsOf(batch, classes, workload.labels);
  const underway: Promise<void>[] = [];
  let steps = 0;
  let loss: Tensor | null = null;
  return {
    run() {
      images.enter();
      labels.write(classesOfBatch);
      const context = nn.training(full ? foldIn(randomKey(2), steps++) : null);
      loss = crossEntropy(network.forward(images.seen(), context), labels);
      sgd.step(gradients(loss, sgd.parameters), lr);
      underway.push(evaluate(loss));
    },
    async finish() {
      await Promise.all(underway.splice(0));
      await loss!.item();
    },
    async result() {
      const digests = [digestOf("loss", [await loss!.item()])];
      for (const [i, operand] of workload.parameters.entries()) {
        for (const row of sampledRows(operand)) {
          const all = sgd.velocities[i]!;
          const velocity = row === null ? all : slice(all, { axis: 0, start: row, end: row + 1 });
          digests.push(digestOf(velocityName(operand.name, row), await velocity.data()));
        }
      }
      return digests;
    },
  };
}

async function prepare(workload: Workload): Promise<Prepared> {
  switch (workload.kind) {
    case "matmul":
      return kernel(matmul, workload.operands);
    case "conv":
      return kernel(passOf(workload), workload.operands);
    case "step":
      return await trainingStep(workload);
    default:
      return workload satisfies never;
  }
}

/** `--tune=...`, as the driver was told. */
const [, tune = "off"] = /^--tune=(off|cached|on)$/.exec(process.argv[2] ?? "") ?? [];

await serve(async (): Promise<Prepare> => {
  setDefaultDevice(await device("webgpu", { tune: tune as Tune }));
  return prepare;
});
