/**
 * The tensor library: what backends, networks and training see of it.
 *
 * @module
 */

export {
  arange,
  type FillOptions,
  full,
  type NestedData,
  ones,
  tensor,
  type TensorData,
  type TensorOptions,
  zeros,
} from "./create.ts";
export type {
  AnyOp,
  Composite,
  Declaration,
  GradientContext,
  GraphNode,
  NoAttributes,
  Primitive,
  Spec,
} from "./declare.ts";
export {
  type Backend,
  Device,
  type EvaluationRequest,
  getDefaultDevice,
  setDefaultDevice,
  type Storage,
  type Update,
} from "./device.ts";
export type { DType, HostArray, Precision } from "./dtype.ts";
export { evaluate } from "./evaluate.ts";
export { gradients, type ValueAndGrad, valueAndGrad } from "./gradients.ts";
export * from "./ops/mod.ts";
export type { Provenance } from "./provenance.ts";
export type { Padding, Pair, Shape } from "./shape.ts";
export { InputSlot, Parameter, State } from "./state.ts";
export { Tensor } from "./tensor.ts";
export type { NestedArray, Operand, Value } from "./value.ts";
