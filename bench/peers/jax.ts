/**
 * jax-js in the race: one child of `main.ts`. Everything goes through `jit`, as its README advises; the gradients are its
 * own.
 *
 * @module
 */

import { expectWholeArrays, type Prepare, type Prepared, serve } from "./child.ts";
import { type Arr, conv2d, jax, np, padded, padsByHand, submit } from "./jax_api.ts";
import { trainingStep } from "./jax_step.ts";
import { digestOf, numbersOf, type Operand } from "./numbers.ts";
import type { ConvWorkload, Workload } from "./workloads.ts";

function resident(operand: Operand): Arr {
  return np.array(numbersOf(operand), { shape: operand.shape });
}

/** The gradients are those of the product with `dy`. It is linear, so that jit finds the forward pass useless, and leaves it out. */
function passOf({ pass, conv }: ConvWorkload): (a: Arr, b: Arr) => Arr {
  const dot = (x: Arr, weight: Arr, dy: Arr) => conv2d(x, weight, conv).mul(dy).sum();
  switch (pass) {
    case "forward":
      return (x, weight) => conv2d(x, weight, conv);
    case "input gradient":
      return (dy, weight) => jax.grad((x, w, dy) => dot(x, w!, dy!))(np.zeros(conv.input), weight, dy);
    case "weight gradient":
      return (x, dy) => jax.grad((w, x, dy) => dot(x!, w, dy!))(np.zeros(conv.weight), x, dy);
    default:
      return pass satisfies never;
  }
}

function convolution(workload: ConvWorkload): Prepared {
  const { conv, pass, operands: [first, second] } = workload;
  if (pass === "input gradient" || !padsByHand(conv)) {
    return kernel(passOf(workload), resident(first), resident(second));
  }
  const { data, shape } = padded(first, conv.padding);
  const unpadded = passOf({ ...workload, conv: { ...conv, padding: 0 } });
  return kernel(unpadded, np.array(data, { shape }), resident(second));
}

function kernel(f: (a: Arr, b: Arr) => Arr, a: Arr, b: Arr): Prepared {
  const compiled = jax.jit(f);
  let out: Arr | null = null;
  return {
    async run() {
      out?.dispose();
      out = compiled(a.ref, b.ref);
      await submit([out]);
    },
    finish() {},
    result: async () => [digestOf("result", await out!.ref.data())],
  };
}

async function prepare(workload: Workload): Promise<Prepared> {
  expectWholeArrays(workload);
  switch (workload.kind) {
    case "matmul":
      return kernel(np.matmul, resident(workload.operands[0]), resident(workload.operands[1]));
    case "conv":
      return convolution(workload);
    case "step":
      return await trainingStep(workload);
    default:
      return workload satisfies never;
  }
}

await serve(async (): Promise<Prepare> => {
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) throw new Error("jax-js finds no WebGPU");
  jax.defaultDevice("webgpu");
  return prepare;
});
