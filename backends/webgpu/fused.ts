/**
 * Writes a group of element-wise steps as WGSL: as a kernel of its own, four elements an invocation, or as the `store`
 * function of the kernel that it was fused behind, one element at a time.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import type { Group } from "./fuse.ts";
import { elementwiseLibrary } from "./kernels/elementwise.ts";
import { randomLibrary } from "./kernels/random.ts";
import type { IndexedKernel, Sink } from "./kernels/types.ts";
import type { ElementwiseStep } from "./lower.ts";
import type { Binding, Dispatch, Element } from "./shader.ts";
import { BYTES, isWhole, type PlanValue, simplify, type View } from "./values.ts";

/** The type that elements are computed in. */
const COMPUTED: Readonly<Record<DType, string>> = {
  f32: "f32",
  f16: "f32",
  i32: "i32",
  u32: "u32",
  u8: "u32",
  bool: "bool",
};

/** The type of an array of single elements; u8 and bool lie four to a word. */
const STORED: Readonly<Record<DType, Element>> = {
  f32: "f32",
  f16: "f16",
  i32: "i32",
  u32: "u32",
  u8: "u32",
  bool: "u32",
};

type Width = 1 | 4;

interface Code {
  readonly bindings: Binding[];
  readonly params: Record<string, number>;
  readonly functions: string[];
  readonly lines: string[];
}

function vector(type: string, width: Width): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/** The dispatches of a group without a head: one, or one a window where a value is larger than a binding. */
export function groupDispatches(
  group: Group,
  scalars: PlanValue,
  windowBytes: number,
): Omit<Dispatch, "label">[] {
  const code: Code = { bindings: [], params: {}, functions: [], lines: [] };
  writeGroup(group, scalars, 4, code, null);
  const whole = code.bindings.filter((binding) => binding.part);
  // Pieces of the same number of elements in every array, the widest of which fills a window.
  const widest = Math.max(...whole.map(({ value }) => BYTES[value.dtype]));
  const piece = windowBytes / widest;
  const dispatches: Omit<Dispatch, "label">[] = [];
  for (let base = 0; base < group.length; base += piece) {
    const elements = Math.min(piece, group.length - base);
    const bindings = code.bindings.map((binding) => {
      if (!binding.part) return binding;
      const bytes = BYTES[binding.value.dtype];
      const byteLength = Math.ceil(elements * bytes / 16) * 16;
      return { ...binding, part: { byteOffset: base * bytes, byteLength } };
    });
    dispatches.push({
      bindings,
      params: { base, last: group.length - 1, ...code.params },
      functions: code.functions.join("\n"),
      body: ["  let e = p.base + 4u * i;", ...code.lines].join("\n"),
      invocations: Math.ceil(elements / 4),
      workgroupSize: 128,
    });
  }
  return dispatches;
}

