// Which variants of the product the agreement suite forces: on a software driver those that the environment asks for.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { candidates } from "../../backends/webgpu/kernels/variants.ts";
import type { WebGpuBackend } from "../../backends/webgpu/mod.ts";
import { device } from "../../mod.ts";
import { forcedProducts, PRODUCTS } from "../devices.ts";

test("forced: FERMI_VARIANTS=all is one device for each variant, however many samples there are", async () => {
  const gpu = await device("webgpu");
  const { abilities, parallelism } = (gpu.backend as WebGpuBackend).limits;
  const able = candidates(abilities).map(({ name }) => `webgpu, product ${name}`);
  const before = process.env["FERMI_VARIANTS"];
  const forced = async () => {
    const found = await forcedProducts(gpu);
    for (const { device } of found) device.destroy();
    return found.map(({ name }) => name);
  };
  try {
    process.env["FERMI_VARIANTS"] = "all";
    assert.deepEqual(await forced(), able);
    delete process.env["FERMI_VARIANTS"];
    assert.deepEqual(await forced(), parallelism < 65536 ? [] : able);
  } finally {
    if (before !== undefined) process.env["FERMI_VARIANTS"] = before;
    gpu.destroy();
  }
  assert.ok(PRODUCTS.has("matmul") && PRODUCTS.has("conv2dWeightGradient") && !PRODUCTS.has("maxPool2d"));
});
