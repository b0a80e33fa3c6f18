// The shape-and-dtype rules themselves, without the functions in front of them that broadcast, promote and fill in: what
// a rule lets through a kernel computes with. (What users meet is among the error samples of the ops.)

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Spec } from "../mod.ts";
import { cropOp, gatherOp, scatterAddOp } from "../tensor/ops/indexing.ts";
import { addOp, whereOp } from "../tensor/ops/elementwise/mod.ts";
import { matmulOp } from "../tensor/ops/matmul.ts";
import { broadcastToOp, concatOp, padOp, reshapeOp } from "../tensor/ops/movement/mod.ts";
import { avgPool2dOp, maxPool2dOp } from "../tensor/ops/pool2d.ts";
import { pair } from "../tensor/shape.ts";
import { threefryOp } from "../tensor/ops/random.ts";
import { crossEntropyOp } from "../tensor/ops/softmax.ts";

const spec = (shape: readonly number[], dtype: Spec["dtype"] = "f32"): Spec => ({ shape, dtype });

interface Rule<Attributes> {
  readonly name: string;
  infer(inputs: readonly Spec[], attributes: Attributes): readonly Spec[];
}

/** Says that a rule takes some operands, and none of the others. */
function rule<Attributes>(
  op: Rule<Attributes>,
  attributes: Attributes,
  { right, wrong }: { right: readonly Spec[]; wrong: readonly (readonly Spec[])[] },
  of = "",
): void {
  test(`shape rules: ${op.name}${of}`, () => {
    op.infer(right, attributes);
    for (const inputs of wrong) {
      const text = JSON.stringify(inputs);
      assert.throws(() => op.infer(inputs, attributes), new RegExp(`^(Type|Range)Error: ${op.name}: `), text);
    }
  });
}

const [two, three] = [spec([2]), spec([3])];

rule(addOp, {}, { right: [two, two], wrong: [[two, three], [two, spec([2], "i32")], [two, spec([1, 2])]] });
rule(whereOp, {}, {
  right: [spec([2], "bool"), two, two],
  wrong: [
    [spec([2], "u8"), two, two],
    [spec([3], "bool"), two, two],
    [spec([2], "bool"), two, three],
    [spec([2], "bool"), three, two],
    [spec([2], "bool"), two, spec([2], "f16")],
  ],
});
rule(matmulOp, {}, {
  right: [spec([5, 2, 3]), spec([5, 3, 4])],
  wrong: [
    [spec([5, 2, 3]), spec([5, 2, 4])],
    [spec([5, 2, 3]), spec([6, 3, 4])],
    [spec([5, 2, 3]), spec([3, 4])],
    [spec([2, 3]), spec([3, 4], "f16")],
    [spec([2, 3], "i32"), spec([3, 4], "i32")],
  ],
});
rule(reshapeOp, { shape: [2, 3] }, { right: [spec([6])], wrong: [[spec([5])], [spec([7])]] });
rule(broadcastToOp, { shape: [4, 2, 3] }, {
  right: [spec([2, 1])],
  wrong: [[spec([3, 3])], [spec([2, 2])], [spec([4, 1])], [spec([1, 4, 2, 3])]],
});
rule(padOp, { before: [0], after: [1], interior: [0] }, {
  right: [two, spec([])],
  wrong: [[two, spec([1])], [two, spec([], "i32")]],
});
rule(concatOp, { axis: 1 }, {
  right: [spec([2, 3]), spec([2, 5])],
  wrong: [
    [spec([2, 3]), spec([3, 3])],
    [spec([2, 3]), spec([2, 3, 1])],
    [spec([2, 3, 1]), spec([2, 3])],
    [spec([2, 3]), spec([2, 3], "f16")],
  ],
});
rule(gatherOp, { axis: 0 }, {
  right: [spec([4, 2]), spec([3], "i32")],
  wrong: [[spec([4, 2]), spec([3])], [spec([4, 2]), spec([3], "u32")]],
});
rule(scatterAddOp, { axis: 1, extent: 9 }, {
  right: [spec([4, 2, 3]), spec([2, 3], "i32")],
  wrong: [
    [spec([4, 2, 3]), spec([2, 2], "i32")],
    [spec([4, 2, 3]), spec([4, 2], "i32")],
    [spec([4, 2]), spec([2, 3], "i32")],
    [spec([4, 2, 3], "bool"), spec([2, 3], "i32")],
    [spec([4, 2, 3]), spec([2, 3])],
  ],
});
rule(cropOp, { size: [3, 2] }, {
  right: [spec([4, 2, 5, 5]), spec([6, 4, 3], "i32")],
  wrong: [
    [spec([4, 2, 5]), spec([4, 3], "i32")],
    [spec([4, 2, 5, 5]), spec([5, 3], "i32")],
    [spec([4, 2, 5, 5]), spec([4, 2], "i32")],
    [spec([4, 2, 5, 5]), spec([3], "i32")],
    [spec([4, 2, 5, 5]), spec([4, 3])],
  ],
});
rule(threefryOp, {}, {
  right: [spec([2], "u32"), spec([2], "u32")],
  wrong: [
    [spec([2], "u32"), spec([3], "u32")],
    [spec([1], "u32"), spec([2], "u32")],
    [spec([2], "u32"), spec([2], "i32")],
    [spec([2], "i32"), spec([2], "u32")],
  ],
});
rule(crossEntropyOp, {}, {
  right: [spec([2, 3]), spec([2], "i32")],
  wrong: [
    [spec([2, 3]), spec([3], "i32")],
    [spec([2, 3]), spec([2, 1], "i32")],
    [spec([2, 0]), spec([2], "i32")],
    [spec([0, 3]), spec([0], "i32")],
    [spec([2, 3]), spec([2])],
    [spec([2, 3], "i32"), spec([2], "i32")],
    [spec([2]), spec([2], "i32")],
  ],
});

