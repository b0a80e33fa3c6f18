/**
 * The kinds of kernels: an expression or a function of the index, to be fused; a view, which moves nothing; or dispatches.
 *
 * @module
 */

import type { DType } from "../../../tensor/mod.ts";
import type { Composites, CompositesOf, Primitives, PrimitivesOf } from "../../../tensor/ops/registry.ts";
import type { Dispatch } from "../shader.ts";
import type { PlanValue, View } from "../values.ts";
import type { Abilities } from "./variants.ts";

/** The kernels that are loaded on demand. */
export type GpuKernels = typeof import("./gpu.ts");

/** What an expression is given besides its arguments. */
export interface ExpressionContext<Attributes> {
  readonly attributes: Attributes;
  readonly inputs: readonly DType[];
  readonly output: DType;
  /** How many neighbouring elements are computed at once: 1 or 4. */
  readonly width: 1 | 4;
  /** A constant of the right width; `type` is f32, i32 or u32. */
  literal(value: string, type: string): string;
}

/** An op that works element by element: it is written into the kernel of its neighbours. */
export interface ElementwiseKernel<Attributes> {
  readonly kind: "elementwise";
  /** WGSL for the result. f16 is computed as f32, u8 as u32, bool as bool. */
  expression(args: readonly string[], context: ExpressionContext<Attributes>): string;
}

/** What an indexed kernel is given besides its arguments. */
export interface IndexedContext<Attributes> {
  readonly attributes: Attributes;
  /** Shapes of the operands and of the result. */
  readonly inputs: readonly (readonly number[])[];
  readonly shape: readonly number[];
  readonly output: DType;
  /** The type that elements of the result are computed in. */
  readonly type: string;
  /** Makes a run-time u32 and returns its name in the shader. */
  param(value: number): string;
}

/** An op whose every element is computed from elements anywhere in its operands; what follows is fused behind it. */
export interface IndexedKernel<Attributes> {
  readonly kind: "indexed";
  /** The body of a WGSL function from `e`, an element's number, to the element; arguments are such functions too. */
  element(args: readonly string[], context: IndexedContext<Attributes>): string;
  /** A better body for four elements from `e` on, returning a vector; undefined where these shapes have none. */
  four?(args: readonly string[], context: IndexedContext<Attributes>): string | undefined;
}

/** An op that only says how to read its operand. */
export interface ViewKernel<Attributes> {
  readonly kind: "view";
  /** The view of the result; null where only a copy would do. */
  view(input: View, attributes: Attributes): View | null;
}

/** Where a kernel puts its first output: plainly, or through the element-wise ops that were fused behind it. */
export interface Sink {
  /** Bindings and parameters to add to the dispatch that stores. */
  readonly bindings: Dispatch["bindings"];
  readonly params: Dispatch["params"];
  /** Declares `store(e, v)`: element e of the output is v, an f32. Or `store_four(i, v)`: elements 4 i to 4 i + 3 are v. */
  readonly functions: string;
}

/** What a view has at the element that is stored, where whoever stores it knows that better; else undefined. */
export type Known = (view: View) => string | undefined;

/** One of several ways to compute the same: data, and a name by which it is remembered and can be asked for. */
export interface Candidate {
  readonly name: string;
}

/** How a kernel asks for memory and dispatches. */
export interface Emitter {
  readonly outputs: readonly PlanValue[];
  /** How many invocations keep the adapter busy. */
  readonly parallelism: number;
  /** Matrices of up to this many elements are cheaper to pack than to be read along the axis that is summed over. */
  readonly copyBelow: number;
  /** What kernels may use of the adapter. */
  readonly abilities: Abilities;
  /** The products whose lanes share, if the device takes them; each answers false where lanes are better off alone. */
  readonly gpu: GpuKernels | null;
  /**
   * The best of several ways for this op with these shapes: what was measured on this adapter, else the guess. Whatever
   * comes out, the result has to be right.
   */
  choose<T extends Candidate>(family: string, candidates: readonly T[], guess: T): T;
  /** Memory for this op only. */
  temporary(dtype: DType, length: number): PlanValue;
  /** The view's elements in order in memory; copied if need be. */
  contiguous(view: View): PlanValue;
  /** Where to store output 0, for kernels that are declared with `fuses`; default one element at a time. */
  sink(width?: 1 | 4, known?: Known): Sink;
  /** Adds a dispatch. */
  dispatch(dispatch: Omit<Dispatch, "label">): void;
}

/** What a kernel with dispatches of its own is given. */
export interface KernelContext<Attributes> extends Emitter {
  readonly attributes: Attributes;
  readonly inputs: readonly View[];
  /** The shapes of the outputs. */
  readonly shapes: readonly (readonly number[])[];
}

/** An op with dispatches of its own. */
export interface DispatchKernel<Attributes> {
  readonly kind: "dispatch";
  /** Whether element-wise ops behind it may be computed where it stores. */
  readonly fuses?: boolean;
  /** Of a composite: whether the kernel is for these attributes; for others its definition is computed. */
  takes?(attributes: Attributes): boolean;
  emit(context: KernelContext<Attributes>): void;
}

/** Any kernel. */
export type Kernel<Attributes> =
  | ElementwiseKernel<Attributes>
  | IndexedKernel<Attributes>
  | ViewKernel<Attributes>
  | DispatchKernel<Attributes>;

/** The kernels of a family of ops: one for every primitive, and for those composites that are worth it. */
export type KernelsOf<Family> =
  & { readonly [Name in keyof PrimitivesOf<Family>]: Kernel<PrimitivesOf<Family>[Name]> }
  & { readonly [Name in keyof CompositesOf<Family>]?: Kernel<CompositesOf<Family>[Name]> };

/** The complete table. */
export type WebGpuKernels =
  & { readonly [Name in keyof Primitives]: Kernel<Primitives[Name]> }
  & { readonly [Name in keyof Composites]?: Kernel<Composites[Name]> };
