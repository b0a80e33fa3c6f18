/**
 * What is the same all along a row of a product, such as a bias: loaded once a row instead of once an element, and found by
 * the row's number instead of by dividing the element's.
 *
 * @module
 */

import { type Binding, readOf } from "../shader.ts";
import { simplify, type View } from "../values.ts";
import type { Sink } from "./types.ts";

/** The rows of a product, and how far apart they are in the output. */
export interface RowsOf {
  readonly groups: number;
  readonly rows: number;
  readonly out: { readonly group: number; readonly row: number };
}

/** Collects what is fused behind a product and the same along its rows. */
export class RowLoads {
  /** The arrays. */
  readonly #bindings: Binding[] = [];
  /** Where in them row 0 stands, and how far the next. */
  readonly #params: Record<string, number> = {};
  /** How many rows there are in all, and the elements of one that lie together in the output. */
  readonly #rows: number;
  readonly #length: number;

  readonly #type: string;

  /** Knows the rows of a product whose output has them one after the other, and is stored by so many elements. */
  constructor({ groups, rows, out }: RowsOf, width: 1 | 4) {
    this.#type = width === 4 ? "vec4<f32>" : "f32";
    this.#rows = out.group === rows * out.row ? groups * rows : 0;
    this.#length = out.row;
  }

  /** What the view has in the row; undefined where that is not the same everywhere. */
  readonly load = (view: View): string | undefined => {
    const { shape, strides } = simplify(view);
    const axis = strides.findIndex((stride) => stride !== 0);
    const { value, offset } = view;
    if (
      axis < 0 || shape[axis] !== this.#rows || strides.some((stride, i) => i !== axis && stride !== 0) ||
      shape.slice(axis + 1).reduce((a, b) => a * b, 1) !== this.#length || !/^f/.test(value.dtype)
    ) return undefined;
    const name = `row${this.#bindings.length}`;
    this.#bindings.push(readOf(`of_${name}`, value));
    this.#params[`${name}_start`] = offset;
    this.#params[`${name}_step`] = strides[axis]!;
    return `${this.#type}(${name})`;
  };

  /** The sink behind `load_row(r)`, which is to be called where it stores into row r. */
  before({ bindings, params, functions }: Sink): Sink {
    const names = this.#bindings.map((_, i) => `row${i}`);
    return {
      bindings: [...bindings, ...this.#bindings],
      params: { ...params, ...this.#params },
      functions: `${names.map((name) => `var<private> ${name}: f32;`).join("\n")}
fn load_row(r: u32) {
${names.map((name) => `  ${name} = f32(of_${name}(p.${name}_start + r * p.${name}_step));`).join("\n")}
}
${functions}`,
    };
  }
}
