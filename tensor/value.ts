/**
 * What tensors are made from, and what their numbers are kept and read as.
 *
 * @module
 */

import type { Storage } from "./device.ts";
import type { HostArray } from "./dtype.ts";
import type { State } from "./state.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Where a tensor's numbers are: read or made on the host, in device memory of the tensor's own, or in that of a
 * state. Host data is the truth; device copies of it are a backend's caches.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, evaluate, setDefaultDevice, tensor, type Value } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const x = tensor([1]);
 * const y = x.add(1);
 * const where = (value: Value | null) => value?.kind ?? "nowhere";
 * assert.deepEqual([where(x.value), where(y.value)], ["host", "nowhere"]);
 * await evaluate(y);
 * assert.equal(where(y.value), "resident"); // on the device
 * await y.data();
 * assert.equal(where(y.value), "host");
 * ```
 */
export type Value =
  | { readonly kind: "host"; readonly data: HostArray }
  | { readonly kind: "resident"; readonly storage: Storage }
  | { readonly kind: "state"; readonly state: State; readonly version: number };

/**
 * An operand: a tensor, or a number that takes the other operand's device, and its dtype where that holds the
 * number (see `add`).
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type Operand, setDefaultDevice, sub, tensor, type Tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const mix = (a: Tensor, b: Operand, share: Operand) => a.add(sub(b, a).mul(share));
 * const x = tensor([0, 10]);
 * assert.deepEqual(await mix(x, 20, 0.5).array(), [10, 15]);
 * assert.deepEqual(await mix(x, tensor([100, 100]), tensor([0, 1])).array(), [0, 100]);
 * ```
 */
export type Operand = Tensor | number;

/**
 * Nested lists of numbers, as deep as the tensor has axes; of a scalar, the number.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, type NestedArray, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const rows: NestedArray = await tensor([[1, 2], [3, 4]]).array();
 * assert.deepEqual(rows, [[1, 2], [3, 4]]);
 * const scalar: NestedArray = await tensor(5).array();
 * assert.equal(scalar, 5);
 * ```
 */
export type NestedArray = number | NestedArray[];
