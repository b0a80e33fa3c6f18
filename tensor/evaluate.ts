/**
 * Evaluation on all devices at once.
 *
 * @module
 */

import type { Tensor } from "./tensor.ts";

/**
 * Computes tensors on their devices without reading them back; reading one afterwards costs only the transfer. Values
 * stay on the device, the oldest of many move to the host by themselves.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, evaluate, ones, setDefaultDevice } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = ones([2]).add(1);
 * const y = x.mul(3);
 * await evaluate(x, y); // one pass, in which x is computed once
 * assert.deepEqual([await x.array(), await y.array()], [[2, 2], [6, 6]]); // only the transfers
 * ```
 *
 * @throws {Error} when a tensor was made from a parameter or input slot that has been updated since.
 * @throws {Error} when the device fails; the sentence names the op.
 */
export async function evaluate(...tensors: readonly Tensor[]): Promise<void> {
  const devices = [...new Set(tensors.map((tensor) => tensor.device))];
  await Promise.all(
    devices.map((device) => device.evaluate(tensors.filter((tensor) => tensor.device === device), false)),
  );
}
