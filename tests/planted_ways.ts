// A kernel that has a choice, some of it wrong: what the tests of the tuner plant.

import assert from "node:assert/strict";
import { kernels } from "../backends/webgpu/kernels/mod.ts";
import type { DispatchKernel, KernelContext } from "../backends/webgpu/kernels/types.ts";
import { device, tensor } from "../mod.ts";

const often = (times: number) => `
    var y = x(2u * i);
    for (var k = 0u; k < ${times}u * p.one; k++) { y = max(y, x(2u * i + k % 2u)); }
    set_y(i, y);`;

/** The names of what can be planted. */
export type Way =
  | "slow"
  | "faster"
  | "fast"
  | "rounded"
  | "wrong"
  | "a half"
  | "not a number"
  | "not WGSL"
  | "faster or fast";

/** Ways to compute the larger of two neighbours. */
const WAYS: Readonly<Record<Way, string>> = {
  "slow": often(20000),
  "faster": often(5000),
  "fast": "set_y(i, max(x(2u * i), x(2u * i + 1u)));",
  "rounded": "set_y(i, max(x(2u * i), x(2u * i + 1u)) + 1e-6);",
  "wrong": "set_y(i, x(2u * i));",
  "a half": "if (i % 2u == 0u) { set_y(i, max(x(2u * i), x(2u * i + 1u))); }",
  "not a number": "set_y(i, bitcast<f32>(p.nan));",
  "not WGSL": "set_y(i, nonsense);",
  /** Has a choice of its own. */
  "faster or fast": "",
};

/** Puts a kernel in the place of max's that chooses between ways, the first its guess; `taken` has what it was given. */
export async function planted(ways: readonly Way[], work: (taken: Way[]) => Promise<void>): Promise<void> {
  const taken: Way[] = [];
  const table = kernels as { max: unknown };
  const original = kernels.max as DispatchKernel<never>;
  const candidates = ways.map((name) => ({ name }));
  table.max = {
    kind: "dispatch",
    emit({ inputs: [x], outputs: [y], choose, dispatch }: KernelContext<never>) {
      const inner = [{ name: "faster" }, { name: "fast" }] as const;
      const { name: outer } = choose("planted", candidates, candidates[0]!);
      const { name } = outer === "faster or fast" ? choose("inner", inner, inner[0]) : { name: outer };
      taken.push(name);
      dispatch({
        bindings: [
          { name: "x", value: x!.value, element: "f32", access: "read" },
          { name: "y", value: y!, element: "f32", access: "write" },
        ],
        params: { one: 1, nan: 0x7fc00000 },
        body: WAYS[name],
        invocations: y!.length,
      });
    },
  };
  try {
    await work(taken);
  } finally {
    table.max = original;
  }
}

/** Operands in pairs. */
export const PAIRS: Float32Array<ArrayBuffer> = Float32Array.from({ length: 512 }, (_, i) => i * 37 % 101);
const LARGER = Array.from({ length: 256 }, (_, i) => Math.max(PAIRS[2 * i]!, PAIRS[2 * i + 1]!));

/** The way that a device with this setting takes; its result has to be right. */
export async function wayOf(tune: "off" | "cached" | "on", taken: readonly Way[]): Promise<Way> {
  const gpu = await device("webgpu", { tune });
  const x = tensor(PAIRS, { shape: [256, 2], device: gpu });
  assert.deepEqual([...await x.max({ axis: 1 }).data()].map(Math.round), LARGER);
  // Once more: the answer is known.
  const before = taken.length;
  assert.deepEqual([...await x.max({ axis: 1 }).neg().neg().data()].map(Math.round), LARGER);
  assert.ok(taken.length <= before + 2);
  gpu.destroy();
  return taken.at(-1)!;
}
