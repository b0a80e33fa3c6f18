// The faults that samples of a few lines have, and that a seed always chooses the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyEdit } from "../../scripts/mutate/edit.ts";
import { type Mutant, mutantsOf, shuffled } from "../../scripts/mutate/places.ts";

/** What the lines become, by operator. */
function faults(file: string, text: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const mutant of mutantsOf(file, text)) (found[mutant.operator] ??= []).push(applyEdit(text, mutant));
  return found;
}

const inCpu = (text: string) => faults("backends/cpu/kernels/sample.ts", text);
const inShader = (body: string) => {
  const found = faults("backends/webgpu/kernels/sample.ts", `const s = \`${body}\`;`);
  return Object.fromEntries(
    Object.entries(found).map(([operator, texts]) => [operator, texts.map((text) => text.slice(11, -2))]),
  );
};

test("TypeScript: the faults of a condition", () => {
  assert.deepEqual(inCpu("if (row < 0 || row >= height) f();"), {
    "skipped-check": [
      "if (true) f();",
      "if (false) f();",
      "if (row < 0) f();",
      "if (row >= height) f();",
    ],
    boolean: ["if (row < 0 && row >= height) f();"],
    relational: ["if (row <= 0 || row >= height) f();", "if (row < 0 || row > height) f();"],
    "off-by-one": ["if (row < 1 || row >= height) f();"],
    "dropped-statement": ["if (row < 0 || row >= height) ;"],
  });
});

test("TypeScript: the faults of a sum, a pair and an op", () => {
  assert.deepEqual(inCpu("s[i * n + j] = a;"), {
    "dropped-statement": [";"],
    "off-by-one": ["s[i * n + j + 1] = a;"],
    arithmetic: ["s[i * n - j] = a;", "s[i + n + j] = a;", "s[i / n + j] = a;"],
    "dropped-term": ["s[i * n] = a;", "s[j] = a;"],
    "swapped-axis": ["s[j * n + j] = a;", "s[i * n + i] = a;"],
  });
  assert.deepEqual(inCpu("const g = [p, mul(neg(q), r)];"), {
    "swapped-axis": ["const g = [mul(neg(q), r), p];"],
    "dropped-op": ["const g = [p, neg(q)];", "const g = [p, mul(q, r)];"],
  });
});

test("TypeScript: types, imports and errors are left alone", () => {
  const text = `import { a } from "./a.ts";
type Pair = readonly [1, 2];
function f(x: 3): 4 {
  throw new RangeError(\`\${x + 1} < 2\`);
}`;
  assert.deepEqual(inCpu(text), {});
});

test("WGSL: comparisons, indices, checks and statements, but no types and no comments", () => {
  assert.deepEqual(inShader("var<storage, read> x: array<vec4<f32>, 4>; // i < 1\n"), {});
  assert.deepEqual(inShader("if (k < ${n}u) { sum += a(k); }"), {
    relational: ["if (k <= ${n}u) { sum += a(k); }"],
    arithmetic: ["if (k < ${n}u) { sum -= a(k); }"],
    "off-by-one": ["if (k < ${n}u) { sum += a(k + 1u); }"],
    "skipped-check": ["if (true) { sum += a(k); }", "if (false) { sum += a(k); }"],
    "dropped-statement": ["if (k < ${n}u) {  }"],
  });
  assert.deepEqual(inShader("workgroupBarrier();"), { "dropped-barrier": [""] });
  assert.deepEqual(inShader("let at = group * p.aGroup + min(k, last);"), {
    arithmetic: [
      "let at = group + p.aGroup + min(k, last);",
      "let at = group / p.aGroup + min(k, last);",
      "let at = group * p.aGroup - min(k, last);",
    ],
    "dropped-term": ["let at = group * p.aGroup;", "let at = min(k, last);"],
    "skipped-check": ["let at = group * p.aGroup + (k);", "let at = group * p.aGroup + (last);"],
    "min-max": ["let at = group * p.aGroup + max(k, last);"],
  });
});

test("a seed chooses the same mutants, one a place", () => {
  const text = "a[i] = b[j + 1] - c * (x < y ? 2 : 3);";
  const ids = (mutants: readonly Mutant[]) => mutants.map(({ id }) => id);
  const all = mutantsOf("tensor/ops/sample.ts", text);
  const order = shuffled(all, 7);
  assert.deepEqual(ids(shuffled(all, 7)), ids(order));
  assert.notDeepEqual(ids(shuffled(all, 8)), ids(order));
  assert.equal(new Set(order.map(({ start }) => start)).size, order.length);
  assert.equal(new Set(ids(all)).size, all.length);
});
