/**
 * The ops, collected from their families. The names and the types of kernels are derived from the declarations, so a
 * backend that lacks a kernel, or has one too many, does not compile.
 *
 * @module
 */

import type { AnyOp, Composite, Primitive } from "../declare.ts";
import * as conv2d from "./conv2d.ts";
import * as elementwise from "./elementwise/mod.ts";
import * as indexing from "./indexing.ts";
import * as matmul from "./matmul.ts";
import * as movement from "./movement/mod.ts";
import * as normalize from "./normalize.ts";
import * as pool2d from "./pool2d.ts";
import * as random from "./random.ts";
import * as reduction from "./reduction.ts";
import * as softmax from "./softmax.ts";

const families = [
  conv2d,
  elementwise,
  indexing,
  matmul,
  movement,
  normalize,
  pool2d,
  random,
  reduction,
  softmax,
];

type Families =
  & typeof conv2d
  & typeof elementwise
  & typeof indexing
  & typeof matmul
  & typeof movement
  & typeof normalize
  & typeof pool2d
  & typeof random
  & typeof reduction
  & typeof softmax;

/** The attributes of a family's primitives, by name. */
export type PrimitivesOf<Family> = {
  [K in keyof Family as Family[K] extends Primitive<infer Name, infer _> ? Name : never]: Family[K] extends
    Primitive<string, infer Attributes> ? Attributes : never;
};

/** The attributes of a family's composites, by name. */
export type CompositesOf<Family> = {
  [
    K in keyof Family as Family[K] extends Primitive<string, infer _> ? never
      : Family[K] extends Composite<infer Name, infer _> ? Name
      : never
  ]: Family[K] extends Composite<string, infer Attributes> ? Attributes : never;
};

/** The attributes of every primitive, by name. */
export type Primitives = PrimitivesOf<Families>;

/** The attributes of every composite, by name. */
export type Composites = CompositesOf<Families>;

/** Every declaration, by name. */
export const ops: ReadonlyMap<string, AnyOp> = new Map(
  families.flatMap((family) => Object.values(family) as unknown[]).filter(isOp).map((op) => [op.name, op]),
);

/** Whether something that a module exports is the declaration of an op. */
export function isOp(value: unknown): value is AnyOp {
  return typeof value === "object" && value !== null && "infer" in value;
}
