// What a user hears where there is no GPU to be had.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runtime, start } from "./start.ts";

/** Hides every driver from the Vulkan loader, and from wgpu that there is OpenGL too. */
const NO_DRIVER = {
  DENO_WEBGPU_BACKEND: "vulkan",
  VK_LOADER_DRIVERS_DISABLE: "*",
  VK_ICD_FILENAMES: "/nowhere.json",
};

test("adapter: where there is none, one sentence says how to get one, and auto takes the CPU", async () => {
  const refused = await start("train.ts", ["--backend=webgpu", "--steps=1"], { env: NO_DRIVER });
  assert.deepEqual([refused.code, refused.stdout], [1, ""]);
  const who = runtime === "deno" ? "Deno's wgpu" : "Dawn";
  assert.match(
    refused.stderr,
    new RegExp(`^error: webgpu: ${who} finds no adapter; install a Vulkan driver [^\n]*\n$`),
  );

  const flags = ["--model=lenet5", "--dataset=synthetic", "--batch=16", "--steps=1", "--json"];
  const auto = await start("train.ts", flags, { env: NO_DRIVER });
  assert.equal(auto.code, 0, auto.stderr);
  assert.match(auto.stderr, /^device: cpu, because webgpu: [^\n]*\n/);
  assert.match(auto.stdout, /"event":"done"/);
});
