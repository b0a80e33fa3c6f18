// Subgroup matrices for drivers that have none: rewrites the few functions of `kernels/gemm_matrix.ts` that use them. A factor
// is where it lies then, and of a matrix of sums each lane keeps eight elements. So all that is around them is tested
// everywhere; what remains for a GPU to show is that its matrices are what the names say. Names and spaces may be shorter: the
// sources are tested as bundles, too.

import assert from "node:assert/strict";
import { DIRECTIVES } from "../backends/webgpu/kernels/gemm_matrix.ts";

/** A shader on its way. */
class Rewriting {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Replaces what is there once, by what its groups say; gives the groups. Spaces in `pattern` stand for any number. */
  replace(pattern: string, by: (...groups: string[]) => string): string[] {
    const found = new RegExp(pattern.replaceAll(" ", "\\s*")).exec(this.text);
    assert.ok(found, `no ${pattern} in ${this.text}`);
    const [whole, ...groups] = found as unknown as [string, ...string[]];
    this.text = this.text.replace(whole, () => by(...groups));
    return groups;
  }
}

/** The shader with loops for matrices. */
function withLoops(code: string): string {
  const shader = new Rewriting(code);
  shader.replace("subgroup_matrix_left<f16 , 16 , 16>", () => "u32");
  shader.replace("subgroup_matrix_right<f16 , 16 , 16>", () => "u32");
  shader.replace("subgroup_matrix_result<f32 , 16 , 16>", () => "array<f32, 8>");
  const load = (order: string) =>
    shader.replace(
      `return subgroupMatrixLoad<\\w+ , ${order}>\\( &(\\w+) , (\\w+) , (\\d+) \\) ;`,
      (_, at) => `return ${at};`,
    );
  // Of either: the memory, the parameter, and how far apart lines are.
  const [left, , leftLine] = load("col_major");
  const [right, , rightLine] = load("row_major");
  // Vulkan wants lines of a matrix to begin at multiples of sixteen bytes.
  assert.deepEqual([leftLine, rightLine].map((line) => Number(line) % 8), [0, 0]);
  // Bounds that are known to the run only: a driver that unrolled the loops would compile for a minute.
  const each = (body: string) => `
  for (var q = 0u; q < eight; q++) {
    let e = q * 32u + in_subgroup;
    ${body}
  }`;
  shader.replace(
    "return subgroupMatrixMultiplyAccumulate\\( (\\w+) , (\\w+) , (\\w+) \\) ;",
    (l, r, sums) =>
      `var all = ${sums};${
        each(`for (var k = 0u; k < 2u * eight; k++) {
      all[q] += f32(${left}[${l} + k * ${leftLine}u + e / 16u]) * f32(${right}[${r} + k * ${rightLine}u + e % 16u]);
    }`)
      }
  return all;`,
  );
  shader.replace(
    "subgroupMatrixStore<row_major>\\( &(\\w+) , (\\w+) , (\\w+) , (\\d+) \\) ;",
    (tile, at, sums, line) =>
      `var all = ${sums};${each(`${tile}[${at} + e / 16u * ${line}u + e % 16u] = all[q];`)}`,
  );
  shader.replace(
    "(@compute[^]*?workgroup_id\\) (\\w+) :[^]*?local_invocation_index\\) (\\w+) : u32[^]*?\\{)",
    (main, workgroup, lane) => `
var<private> in_subgroup: u32;
var<private> eight: u32;
${main}
  in_subgroup = ${lane} % 32u;
  eight = 8u + ${workgroup}.z;`,
  );
  return shader.text;
}

/** Has a device compile shaders with subgroup matrices as if it had them; gives how many there were so far. */
export function emulateMatrices(device: GPUDevice): () => number {
  const original = device.createShaderModule;
  let count = 0;
  device.createShaderModule = (descriptor) => {
    const { code } = descriptor;
    if (!code.startsWith(DIRECTIVES)) return original.call(device, descriptor);
    count++;
    return original.call(device, { ...descriptor, code: withLoops(code.slice(DIRECTIVES.length)) });
  };
  return () => count;
}
