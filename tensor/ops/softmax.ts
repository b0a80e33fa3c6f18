/**
 * Softmax and the loss of classification. Composites: the definitions are here, backends may fuse them.
 *
 * @module
 */

import { applyOne, type Composite, expectDType, expectRank } from "../declare.ts";
import { FLOATS } from "../dtype.ts";
import { normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add, exp, less, log, mul, sub, where } from "./elementwise/mod.ts";
import { gather, oneHot } from "./indexing.ts";
import { reshape } from "./movement/mod.ts";
import { max, mean, sum } from "./reduction.ts";
import { hostTensorLike } from "../create.ts";

/** The axis of the classes. */
export interface SoftmaxAttributes {
  readonly axis: number;
}

/** Logarithm of the softmax. */
export const logSoftmaxOp: Composite<"logSoftmax", SoftmaxAttributes> = {
  name: "logSoftmax",
  doc: "x - log(sum(e^x)) along an axis, shifted by the largest so that nothing overflows",
  infer([x], { axis }) {
    expectDType("logSoftmax", x!, FLOATS);
    if (x!.shape[axis] === 0) {
      throw new RangeError(`logSoftmax: ${show(x!.shape)} has no classes along axis ${axis}`);
    }
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  decompose([x], { axis }) {
    const shifted = sub(x!, max(x!, { axis, keepDims: true }));
    return [sub(shifted, log(sum(exp(shifted), { axis, keepDims: true })))];
  },
  gradient: ({ outputs: [y], attributes: { axis }, cotangent }) => [
    sub(cotangent, mul(exp(y!), sum(cotangent, { axis, keepDims: true }))),
  ],
};

/** Mean cross-entropy of a batch. */
export const crossEntropyOp: Composite<"crossEntropy"> = {
  name: "crossEntropy",
  doc: "mean over the batch of -log softmax(logits)[label]; a label that is no class gives NaN",
  infer([logits, labels]) {
    expectDType("crossEntropy", logits!, FLOATS, "logits");
    expectDType("crossEntropy", labels!, ["i32"], "labels");
    expectRank("crossEntropy", logits!, 2, "logits [N, classes]");
    const [batch, classes] = logits!.shape;
    if (labels!.shape.length !== 1 || labels!.shape[0] !== batch) {
      throw new TypeError(
        `crossEntropy: logits ${show(logits!.shape)} want labels [${batch}], got ${show(labels!.shape)}`,
      );
    }
    if (batch === 0 || classes === 0) {
      throw new RangeError(`crossEntropy: logits ${show(logits!.shape)} are empty`);
    }
    return [{ shape: [], dtype: logits!.dtype }];
  },
  decompose([logits, labels]) {
    // Picking from the flattened rows: index row * classes + label, out of range where the label is no class.
    const [batch, classes] = logits!.shape as [number, number];
    const flat = reshape(logSoftmax(logits!), [batch * classes]);
    const rows = hostTensorLike(logits!, Int32Array.from({ length: batch }, (_, row) => row * classes));
    const valid = where(less(labels!, 0), -1, where(less(labels!, classes), add(rows, labels!), -1));
    return [mean(gather(flat, valid)).neg()];
  },
  gradient: ({ inputs: [logits, labels], cotangent }) => [
    applyOne(crossEntropyGradientOp, [logits!, labels!, cotangent], {}),
    null,
  ],
};

/** The gradient of `crossEntropy` for the logits. */
export const crossEntropyGradientOp: Composite<"crossEntropyGradient"> = {
  name: "crossEntropyGradient",
  doc: "(softmax(logits) - onehot(labels)) * cotangent / N",
  infer: ([logits]) => [{ shape: logits!.shape, dtype: logits!.dtype }],
  decompose([logits, labels, cotangent]) {
    const [batch, classes] = logits!.shape as [number, number];
    const error = sub(softmax(logits!), oneHot(labels!, classes, { dtype: logits!.dtype }));
    return [mul(error, cotangent!.div(batch))];
  },
};

/**
 * The logarithm of the softmax, x - log(sum(e^x)), along `axis`, default the last, in the shape and dtype of x.
 * Large numbers do not overflow, and small probabilities keep their logarithm.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, logSoftmax, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const logits = tensor([[1000, 1000], [0, -200]]);
 * const y = logSoftmax(logits);
 * assert.deepEqual(await y.array(), [[-Math.LN2, -Math.LN2].map(Math.fround), [0, -200]]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 * @throws {RangeError} for an axis that x does not have, or one without elements.
 */
export function logSoftmax(x: Tensor, options: { readonly axis?: number } = {}): Tensor {
  return applyOne(logSoftmaxOp, [x], {
    axis: normalizeAxis("logSoftmax", options.axis ?? -1, x.shape.length),
  });
}

/**
 * e^x / sum(e^x) along `axis`, default the last, in the shape and dtype of x: numbers above 0 that sum to 1.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { device, setDefaultDevice, softmax, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const logits = tensor([[1000, 1000], [0, -1000]]);
 * assert.deepEqual(await softmax(logits).array(), [[0.5, 0.5], [1, 0]]);
 * assert.deepEqual(await softmax(logits, { axis: 0 }).array(), [[1, 1], [0, 0]]);
 * ```
 *
 * @throws {TypeError} unless x is f32 or f16.
 * @throws {RangeError} for an axis that x does not have, or one without elements.
 */
export function softmax(x: Tensor, options: { readonly axis?: number } = {}): Tensor {
  return exp(logSoftmax(x, options));
}

/**
 * The mean over the batch of -log softmax(logits)[label].
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { crossEntropy, device, gradients, setDefaultDevice, tensor } from "@fermi/fermi";
 *
 * setDefaultDevice(await device("cpu"));
 * const logits = tensor([[0, 0], [0, 0]]); // knows nothing: log 2
 * const loss = crossEntropy(logits, tensor(Int32Array.of(0, 1)));
 * assert.equal(await loss.item(), Math.fround(Math.LN2));
 * const [gradient] = gradients(loss, [logits]); // (softmax - oneHot) / N
 * assert.deepEqual(await gradient!.array(), [[-0.25, 0.25], [0.25, -0.25]]);
 * ```
 *
 * @param logits [N, classes]
 * @param labels i32 [N]; a label that is no class makes the loss NaN
 * @returns a scalar
 * @throws {TypeError} for other shapes or dtypes.
 * @throws {RangeError} when there are no images or no classes.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return applyOne(crossEntropyOp, [logits, labels], {});
}
