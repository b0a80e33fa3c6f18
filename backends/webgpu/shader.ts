/**
 * Writes the frame of a compute shader: bindings, parameters, the folded grid. Kernels write only their body.
 *
 * A binding may cover no more than the adapter's limit (128 MiB by default; fc6 of AlexNet has 144). So a value is bound
 * as one or several windows, and kernels never see the difference: they read `x(i)` and write `set_x(i, v)`.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import { byteLength, BYTES, type PlanValue } from "./values.ts";

/** The type of an array's elements in a shader. */
export type Element = "f32" | "i32" | "u32" | "f16" | "vec4<f32>" | "vec4<i32>" | "vec4<u32>" | "vec4<f16>";

/** The element of an array that is read one by one; u8 and bool lie four to a word. */
export const ELEMENT: Readonly<Record<DType, Element>> = {
  f32: "f32",
  f16: "f16",
  i32: "i32",
  u32: "u32",
  u8: "u32",
  bool: "u32",
};

/** The element of an array of real numbers. */
export function elementOf({ dtype }: Pick<PlanValue, "dtype">): "f32" | "f16" {
  return dtype === "f16" ? "f16" : "f32";
}

/** A value as a kernel sees it. */
export interface Binding {
  /** In the shader, `name(i)` reads and `set_name(i, v)` writes. */
  readonly name: string;
  readonly value: PlanValue;
  readonly element: Element;
  readonly access: "read" | "write" | "update";
  /** Bind only this part, at most one window of it: for kernels that work through large values in pieces. */
  readonly part?: { readonly byteOffset: number; readonly byteLength: number };
  /** Read the part, which then has `UNIFORM_BYTES`, as a uniform buffer. */
  readonly uniform?: boolean;
}

/** An array that is read, and one that is written, by their elements one by one. */
export function readOf(name: string, value: PlanValue, element: Element = ELEMENT[value.dtype]): Binding {
  return { name, value, element, access: "read" };
}
export function writeOf(name: string, value: PlanValue, element: Element = ELEMENT[value.dtype]): Binding {
  return { name, value, element, access: "write" };
}

/** One dispatch, described. */
export interface Dispatch {
  /** The ops it computes, for messages. */
  readonly label: string;
  /** Their layers, some more than once, where somebody asked for them. */
  readonly layers?: readonly string[];
  /** Multiplications and additions, of products and of element-wise ops. */
  flops?: number;
  /** Where others write the rest of its outputs: how much of them it writes. */
  readonly share?: number;
  readonly bindings: readonly Binding[];
  /** Run-time u32 parameters, `p.name` in the shader. */
  readonly params: Readonly<Record<string, number>>;
  /** Run-time f32 parameters, likewise. */
  readonly floats?: Readonly<Record<string, number>>;
  /** What the shader asks of WGSL, besides f16 and subgroups. */
  readonly directives?: string;
  /** Functions beside main. */
  readonly functions?: string;
  /** The body; `i` is the invocation, `number` its workgroup. */
  readonly body: string;
  readonly invocations: number;
  readonly workgroupSize?: number;
  /**
   * Lanes work together: those of a workgroup all get to its barriers, also those beyond the invocations; those of a
   * subgroup may broadcast too, and know their place in it as `subgroupLane`.
   */
  readonly together?: "workgroup" | "subgroup";
}

const DEFAULT_WORKGROUP = 64;

/** What is bound of a uniform buffer at most, and where that may start: so much every adapter allows. */
export const UNIFORM_BYTES = 65536;
export const UNIFORM_ALIGNMENT = 256;

/** Bytes of an element of a binding. */
function elementBytes(element: Element): number {
  return (element.startsWith("vec4") ? 4 : 1) * (element.includes("f16") ? BYTES.f16 : BYTES.f32);
}

/** How many windows a binding needs. */
export function windowCount(binding: Binding, windowBytes: number): number {
  return binding.part ? 1 : Math.ceil(byteLength(binding.value) / windowBytes);
}

/** The WGSL of a dispatch: its identity as a pipeline. */
export function shaderText(dispatch: Dispatch, windowBytes: number): string {
  const { bindings, params, floats = {}, directives = "", functions = "", body } = dispatch;
  const size = dispatch.workgroupSize ?? DEFAULT_WORKGROUP;
  let slot = 1;
  const storage = bindings.map((binding) => {
    const count = windowCount(binding, windowBytes);
    const text = storageText(binding, slot, count, windowBytes);
    slot += count;
    return text;
  });
  const members = [
    ...Object.keys(params).map((name) => `  ${name}: u32,`),
    ...Object.keys(floats).map((name) => `  ${name}: f32,`),
  ];
  const subgroups = dispatch.together === "subgroup";
  const main = `
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) lane: u32${
    subgroups ? ", @builtin(subgroup_invocation_id) subgroupLane: u32" : ""
  }) {
  // At most 65,535 workgroups fit along an axis: the grid is folded.
  let number = workgroup.y * grid.x + workgroup.x;
  let i = number * ${size}u + lane;
  if (${dispatch.together ? `number * ${size}u` : "i"} >= p.invocations) { return; }
${body}
}`;
  const text = [
    `struct Params {\n  invocations: u32,\n${members.join("\n")}\n}`,
    "@group(0) @binding(0) var<uniform> p: Params;",
    ...storage,
    functions,
    main,
  ].join("\n");
  return directives + (text.includes("f16") ? "enable f16;\n" : "") +
    (subgroups ? "enable subgroups;\n" : "") + text;
}

function storageText(binding: Binding, slot: number, count: number, windowBytes: number): string {
  const { name, element, access, uniform } = binding;
  const mode = access === "read" ? "read" : "read_write";
  const length = uniform ? `, ${UNIFORM_BYTES / elementBytes(element)}` : "";
  const window = `${windowBytes / elementBytes(element)}u`;
  const names = Array.from({ length: count }, (_, w) => `${name}_${w}`);
  const lines = names.map((each, w) =>
    `@group(0) @binding(${slot + w}) var<${
      uniform ? "uniform" : `storage, ${mode}`
    }> ${each}: array<${element}${length}>;`
  );
  const pick = (use: (each: string, index: string) => string) =>
    names.map((each, w) => {
      const text = use(each, w === 0 ? "i" : `i - ${w}u * ${window}`);
      return w === count - 1 ? `  ${text}` : `  if (i < ${w + 1}u * ${window}) { ${text} }`;
    }).join("\n");
  if (access !== "write") {
    lines.push(
      `fn ${name}(i: u32) -> ${element} {\n${pick((each, index) => `return ${each}[${index}];`)}\n}`,
    );
  }
  if (access !== "read") {
    lines.push(
      `fn set_${name}(i: u32, v: ${element}) {\n${
        pick((each, index) => `${each}[${index}] = v; return;`)
      }\n}`,
    );
  }
  return lines.join("\n");
}

/** The parameters as words, in the order of the struct. */
export function paramWords({ invocations, params, floats = {} }: Dispatch): Uint32Array {
  const words = [invocations, ...Object.values(params)];
  const bits = new Uint32Array(new Float32Array(Object.values(floats)).buffer);
  return Uint32Array.from([...words.map((word) => word >>> 0), ...bits]);
}

/** The grid of a dispatch: [x, y] workgroups. */
export function gridOf(dispatch: Dispatch, limit: number): [number, number] {
  const total = Math.ceil(dispatch.invocations / (dispatch.workgroupSize ?? DEFAULT_WORKGROUP));
  const y = Math.ceil(total / limit);
  return [Math.ceil(total / Math.max(1, y)), y];
}
