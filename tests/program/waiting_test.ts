// Waiting for the device leaves the processor to others: Dawn would ask it for news as often as the event loop turns.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { type Device, device, normal, randomKey } from "../../mod.ts";

/** Dawn, also in Deno, whose own WebGPU asks for nothing; with the driver that `scripts/suites.mjs` found for it. */
async function openDawn(): Promise<Device> {
  const { FERMI_DAWN_DRIVER: driver, VK_ICD_FILENAMES: before } = process.env;
  if (driver) process.env["VK_ICD_FILENAMES"] = driver;
  try {
    return await device("webgpu", { gpu: "dawn" });
  } finally {
    if (before === undefined) delete process.env["VK_ICD_FILENAMES"];
    else process.env["VK_ICD_FILENAMES"] = before;
  }
}

test("waiting: a long evaluation is waited for without turning the event loop round and round", async () => {
  const gpu = await openDawn();
  const x = normal(randomKey(1, { device: gpu }), [512, 512]);
  const long = () =>
    Array.from({ length: 12 }).reduce((y: typeof x) => y.matmul(x).mul(0.03), x).sum().data();
  await long();
  const { setImmediate, setTimeout } = globalThis;
  let turns = 0;
  let naps = 0;
  const counting: typeof setImmediate = Object.assign(
    (...args: Parameters<typeof setImmediate>) => {
      turns++;
      return setImmediate(...args);
    },
    setImmediate,
  );
  globalThis.setImmediate = counting;
  globalThis.setTimeout = Object.assign(
    (...args: Parameters<typeof setTimeout>) => {
      naps++;
      return setTimeout(...args);
    },
    setTimeout,
  );
  const began = performance.now();
  try {
    await Promise.all([long(), long(), long(), long()]);
    // What a program asks for itself is its own matter, also now.
    assert.equal(globalThis.setImmediate, counting);
  } finally {
    Object.assign(globalThis, { setImmediate, setTimeout });
  }
  const ms = performance.now() - began;
  // On a machine so busy that the call itself takes a millisecond it asks with naps from the start.
  assert.ok(turns + naps > 0, "Dawn asks for no news");
  // Without patience there are 20 to 40 turns a ms.
  assert.ok(turns < 300 + ms, `${turns} turns in ${ms} ms of ${process.version}`);
  gpu.destroy();
});
