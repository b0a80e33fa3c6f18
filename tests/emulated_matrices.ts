// Subgroup matrices for drivers that have none: rewrites the few functions of `kernels/gemm_matrix.ts` that use them. A factor
// is where it lies then, and of a matrix of sums each lane keeps eight elements. So all that is around them is tested
// everywhere; what remains for a GPU to show is that its matrices are what the names say.

import assert from "node:assert/strict";
import { DIRECTIVES } from "../backends/webgpu/kernels/gemm_matrix.ts";

/** From what is in the shader to what has no matrices. */
const REWRITTEN: readonly (readonly [RegExp, string])[] = [
  [/subgroup_matrix_left<f16, 16, 16>/, "u32"],
  [/subgroup_matrix_right<f16, 16, 16>/, "u32"],
  [/subgroup_matrix_result<f32, 16, 16>/, "array<f32, 8>"],
  [
    /fn left(.*) \{ return subgroupMatrixLoad<Left, col_major>\(&a_tile, at, (\d+)\); \}/,
    "const a_line = $2u; fn left$1 { return at; }",
  ],
  [
    /fn right(.*) \{ return subgroupMatrixLoad<Right, row_major>\(&b_tile, at, (\d+)\); \}/,
    "const b_line = $2u; fn right$1 { return at; }",
  ],
  [
    /return subgroupMatrixMultiplyAccumulate\(l, r, sums\);/,
    `var all = sums;
  for (var q = 0u; q < 8u * p.one; q++) {
    let e = q * 32u + in_subgroup;
    for (var k = 0u; k < 16u * p.one; k++) {
      all[q] += f32(a_tile[l + k * a_line + e / 16u]) * f32(b_tile[r + k * b_line + e % 16u]);
    }
  }
  return all;`,
  ],
  [
    /subgroupMatrixStore<row_major>\(&sums_tile, at, sums, (\d+)\);/,
    `var all = sums;
  for (var q = 0u; q < 8u * p.one; q++) {
    let e = q * 32u + in_subgroup;
    sums_tile[at + e / 16u * $1u + e % 16u] = all[q];
  }`,
  ],
  [/(@compute[^]*?\{\n)/, "var<private> in_subgroup: u32;\n$1  in_subgroup = lane % 32u;\n"],
];

/** Has a device compile shaders with subgroup matrices as if it had them; gives how many there were so far. */
export function emulateMatrices(device: GPUDevice): () => number {
  const original = device.createShaderModule;
  let count = 0;
  device.createShaderModule = (descriptor) => {
    const { code } = descriptor;
    if (!code.startsWith(DIRECTIVES)) return original.call(device, descriptor);
    count++;
    const plain = REWRITTEN.reduce((text, [from, to]) => {
      assert.match(text, from);
      return text.replace(from, to);
    }, code.slice(DIRECTIVES.length));
    return original.call(device, { ...descriptor, code: plain });
  };
  return () => count;
}
