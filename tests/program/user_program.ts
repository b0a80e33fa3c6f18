// A user's program, for `processes_test.ts`: it uses the library and ends in one of several ways, with or without tidying.

import process from "node:process";
import { type Device, device, normal, randomKey, setDefaultDevice, tensor } from "../../mod.ts";

/** Work that takes a while, described. */
const work = (on: Device) => {
  let x = normal(randomKey(1, { device: on }), [96, 96]);
  for (let i = 0; i < 10; i++) x = x.matmul(x).tanh();
  return x.sum();
};

const ways: Record<string, (gpu: Device) => Promise<void>> = {
  "read": async (gpu) => void await work(gpu).item(),
  "destroy": async (gpu) => {
    await work(gpu).item();
    gpu.destroy();
  },
  "leave work under way": async (gpu) => {
    await work(gpu).item();
    void work(gpu).item();
  },
  "throw": async (gpu) => {
    await work(gpu).item();
    throw new Error("thrown");
  },
  "throw with work under way": async (gpu) => {
    await work(gpu).item();
    void work(gpu).item();
    throw new Error("thrown");
  },
  "exit with work under way": async (gpu) => {
    await work(gpu).item();
    void work(gpu).item();
    process.exit(3);
  },
  "destroy with work under way": async (gpu) => {
    const reading = work(gpu).item();
    gpu.destroy();
    await reading.catch((error: Error) => console.log(error.message));
  },
  "open two": async (gpu) => {
    const other = await device("webgpu");
    await Promise.all([work(gpu).item(), work(other).item()]);
    other.destroy();
    await work(gpu).item();
  },
};

const way = process.argv[2]!;
if (way === "cpu") {
  setDefaultDevice(await device("cpu"));
  console.log(await tensor([1, 2]).mul(2).array());
} else {
  await ways[way]!(await device("webgpu"));
}
