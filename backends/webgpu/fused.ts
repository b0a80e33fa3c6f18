/**
 * Writes a group of element-wise steps as WGSL: as a kernel of its own, four elements an invocation, or as the `store`
 * function of the kernel that it was fused behind, one element at a time.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import { type Code, COMPUTED, Loader, vector, type Width, writeStore } from "./access.ts";
import type { Limits } from "./compile.ts";
import { onCores } from "./cores.ts";
import type { Group } from "./fuse.ts";
import { elementwiseLibrary } from "./kernels/elementwise.ts";
import { randomLibrary } from "./kernels/random.ts";
import { timesOf } from "./kernels/multiples.ts";
import type { Emitter, IndexedKernel, Known, Sink } from "./kernels/types.ts";
import type { ElementwiseStep } from "./lower.ts";
import type { Dispatch } from "./shader.ts";
import { BYTES, type PlanValue } from "./values.ts";

/**
 * How many vectors an invocation computes. Lanes of a GPU take neighbours; a lane of a processor's few takes a run, since
 * starting a lane costs as much there as a load, and constants are then loaded once.
 */
function runOf(vectors: number, parallelism: number): number {
  return onCores(parallelism) ? Math.max(1, Math.min(8, Math.floor(vectors / parallelism / 4))) : 1;
}

/** The dispatches of a group without a head: one, or one a window where a value is larger than a binding. */
export function groupDispatches(
  group: Group,
  scalars: PlanValue,
  limits: Omit<Limits, "choose"> & Pick<Emitter, "choose">,
): Omit<Dispatch, "label">[] {
  const code: Code = { bindings: [], params: {}, functions: [], constants: [], lines: [] };
  writeGroup(group, scalars, 4, code, null);
  const whole = code.bindings.filter((binding) => binding.part);
  // Pieces of the same number of elements in every array, the widest of which fills a window.
  const widest = Math.max(...whole.map(({ value }) => BYTES[value.dtype]));
  const piece = limits.windowBytes / widest;
  const workgroupSize = Math.min(limits.abilities.workgroupLanes, 128 * timesOf(limits, "workgroup"));
  const longer = timesOf(limits, "run");
  const dispatches: Omit<Dispatch, "label">[] = [];
  for (let base = 0; base < group.length; base += piece) {
    const elements = Math.min(piece, group.length - base);
    const bindings = code.bindings.map((binding) => {
      if (!binding.part) return binding;
      const bytes = BYTES[binding.value.dtype];
      const byteLength = Math.ceil(elements * bytes / 16) * 16;
      return { ...binding, part: { byteOffset: base * bytes, byteLength } };
    });
    const vectors = Math.ceil(elements / 4);
    const run = Math.ceil(runOf(vectors, limits.parallelism) * longer);
    dispatches.push({
      flops: group.steps.length * elements,
      bindings,
      params: { base, last: group.length - 1, vectors, run, ...code.params },
      functions: code.functions.join("\n"),
      body: `${code.constants.map(({ name, value }) => `  let ${name} = ${value};`).join("\n")}
  let first = i * p.run;
  for (var n = first; n < min(first + p.run, p.vectors); n++) {
    let i = n;
    let e = p.base + 4u * i;
  ${code.lines.join("\n  ")}
  }`,
      invocations: Math.ceil(vectors / run),
      workgroupSize,
    });
  }
  return dispatches;
}

/**
 * The store of a kernel that a group was fused behind, so many elements at a time; `group` null: a plain store. `start`
 * belongs before the kernel's body: constants are loaded once, however much it stores.
 */
