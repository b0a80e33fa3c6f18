/**
 * Matrix products, batched, in all four transpositions. An operand whose rows or columns lie suitably in memory is read
 * where it is: a large weight is never copied. Others are packed first.
 *
 * @module
 */

import type { NoAttributes } from "../../../tensor/mod.ts";
import { type PlanValue, type View, wholeView } from "../values.ts";
import { emitGemm, tileFor } from "./gemm.ts";
import { pack, plainAxis } from "./pack.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

/** A stack of matrices as stored: element (b, i, k) stands at b * batch + i * free + k * inner. */
interface Matrices {
  readonly view: View;
  readonly batch: number;
  /** The stride of the axis that stays, m or n. */
  readonly free: number;
  /** The stride of the axis that is summed over. */
  readonly inner: number;
}

/** From so many uses of each element on, a copy in a better order costs little beside the product. */
const FREQUENT = 32;

function emitMatmul(context: KernelContext<NoAttributes>): void {
  multiply(context, context.inputs[0]!, context.inputs[1]!);
}

/** dy^T x, and the sums of the rows of dy^T. */
function emitParameterGradients(context: KernelContext<NoAttributes>): void {
  const [x, dy] = [context.inputs[0]!, context.inputs[1]!];
  const across = { ...dy, shape: dy.shape.toReversed(), strides: dy.strides.toReversed() };
  multiply(context, across, x, context.outputs[1]);
}

/** The product of two views into output 0. */
function multiply(context: KernelContext<NoAttributes>, left: View, right: View, rowSums?: PlanValue): void {
  const shape = context.shapes[0]!;
  const [m, n] = shape.slice(-2) as [number, number];
  const batches = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const depth = left.shape.at(-1)!;
  const [a, b] = [matrices(context, left, true), matrices(context, right, false)];
  const sums = rowSums ? { rowSums } : {};

  const operand = ({ view, batch, free, inner }: Matrices) => ({
    value: view.value,
    start: view.offset,
    group: batch,
    free: [0, 0, free] as const,
    k: [0, 0, inner] as const,
  });
  const emitted = context.gpu?.sharedProduct(context, {
    groups: batches,
    rows: m,
    columns: [1, 1, n],
    k: [1, 1, depth],
    a: operand(a),
    b: operand(b),
    out: { start: 0, group: m * n, row: n, column: [0, 0, 1] },
    ...sums,
  });
  if (emitted) return;

  // Along k the tile is small, so that only matrices are read so that are large and used a few times; and A where B is.
  const worthCopying = (rows: number, uses: number) => rows * depth <= context.copyBelow || uses >= FREQUENT;
  const bAlongK = liesAlongK(b) && !worthCopying(n, m);
  const aAlongK = liesAlongK(a) && (bAlongK || !worthCopying(m, n));
  const alongK = aAlongK || bAlongK;
  const tile = tileFor(m, context, alongK);
  const columns = Math.ceil(n / 4);

  /** Where an operand is loaded from, and its strides in what is loaded. All columns are one tile of B. */
  const place = (side: Matrices, isAlongK: boolean, rows: number, tileRows: number, whole: number) => {
    const { view: { value }, batch, free, inner } = side;
    if (isAlongK) return { value, group: batch, row: free, step: 1 };
    const vectors = tileRows / 4;
    if (inPlace(side, free, inner) && rows % whole === 0) {
      return { value, group: batch / 4, row: vectors, step: inner / 4 };
    }
    const row = depth * vectors;
    return {
      value: packRows(context, side, { batches, depth, rows, tileRows }),
      group: Math.ceil(rows / tileRows) * row,
      row,
      step: vectors,
    };
  };
  const placedA = place(a, aAlongK, m, tile.rows, tile.rows);
  const placedB = place(b, bAlongK, n, columns * 4, 4);

  emitGemm(context, {
    a: placedA.value,
    b: placedB.value,
    aAlong: aAlongK ? "k" : "m",
    bAlong: bAlongK ? "k" : "j",
    groups: batches,
    rows: m,
    tile,
    columns: [1, 1, columns],
    columnExtent: n,
    k: [depth, 1, 1],
    aStep: placedA.step,
    aGroup: placedA.group,
    aRow: placedA.row,
    bStep: [placedB.step, 0, 0],
    bGroup: placedB.group,
    bColumn: [0, 0, bAlongK ? 0 : 1],
    bLane: bAlongK ? placedB.row : 0,
    outColumn: [0, 0, 4],
    outComponent: 1,
    outRow: n,
    outGroup: m * n,
    ...sums,
  });
}

/** Whether a lane can load neighbours along k from the value as it lies. */
function liesAlongK({ view, inner }: Matrices): boolean {
  return inner === 1 && view.offset === 0;
}

/** Whether vec4s along the axis of stride `along` can be loaded from the value as it lies. */
function inPlace({ view, batch }: Matrices, along: number, other: number): boolean {
  return along === 1 && view.offset === 0 && other % 4 === 0 && batch % 4 === 0;
}

/** Finds the strides; leading axes that are no single axis in memory are copied into one. */
function matrices(context: KernelContext<NoAttributes>, view: View, innerLast: boolean): Matrices {
  const lead = view.shape.slice(0, -2);
  const real = lead.map((extent, axis) => ({ extent, stride: view.strides[axis]! })).filter(({ extent }) =>
    extent > 1
  );
  const single = real.every(({ stride }, i) => i === 0 || real[i - 1]!.stride === stride * real[i]!.extent);
  const source = single ? view : wholeView(context.contiguous(view), view.shape);
  const strides = source === view
    ? real.map(({ stride }) => stride)
    : [view.shape.at(-1)! * view.shape.at(-2)!];
  const [row, column] = source.strides.slice(-2) as [number, number];
  return {
    view: source,
    batch: strides.at(-1) ?? 0,
    free: innerLast ? row : column,
    inner: innerLast ? column : row,
  };
}

/** [batch][tile][k][row / 4] */
function packRows(
  context: KernelContext<NoAttributes>,
  { view, batch, free, inner }: Matrices,
  { batches, depth, rows, tileRows }: { batches: number; depth: number; rows: number; tileRows: number },
): PlanValue {
  return pack(context, view, {
    z: { count: batches, stride: batch },
    t: { count: Math.ceil(rows / tileRows), stride: tileRows * free, tile: tileRows },
    x: plainAxis(depth, inner),
    v: tileRows / 4,
    component: free,
    rows,
  });
}

/** The table of the family. */
export const matmulKernels: KernelsOf<typeof import("../../../tensor/ops/matmul.ts")> = {
  matmul: { kind: "dispatch", fuses: true, emit: emitMatmul } as DispatchKernel<NoAttributes>,
  linearParameterGradients: { kind: "dispatch", emit: emitParameterGradients } as DispatchKernel<
    NoAttributes
  >,
};