/** The store of a kernel that a group was fused behind; `group` null: a plain store. */
export function sinkOf(output: PlanValue, group: Group | null, scalars: PlanValue): Sink {
  const code: Code = { bindings: [], params: {}, functions: [], lines: [] };
  if (group) writeGroup(group, scalars, 1, code, output);
  else {
    code.bindings.push({ name: "out0", value: output, element: STORED[output.dtype], access: "write" });
    code.lines.push(`  set_out0(e, ${STORED[output.dtype]}(head));`);
  }
  const functions = [...code.functions, `fn store(e: u32, head: f32) {\n${code.lines.join("\n")}\n}`].join(
    "\n",
  );
  return {
    bindings: code.bindings,
    params: group ? { last: group.length - 1, ...code.params } : {},
    functions,
  };
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
  const library = Object.entries({ ...elementwiseLibrary, ...randomLibrary }).filter(([name]) =>
    text.includes(`${name}(`)
  );
  code.functions.unshift(...library.map(([, write]) => write(vector("f32", width), vector("bool", width))));
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
  const known = new Map<number, string>();
  const context = {
    attributes: step.attributes,
    inputs: step.inputs.map((view) => view.shape),
    shape: step.shape,
    output: step.output.dtype,
    type,
    // By position, not by value, so that shapes that happen to agree in an extent do not make another shader.
    param: (value: number) => {
      const word = `${name}_${known.size}`;
      known.set(known.size, word);
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

/** Loads what a group reads, each view once. */
class Loader {
  readonly #loaded: Map<string, string> = new Map();
  readonly #ids: Map<PlanValue, number> = new Map();
  readonly #group: Group;
  readonly #stores: ReadonlyMap<PlanValue, string>;
  readonly #scalars: PlanValue;
  readonly #width: Width;
  readonly #code: Code;
  #constants = 0;

  constructor(
    group: Group,
    stores: ReadonlyMap<PlanValue, string>,
    scalars: PlanValue,
    width: Width,
    code: Code,
  ) {
    this.#group = group;
    this.#stores = stores;
    this.#scalars = scalars;
    this.#width = width;
    this.#code = code;
  }

  /** A variable that holds the view's elements at `e`. */
  load(view: View): string {
    return this.#once(view, "x", (name) => {
      const width = this.#width;
      const inPlace = isWhole(view) && width === 4 ? inPlaceOf(view.value, this.#group, this.#stores) : null;
      const text = view.value.home.kind === "scalar"
        ? `${vector(COMPUTED[view.value.dtype], width)}(${this.#constant(view.value, view.value.home.index)})`
        : writeLoad(view, `in_${name}`, width, this.#code, inPlace);
      this.#code.lines.push(`  let ${name} = ${text};`);
    });
  }

  /** A function from an element's number in the view to the element. */
  function(view: View): string {
    return this.#once(view, "f", (name) => {
      const text = view.value.home.kind === "scalar"
        ? this.#constant(view.value, view.value.home.index)
        : writeLoad(view, `in_${name}`, 1, this.#code, null);
      this.#code.functions.push(`fn ${name}(e: u32) -> ${COMPUTED[view.value.dtype]} { return ${text}; }`);
    });
  }

  #once(view: View, prefix: string, write: (name: string) => void): string {
    if (!this.#ids.has(view.value)) this.#ids.set(view.value, this.#ids.size);
    const key = `${prefix}${this.#ids.get(view.value)}:${view.shape}:${view.strides}:${view.offset}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) return known;
    const name = `${prefix}${this.#loaded.size}`;
    this.#loaded.set(key, name);
    write(name);
    return name;
  }

  /** A word of the plan's scalars. */
  #constant({ dtype }: PlanValue, index: number): string {
    if (this.#constants === 0) {
      this.#code.bindings.push({ name: "scalars", value: this.#scalars, element: "u32", access: "read" });
    }
    const word = `c${this.#constants++}`;
    this.#code.params[word] = index;
    const type = COMPUTED[dtype];
    return type === "bool" ? `(scalars(p.${word}) != 0u)` : `bitcast<${type}>(scalars(p.${word}))`;
  }
}

/** The store that overwrites the state this value reads, if there is one: then both are one binding. */
function inPlaceOf(value: PlanValue, group: Group, stores: ReadonlyMap<PlanValue, string>): string | null {
  const { home } = value;
  if (home.kind !== "state") return null;
  const target = group.stores.find(({ home: other }) =>
    other.kind === "state" && other.storage === home.storage
  );
  return target ? stores.get(target)! : null;
}

/** An f16 result is rounded after every op, as if each had been stored. */
function rounded(expression: string, dtype: DType, width: Width): string {
  return dtype === "f16" ? `${vector("f32", width)}(${vector("f16", width)}(${expression}))` : expression;
}

function writeLoad(view: View, name: string, width: Width, code: Code, inPlace: string | null): string {
  const { value } = view;
  const { dtype } = value;
  const bytes = dtype === "u8" || dtype === "bool";
  const type = vector(COMPUTED[dtype], width);
  if (isWhole(view) && width === 4) {
    const element: Element = bytes ? "u32" : `vec4<${STORED[dtype]}>` as Element;
    const from = inPlace ?? name;
    // In place, the store's binding reads too; `writeStore` leaves it alone.
    code.bindings.push({ name: from, value, element, access: inPlace ? "update" : "read", part: WHOLE });
    return bytes ? fromWord(`${from}(i)`, dtype) : `${type}(${from}(i))`;
  }
  const { shape, strides, offset } = simplify(view);
  const index = isWhole(view) ? (at: string) => at : writeIndex(name, shape, strides, offset, code);
  const last = shape.length - 1;
  const by4 = (x: number | undefined) => x! % 4 === 0;
  const rows = last >= 0 && by4(shape[last]) && width === 4;
  if (rows && strides[last] === 1 && by4(offset) && strides.slice(0, last).every(by4) && !bytes) {
    code.bindings.push({ name, value, element: `vec4<${STORED[dtype]}>` as Element, access: "read" });
    return `${type}(${name}(${index("min(e, p.last)")} / 4u))`;
  }
  code.bindings.push({ name, value, element: STORED[dtype], access: "read" });
  const single = (at: string) => {
    const element = bytes ? byteOf(name, at) : `${name}(${at})`;
    return COMPUTED[dtype] === "bool" ? `(${element} != 0u)` : `${COMPUTED[dtype]}(${element})`;
  };
  // All four stand for one element where the last axis repeats, or there is no axis left.
  if (last < 0 || (rows && strides[last] === 0)) return `${type}(${single(index("min(e, p.last)"))})`;
  const each = (k: number) => single(index(width === 1 ? "e" : `min(e + ${k}u, p.last)`));
  return width === 1 ? each(0) : `${type}(${[0, 1, 2, 3].map(each).join(", ")})`;
}

/** Bind the part that the dispatch works on; the extent is filled in for each dispatch. */
const WHOLE = { byteOffset: 0, byteLength: 0 };

function byteOf(name: string, at: string): string {
  return `((${name}((${at}) >> 2u) >> (8u * ((${at}) & 3u))) & 255u)`;
}

function fromWord(word: string, dtype: DType): string {
  const quarters = `((vec4<u32>(${word}) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u))`;
  return dtype === "bool" ? `(${quarters} != vec4<u32>(0u))` : quarters;
}

/** Declares the function from an element's number to its place in memory, whose extents and strides are parameters. */
function writeIndex(
  name: string,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  code: Code,
): (e: string) => string {
  code.params[`${name}_offset`] = offset;
  const lines = [`fn ${name}_at(e: u32) -> u32 {`, "  var rest = e;", `  var at = p.${name}_offset;`];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    code.params[`${name}_stride${axis}`] = strides[axis]!;
    if (axis === 0) {
      lines.push(`  at += rest * p.${name}_stride0;`);
      continue;
    }
    code.params[`${name}_extent${axis}`] = shape[axis]!;
    lines.push(
      `  at += (rest % p.${name}_extent${axis}) * p.${name}_stride${axis};`,
      `  rest /= p.${name}_extent${axis};`,
    );
  }
  code.functions.push([...lines, "  return at;", "}"].join("\n"));
  return (e) => `${name}_at(${e})`;
}

function writeStore(value: PlanValue, text: string, name: string, width: Width, code: Code): void {
  const { dtype } = value;
  const bytes = dtype === "u8" || dtype === "bool";
  if (width === 1) {
    code.bindings.push({ name, value, element: STORED[dtype], access: "write" });
    code.lines.push(`  set_${name}(e, ${STORED[dtype]}(${text}));`);
    return;
  }
  const element: Element = bytes ? "u32" : `vec4<${STORED[dtype]}>` as Element;
  if (!code.bindings.some((binding) => binding.name === name)) {
    code.bindings.push({ name, value, element, access: "write", part: WHOLE });
  }
  const word = `dot(vec4<u32>(${text}), vec4<u32>(1u, 256u, 65536u, 16777216u))`;
  code.lines.push(`  set_${name}(i, ${bytes ? word : `${element}(${text})`});`);
}