export function sinkOf(
  output: PlanValue,
  group: Group | null,
  scalars: PlanValue,
  width: Width,
  known?: Known,
): { readonly sink: Sink; readonly start: string } {
  const code: Code = { bindings: [], params: {}, functions: [], constants: [], lines: [], known };
  if (group) writeGroup(group, scalars, width, code, output);
  else writeStore(output, "head", "out0", width, code);
  const signature = width === 1 ? "store(e: u32, head: f32)" : "store_four(i: u32, head: vec4<f32>)";
  const lines = width === 1 ? code.lines : ["  let e = 4u * i;", ...code.lines];
  const constants = code.constants.map(({ name, type }) => `var<private> ${name}: ${type};`);
  const sink = {
    // A kernel that gathers has its arrays whole.
    bindings: code.bindings.map(({ part: _, ...binding }) => binding),
    params: group ? { last: group.length - 1, ...code.params } : {},
    functions: [...constants, ...code.functions, `fn ${signature} {\n${lines.join("\n")}\n}`].join("\n"),
  };
  return { sink, start: code.constants.map(({ name, value }) => `  ${name} = ${value};\n`).join("") };
}

/** Writes loads, expressions and stores; element `e` (the first of `width`) is computed by invocation `i`. */
function writeGroup(
  group: Group,
  scalars: PlanValue,
  width: Width,
  code: Code,
  head: PlanValue | null,
): void {
  const names = new Map<PlanValue, string>(head ? [[head, rounded("head", head.dtype, width)]] : []);
  const stores = new Map(group.stores.map((value, k) => [value, `out${k}`]));
  const loader = new Loader(group, stores, scalars, width, code);
  for (const step of group.steps) {
    const { dtype } = step.output;
    const name = `v${names.size}`;
    const expression = step.kernel.kind === "indexed"
      ? writeIndexed(step, step.kernel, name, loader, width, code)
      : step.kernel.expression(step.inputs.map((view) => names.get(view.value) ?? loader.load(view)), {
        attributes: step.attributes,
        inputs: step.inputs.map(({ value }) => value.dtype),
        output: dtype,
        width,
        literal: (value, type) => width === 4 ? `vec4<${type}>(${value})` : `${type}(${value})`,
      });
    code.lines.push(`  let ${name} = ${rounded(expression, dtype, width)};`);
    names.set(step.output, name);
  }
  for (const value of group.stores) writeStore(value, names.get(value)!, stores.get(value)!, width, code);
  const text = [...code.functions, ...code.lines].join("\n");
  const called = Object.entries({ ...elementwiseLibrary, ...randomLibrary }).filter(([name]) =>
    text.includes(`${name}(`)
  );
  code.functions.unshift(...called.map(([, write]) => write(vector("f32", width), vector("bool", width))));
}

/** Declares the function of an indexed step and calls it for each element. */
function writeIndexed(
  step: ElementwiseStep,
  kernel: IndexedKernel<never>,
  name: string,
  loader: Loader,
  width: Width,
  code: Code,
): string {
  const type = COMPUTED[step.output.dtype];
  const args = step.inputs.map((view) => loader.function(view));
  let params = 0;
  const context = {
    attributes: step.attributes,
    inputs: step.inputs.map((view) => view.shape),
    shape: step.shape,
    output: step.output.dtype,
    type,
    // By position, not by value, so that shapes that happen to agree in an extent do not make another shader.
    param: (value: number) => {
      const word = `${name}_${params++}`;
      code.params[word] = value;
      return `p.${word}`;
    },
  };
  const four = width === 4 ? kernel.four?.(args, context) : undefined;
  if (four !== undefined) {
    code.functions.push(`fn ${name}_of(e: u32) -> vec4<${type}> {\n${four}\n}`);
    return `${name}_of(e)`;
  }
  code.functions.push(`fn ${name}_of(e: u32) -> ${type} {\n${kernel.element(args, context)}\n}`);
  const each = (k: number) => `${name}_of(min(e + ${k}u, p.last))`;
  return width === 1 ? `${name}_of(e)` : `vec4<${type}>(${[0, 1, 2, 3].map(each).join(", ")})`;
}

/** An f16 result is rounded after every op, as if each had been stored. */
function rounded(expression: string, dtype: DType, width: Width): string {
  return dtype === "f16" ? `${vector("f32", width)}(${vector("f16", width)}(${expression}))` : expression;
}
