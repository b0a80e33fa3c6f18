// The guard of `backends/webgpu/guard.ts` finds what it is there for: a kernel that leaves an element out, one that reads
// beyond an array, one that writes beyond. The agreement suite and the graph fuzz run guarded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Guard } from "../backends/webgpu/guard.ts";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import type { DispatchKernel, KernelContext } from "../backends/webgpu/kernels/types.ts";
import { webgpuDevice } from "../backends/webgpu/mod.ts";
import { tensor } from "../mod.ts";

const maxKernel = kernels.max as DispatchKernel<never>;

/** Computes max over the last axis of [4, 2] by another kernel in place of the right one. */
async function maxBy(
  body: string,
  invocations: number,
  dtype: "f32" | "i32" = "f32",
): Promise<readonly number[]> {
  const wrong = {
    kind: "dispatch",
    emit({ inputs: [x], outputs: [y], dispatch }: KernelContext<never>) {
      dispatch({
        bindings: [
          { name: "x", value: x!.value, element: dtype, access: "read" },
          { name: "y", value: y!, element: dtype, access: "write" },
        ],
        params: {},
        body,
        invocations,
      });
    },
  } as const;
  const table = kernels as { max: unknown };
  table.max = wrong;
  // A device of its own: plans are kept under the graph's structure, not under the kernels.
  const guarded = await webgpuDevice("auto", { guard: Guard });
  try {
    const x = tensor([[1, 2], [3, 4], [5, 6], [7, 8]], { dtype, device: guarded });
    return Array.from(await x.max({ axis: 1 }).data());
  } finally {
    table.max = maxKernel;
    guarded.destroy();
  }
}

test("guard: a right kernel passes", async () => {
  const right = "set_y(i, max(x(2u * i), x(2u * i + 1u)));";
  assert.deepEqual(await maxBy(right, 4), [2, 4, 6, 8]);
});

test("guard: an element that is left out is NaN", async () => {
  const values = await maxBy("if (i != 2u) { set_y(i, x(2u * i + 1u)); }", 4);
  assert.deepEqual(values, [2, 4, NaN, 8]);
});

test("guard: what is read beyond an array is NaN", async () => {
  const values = await maxBy("set_y(i, x(2u * i + 3u));", 4);
  assert.deepEqual(values, [4, 6, 8, NaN]);
});

test("guard: an integer that is left out is none that a kernel would write", async () => {
  const values = await maxBy("if (i != 2u) { set_y(i, x(2u * i + 1u)); }", 4, "i32");
  assert.deepEqual(values, [2, 4, 0x7fc37fa9, 8]);
});

test("guard: a -1 that is written beyond an array is found", async () => {
  const beyond = "if (i < 4u) { set_y(i, x(2u * i + 1u)); } else { set_y(i, -1); }";
  await assert.rejects(maxBy(beyond, 5, "i32"), /^Error: guard: max: y was written 0 bytes beyond its end$/);
});

test("guard: what is written beyond an array is found, and named", async () => {
  const beyond = "if (i < 4u) { set_y(i, x(2u * i + 1u)); } else { set_y(i + 3u, 1.0); }";
  await assert.rejects(maxBy(beyond, 5), /^Error: guard: max: y was written 1\d bytes beyond its end$/);
});
