// What is published to JSR: every module that the two entries reach is in it, or they load nowhere but here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { test } from "node:test";
import { root } from "./start.ts";

const read = (file: string) => readFileSync(join(root, file), "utf8");

/** The modules that a module reaches, itself included, as paths from the root; imports on demand count. */
function reached(entry: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  for (const [, path] of read(entry).matchAll(/^(?! *\*).*(?:\bfrom |\bimport\(|\bimport )"(\.[^"]+)"/gm)) {
    reached(posix.join(dirname(entry), path!), found);
  }
  return found;
}

test("publish: every module that mod.ts and debug/mod.ts reach is included", () => {
  const { exports, publish } = JSON.parse(read("deno.json")) as {
    exports: Readonly<Record<string, string>>;
    publish: { readonly include: readonly string[] };
  };
  const modules = [
    ...new Set(Object.values(exports).flatMap((entry) => [...reached(posix.normalize(entry))])),
  ];
  // The walk finds what is imported on demand, and what only types are taken from.
  for (const one of ["backends/cpu/mod.ts", "backends/webgpu/kernels/conv2d.ts", "tensor/state.ts"]) {
    assert.ok(modules.includes(one), `${one} of ${modules.length}`);
  }
  const included = (file: string) =>
    publish.include.some((each) => file === each || file.startsWith(`${each}/`));
  assert.deepEqual(modules.filter((file) => !included(file)), []);
});
