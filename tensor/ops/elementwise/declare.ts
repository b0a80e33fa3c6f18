/**
 * How elementwise ops are declared. The primitives only ever see equal shapes and dtypes.
 *
 * @module
 */

import { expectDType, type GradientContext, type NoAttributes, type Primitive } from "../../declare.ts";
import type { DType } from "../../dtype.ts";
import { sameShape, show } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

type Rule = (cotangent: Tensor, context: GradientContext<NoAttributes>) => readonly (Tensor | null)[];

/** Declares an op on operands of one shape and one dtype. */
export function elementwise<Name extends string>(
  name: Name,
  doc: string,
  dtypes: readonly DType[],
  result: DType | "same",
  rule: Rule | null,
): Primitive<Name> {
  return {
    name,
    doc,
    infer(inputs) {
      const first = inputs[0]!;
      for (const input of inputs) {
        expectDType(name, input, dtypes);
        if (!sameShape(input.shape, first.shape) || input.dtype !== first.dtype) {
          throw new TypeError(
            `${name}: operands are ${first.dtype} ${show(first.shape)} and ${input.dtype} ${
              show(input.shape)
            }`,
          );
        }
      }
      return [{ shape: first.shape, dtype: result === "same" ? first.dtype : result }];
    },
    gradient: rule && ((context) => rule(context.cotangent, context)),
  };
}