test("shape rules: a window of a pool is wider than the padding, on every side", () => {
  const geometry = { window: [2, 3], stride: [1, 1] } as const;
  for (const op of [maxPool2dOp, avgPool2dOp]) {
    const pool = (...padding: readonly [number, number, number, number]) =>
      op.infer([spec([1, 1, 4, 4])], { ...geometry, padding });
    assert.deepEqual(pool(1, 2, 1, 2)[0]!.shape, [1, 1, 5, 6]);
    for (const side of [0, 1, 2, 3]) {
      const padding = [1, 2, 1, 2].map((value, i) => i === side ? value + 1 : value);
      const message = new RegExp(`^RangeError: ${op.name}: padding .* must be smaller than the window`);
      assert.throws(() => pool(...padding as [number, number, number, number]), message);
    }
  }
});

test("shape rules: pairs are whole numbers, each from its own least", () => {
  assert.deepEqual([pair("op", "stride", 2, 1), pair("op", "padding", [0, 3], 0)], [[2, 2], [0, 3]]);
  for (const wrong of [0, -1, 1.5, NaN, Infinity, [1, 0.5], [0, 1], [1, 0]] as const) {
    const given = wrong as number | readonly [number, number];
    assert.throws(
      () => pair("op", "stride", given, 1),
      /^RangeError: op: stride must be a whole number from 1, got /,
    );
  }
});

test("shape rules: what they make of operands that fit", () => {
  const shapesOf = (specs: readonly Spec[]) => specs.map(({ shape }) => shape);
  assert.deepEqual(shapesOf(gatherOp.infer([spec([4, 2, 5]), spec([3, 6], "i32")], { axis: 1 })), [[
    4,
    3,
    6,
    5,
  ]]);
  const scattered = scatterAddOp.infer([spec([4, 3, 6, 5]), spec([3, 6], "i32")], { axis: 1, extent: 2 });
  assert.deepEqual(shapesOf(scattered), [[4, 2, 5]]);
  const padded = padOp.infer([spec([0, 1, 4]), spec([])], {
    before: [1, 2, 3],
    after: [0, 5, 0],
    interior: [2, 3, 1],
  });
  assert.deepEqual(shapesOf(padded), [[1, 8, 10]]);
  assert.deepEqual(shapesOf(concatOp.infer([spec([2, 3]), spec([2, 0]), spec([2, 5])], { axis: 1 })), [[
    2,
    8,
  ]]);
});
