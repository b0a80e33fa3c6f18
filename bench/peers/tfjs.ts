/**
 * TensorFlow.js with its WebGPU backend in the race: one child of `main.ts`.
 *
 * @module
 */

import { expectWholeArrays, type Prepare, type Prepared, serve } from "./child.ts";
import { digestOf, numbersOf } from "./numbers.ts";
import { permute } from "./permute.ts";
import {
  type Arr,
  eachGroup,
  flush,
  hwio,
  partsOf,
  permuted,
  type Shape,
  tf,
  TO_NCHW,
  TO_NHWC,
  TO_OIHW,
} from "./tfjs_api.ts";
import { trainingStep } from "./tfjs_step.ts";
import type { ConvWorkload, Workload } from "./workloads.ts";

/** A pass of a convolution; each group's weights lie for themselves, as its user would keep them. */
function passOf({ pass, conv, operands: [first, second] }: ConvWorkload): () => Arr[] {
  const { stride, padding, groups, weight } = conv;
  const common = { strides: [stride, stride], pad: padding, dataFormat: "NHWC" };
  const join = (parts: Arr[]) => parts.length === 1 ? parts : [tf.concat(parts, 3)];
  const [batch, channels, height, width] = conv.input;
  switch (pass) {
    case "forward": {
      const [x, filters] = [permuted(first, TO_NHWC), partsOf(second, groups).map(hwio)];
      return () => join(eachGroup(groups, [x], (i, [x]) => tf.conv2d(x!, filters[i]!, stride, padding)));
    }
    case "input gradient": {
      const [dy, filters] = [permuted(first, TO_NHWC), partsOf(second, groups).map(hwio)];
      const attributes = { ...common, inputShape: [batch, height, width, channels / groups] };
      const gradient = (i: number, [dy]: Arr[]) =>
        tf.engine().runKernel("Conv2DBackpropInput", { dy, filter: filters[i] }, attributes);
      return () => join(eachGroup(groups, [dy], gradient));
    }
    case "weight gradient": {
      const [x, dy] = [permuted(first, TO_NHWC), permuted(second, TO_NHWC)];
      const attributes = { ...common, filterShape: [weight[2], weight[3], weight[1], weight[0] / groups] };
      const gradient = (_: number, [x, dy]: Arr[]) =>
        tf.engine().runKernel("Conv2DBackpropFilter", { x, dy }, attributes);
      return () => eachGroup(groups, [x, dy], gradient);
    }
    default:
      return pass satisfies never;
  }
}

/** One op; each part of its result is put in order by `axes`, and the parts lie one below the other. */
function kernel(f: () => Arr[], axes: Shape | null): Prepared {
  let out: Arr[] = [];
  return {
    run() {
      tf.dispose(out);
      out = tf.tidy(f);
    },
    finish: flush,
    async result() {
      const parts = await Promise.all(out.map(async (part) => {
        const data = await part.data();
        return axes === null ? data : permute(data, part.shape, axes);
      }));
      const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
      parts.forEach((part, i) => whole.set(part, i * part.length));
      return [digestOf("result", whole)];
    },
  };
}

function prepare(workload: Workload): Prepared {
  switch (workload.kind) {
    case "matmul": {
      const [a, b] = workload.operands.map((operand) => tf.tensor(numbersOf(operand), operand.shape));
      return kernel(() => [tf.matMul(a!, b!)], null);
    }
    case "conv":
      return kernel(passOf(workload), workload.pass === "weight gradient" ? TO_OIHW : TO_NCHW);
    case "step":
      return trainingStep(workload);
    default:
      return workload satisfies never;
  }
}

await serve(async (): Promise<Prepare> => {
  if (!await tf.setBackend("webgpu")) {
    throw new Error("TensorFlow.js finds no WebGPU");
  }
  return async (workload) => {
    expectWholeArrays(workload);
    return await prepare(workload);
  };
});
