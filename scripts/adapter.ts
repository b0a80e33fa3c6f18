// Says which adapter WebGPU has here, in the runtime that runs this file.

import { device } from "../backends/mod.ts";

const gpu = await device("webgpu");
console.log(gpu.description);
gpu.destroy();
