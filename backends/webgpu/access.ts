/**
 * How fused kernels read and store: whole arrays four elements at a time, views through index arithmetic, bytes packed
 * into words, constants from the plan's scalars.
 *
 * @module
 */

import type { DType } from "../../tensor/mod.ts";
import type { Group } from "./fuse.ts";
import type { Known } from "./kernels/types.ts";
import { indexFunction } from "./kernels/walk.ts";
import { type Binding, ELEMENT, type Element } from "./shader.ts";
import { isWhole, type PlanValue, simplify, type View, viewKey } from "./values.ts";

/** The type that elements are computed in. */
export const COMPUTED: Readonly<Record<DType, string>> = {
  f32: "f32",
  f16: "f32",
  i32: "i32",
  u32: "u32",
  u8: "u32",
  bool: "bool",
};

/** How many neighbouring elements an invocation computes. */
export type Width = 1 | 4;

/** A kernel being written. */
export interface Code {
  readonly bindings: Binding[];
  readonly params: Record<string, number>;
  readonly functions: string[];
  /** What does not depend on the element. */
  readonly constants: { readonly name: string; readonly type: string; readonly value: string }[];
  readonly lines: string[];
  readonly known?: Known | undefined;
}

/** The WGSL type of that many. */
export function vector(type: string, width: Width): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/** Loads what a group reads, each view once. */
export class Loader {
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
      const [width, code, { value }] = [this.#width, this.#code, view];
      if (value.home.kind === "scalar") {
        const type = vector(COMPUTED[value.dtype], width);
        code.constants.push({ name, type, value: `${type}(${this.#constant(value, value.home.index)})` });
        return;
      }
      const inPlace = isWhole(view) ? inPlaceOf(value, this.#group, this.#stores) : null;
      const text = code.known?.(view) ?? writeLoad(view, `in_${name}`, width, code, inPlace);
      code.lines.push(`  let ${name} = ${text};`);
    });
  }

  /** A function from an element's number in the view to the element. */
  function(view: View): string {
    // Not "f", whose 16th and 32nd would be types.
    return this.#once(view, "at", (name) => {
      const text = view.value.home.kind === "scalar"
        ? this.#constant(view.value, view.value.home.index)
        : writeLoad(view, `in_${name}`, 1, this.#code, null);
      this.#code.functions.push(`fn ${name}(e: u32) -> ${COMPUTED[view.value.dtype]} { return ${text}; }`);
    });
  }

  #once(view: View, prefix: string, write: (name: string) => void): string {
    if (!this.#ids.has(view.value)) this.#ids.set(view.value, this.#ids.size);
    const key = `${prefix}${this.#ids.get(view.value)}:${viewKey(view)}`;
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
    other.kind === "state" && other.buffer === home.buffer
  );
  return target ? stores.get(target)! : null;
}

function writeLoad(view: View, name: string, width: Width, code: Code, inPlace: string | null): string {
  const { value } = view;
  const { dtype } = value;
  const bytes = dtype === "u8" || dtype === "bool";
  const type = vector(COMPUTED[dtype], width);
  if (isWhole(view) && width === 4) {
    const element: Element = bytes ? "u32" : `vec4<${ELEMENT[dtype]}>` as Element;
    const from = inPlace ?? name;
    // In place, the store's binding reads too; `writeStore` leaves it alone.
    code.bindings.push({ name: from, value, element, access: inPlace ? "update" : "read", part: WHOLE });
    return bytes ? fromWord(`${from}(i)`, dtype) : `${type}(${from}(i))`;
  }
  const { shape, strides, offset } = simplify(view);
  const index = (e: string) => isWhole(view) ? e : `(p.${name}_offset + ${name}_at(${e}))`;
  if (!isWhole(view)) {
    code.params[`${name}_offset`] = offset;
    code.functions.push(indexFunction(`${name}_at`, view, code.params));
  }
  const last = shape.length - 1;
  const by4 = (x: number | undefined) => x! % 4 === 0;
  const rows = last >= 0 && by4(shape[last]) && width === 4;
  if (rows && strides[last] === 1 && by4(offset) && strides.slice(0, last).every(by4) && !bytes) {
    code.bindings.push({ name, value, element: `vec4<${ELEMENT[dtype]}>` as Element, access: "read" });
    return `${type}(${name}(${index("min(e, p.last)")} / 4u))`;
  }
  code.bindings.push({ name, value, element: ELEMENT[dtype], access: "read" });
  const single = (at: string) => {
    const element = bytes ? byteOf(name, at) : `${name}(${at})`;
    return COMPUTED[dtype] === "bool" ? `(${element} != 0u)` : `${COMPUTED[dtype]}(${element})`;
  };
  // All four stand for one element where the last axis repeats, or there is no axis left.
  if (last < 0 || (rows && strides[last] === 0)) return `${type}(${single(index("min(e, p.last)"))})`;
  if (width === 1) return single(index("e"));
  const each = (k: number) => single(index(`min(e + ${k}u, p.last)`));
  return `${type}(${[0, 1, 2, 3].map(each).join(", ")})`;
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

/** Writes the store of a value, whose element is `text`. */
export function writeStore(value: PlanValue, text: string, name: string, width: Width, code: Code): void {
  const { dtype } = value;
  const bytes = dtype === "u8" || dtype === "bool";
  if (width === 1) {
    code.bindings.push({ name, value, element: ELEMENT[dtype], access: "write" });
    code.lines.push(`  set_${name}(e, ${ELEMENT[dtype]}(${text}));`);
    return;
  }
  const element: Element = bytes ? "u32" : `vec4<${ELEMENT[dtype]}>` as Element;
  if (!code.bindings.some((binding) => binding.name === name)) {
    code.bindings.push({ name, value, element, access: "write", part: WHOLE });
  }
  const word = `dot(vec4<u32>(${text}), vec4<u32>(1u, 256u, 65536u, 16777216u))`;
  code.lines.push(`  set_${name}(i, ${bytes ? word : `${element}(${text})`});`);
}
