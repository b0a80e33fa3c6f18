// Adjoints: for a linear f, <f(x), y> = <x, f'(y)>, whatever the numbers. The inner products are taken on the host, of
// whole numbers, so that both sides are the same number: no reference is needed, and no tolerance.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import * as fermi from "../mod.ts";
import { conv2d, type Device, gradients, type Shape, type Tensor, tensor } from "../mod.ts";
import { apply, applyOne } from "../tensor/declare.ts";
import { gatherInRangeOp, scatterAddOp } from "../tensor/ops/indexing.ts";
import {
  avgPool2dGradientOp,
  maxPool2dGradientOp,
  maxPool2dOp,
  maxPool2dPickOp,
  type PoolGeometry,
} from "../tensor/ops/pool2d.ts";
import { sizeOf } from "../tensor/shape.ts";
import {
  assertWhole,
  convolutions,
  dot,
  everyDevice,
  numbersBelow,
  read,
  threeOf,
  whole,
} from "./relations.ts";
import { type Input, materialise } from "./samples/sample.ts";
import { hold, runs } from "./seeds.ts";

const all = await everyDevice();
const cpu = all[0]!.device;

/** Operands, and products that must all be the same: of a tensor that is computed and operand number `with`. */
interface Case {
  readonly text: string;
  readonly inputs: readonly Input[];
  readonly products: (
    operands: readonly Tensor[],
  ) => readonly { readonly of: Tensor; readonly with: number }[];
  /** How far each computed number may be off, relative to itself; left out, all are whole. */
  readonly relative?: number;
}

async function check(sample: Case): Promise<void> {
  const operands = await read(cpu, sample.inputs.map((input) => materialise(input, cpu).x));
  for (const { name, device: on } of threeOf(all, sample.inputs[0]!.seed)) {
    const products = sample.products(sample.inputs.map((input) => materialise(input, on).x));
    const found = await read(on, products.map(({ of }) => of));
    const values = found.map((data, i) => dot(data, operands[products[i]!.with]!));
    if (sample.relative === undefined) {
      found.forEach((data, i) => assertWhole(`${name}, product ${i}`, data));
      assert.deepEqual(values, values.map(() => values[0]), name);
      continue;
    }
    const absolute = (data: ArrayLike<number>) => Float64Array.from(data, Math.abs);
    const spreads = found.map((data, i) =>
      sample.relative! * dot(absolute(data), absolute(operands[products[i]!.with]!))
    );
    for (const [i, value] of values.entries()) {
      const off = Math.abs(value - values[0]!);
      assert(off <= spreads[0]! + spreads[i]!, `${name}, product ${i}: ${value} and ${values[0]}`);
    }
  }
}

function adjoint(what: string, cases: fc.Arbitrary<Case>, usual: number): void {
  test(`adjoints: ${what}`, async () => {
    const shown = cases.map((sample) => ({ ...sample, [fc.toStringMethod]: () => sample.text }));
    const property = fc.asyncProperty(shown, check);
    await hold(property, { numRuns: runs(usual) }, { file: "relations_test.ts", test: `: ${what}` });
  });
}

adjoint(
  "conv2d and its two gradients",
  convolutions.chain(({ options, x, weight, y }) =>
    fc.tuple(whole(x), whole(weight), whole(y)).map((inputs): Case => ({
      text: JSON.stringify({ inputs, options }),
      inputs,
      products: ([image, kernel, dy]) => [
        { of: conv2d(image!, kernel!, options), with: 2 },
        { of: fermi.conv2dInputGradient(dy!, kernel!, { ...options, shape: x }), with: 0 },
        { of: fermi.conv2dWeightGradient(image!, dy!, { ...options, shape: weight }), with: 1 },
      ],
    }))
  ),
  16,
);

const extent = fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 17, 33);

/** Whether all three matrices, packed in tiles of 16 rows, have room in 14 windows of 4 KiB, so that every variant binds them. */
function matricesFit(batch: Shape, [m, k, n]: readonly number[]): boolean {
  const packed = (a: number, b: number) => 16 * Math.ceil(a / 16) * 4 * Math.ceil(b / 4);
  const all = Math.max(
    packed(m!, k!) + packed(k!, n!) + packed(m!, n!),
    packed(n!, k!) + packed(n!, m!) + packed(k!, m!),
  );
  return sizeOf(batch) * all <= 14 * 1024;
}

adjoint(
  "matmul",
  fc.tuple(fc.constantFrom<Shape>([], [], [2], [3, 2]), extent, extent, extent, fc.boolean(), fc.boolean())
    .filter(([batch, ...sides]) => matricesFit(batch, sides.slice(0, 3) as number[])).chain((
      [batch, m, k, n, transposeA, transposeB],
    ) =>
      fc.tuple(
        whole([...batch, ...(transposeA ? [k, m] : [m, k])]),
        whole([...batch, ...(transposeB ? [n, k] : [k, n])]),
        whole([...batch, m, n]),
      ).map((inputs): Case => ({
        text: JSON.stringify({ inputs, transposeA, transposeB }),
        inputs,
        products: ([a, b, y]) => {
          const swapped = (x: Tensor) => x.transpose([...batch.keys(), batch.length + 1, batch.length]);
          const [left, right] = [transposeA ? swapped(a!) : a!, transposeB ? swapped(b!) : b!];
          const [dLeft, dRight] = [y!.matmul(swapped(right)), swapped(left).matmul(y!)];
          return [
            { of: left.matmul(right), with: 2 },
            { of: transposeA ? swapped(dLeft) : dLeft, with: 0 },
            { of: transposeB ? swapped(dRight) : dRight, with: 1 },
          ];
        },
      }))
    ),
  16,
);

const poolSide = fc.constantFrom(1, 2, 3, 4).chain((window) =>
  fc.record({
    window: fc.constant(window),
    stride: fc.constantFrom(1, 2, 3, 5),
    before: fc.nat({ max: window - 1 }),
    after: fc.nat({ max: window - 1 }),
    size: fc.constantFrom(1, 2, 4, 7, 10),
  })
).filter(({ window, before, after, size }) => size + before + after >= window);

const pools = fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 3, 4), poolSide, poolSide).map((
  [batch, channels, v, h],
) => {
  const geometry: PoolGeometry = {
    window: [v.window, h.window],
    stride: [v.stride, h.stride],
    padding: [v.before, h.before, v.after, h.after],
  };
  const outputs = (side: typeof v) =>
    Math.floor((side.size + side.before + side.after - side.window) / side.stride) + 1;
  return {
    geometry,
    x: [batch, channels, v.size, h.size],
    y: [batch, channels, outputs(v), outputs(h)],
  };
});

adjoint(
  "max-pooling with its index fixed",
  pools.chain(({ geometry, x, y }) =>
    fc.tuple(whole(x), whole(x), whole(y)).map((inputs): Case => ({
      text: JSON.stringify({ inputs, geometry }),
      inputs,
      products: ([image, other, dy]) => {
        const index = apply(maxPool2dOp, [other!], geometry)[1]!;
        return [
          { of: applyOne(maxPool2dPickOp, [image!, index], geometry), with: 2 },
          { of: applyOne(maxPool2dGradientOp, [dy!, index], { ...geometry, shape: x }), with: 0 },
        ];
      },
    }))
  ),
  12,
);

// A window of 9 does not divide: the quotient is off by 2.5 units in the last place, the factor 1/9 and its product
// by half a one each; sums of whole numbers by nothing.
adjoint(
  "avgPool2d",
  pools.chain(({ geometry, x, y }) =>
    fc.tuple(whole(x), whole(y)).map((inputs): Case => ({
      text: JSON.stringify({ inputs, geometry }),
      inputs,
      relative: 2.5 * 2 ** -23,
      products: ([image, dy]) => [
        { of: fermi.avgPool2d(image!, geometry), with: 1 },
        { of: applyOne(avgPool2dGradientOp, [dy!], { ...geometry, shape: x }), with: 0 },
      ],
    }))
  ),
  12,
);

adjoint(
  "gather and scatterAdd, indices twice and out of range",
  fc.tuple(
    fc.constantFrom<Shape>([7], [5, 4], [3, 6, 5]),
    fc.nat({ max: 2 }),
    fc.constantFrom<Shape>([], [1], [9], [2, 5]),
    fc.nat(),
  ).chain(([shape, anyAxis, picked, indexSeed]) => {
    const axis = anyAxis % shape.length;
    const extent = shape[axis]!;
    const count = picked.reduce((a, b) => a * b, 1);
    const indices = numbersBelow(extent + 2, count, indexSeed).map((index) => index - 1);
    return fc.tuple(whole(shape), whole([...shape.slice(0, axis), ...picked, ...shape.slice(axis + 1)])).map((
      inputs,
    ): Case => ({
      text: JSON.stringify({ inputs, axis, indices: [...indices] }),
      inputs,
      products: ([x, y]) => {
        const at = tensor(indices, { shape: picked, device: x!.device });
        return [
          { of: applyOne(gatherInRangeOp, [x!, at], { axis }), with: 1 },
          { of: applyOne(scatterAddOp, [y!, at], { axis, extent }), with: 0 },
        ];
      },
    }));
  }),
  12,
);

/** Linear maps that move, repeat and sum; `n` chooses among their variants. */
const MAPS: Readonly<Record<string, (x: Tensor, n: number) => Tensor>> = {
  pad: (x, n) => x.pad({ before: n % 3, after: n % 2, interior: n % 5 === 0 ? 2 : 0 }),
  slice: (x, n) =>
    x.slice({
      axis: n % x.shape.length,
      start: Math.min(n % 2, x.shape[n % x.shape.length]! - 1),
      step: 1 + n % 3,
    }),
  broadcastTo: (x, n) => x.broadcastTo([2 + n % 2, ...x.shape]),
  broadcastWithin: (x, n) => x.sum({ axis: n % x.shape.length, keepDims: true }).broadcastTo(x.shape),
  sum: (x, n) => x.sum({ axis: n % x.shape.length, keepDims: n % 2 === 0 }).reshape([-1, 1]),
  concat: (x, n) => fermi.concat([x, x.mul(2), x.flip({ axis: 0 })], { axis: n % x.shape.length }),
  transpose: (x, n) => x.transpose([...x.shape.keys()].map((axis) => (axis + n) % x.shape.length)),
  flip: (x, n) => x.flip({ axis: n % x.shape.length }),
  reshape: (x, n) => n % 2 === 0 ? x.reshape([-1]) : x.reshape([x.shape[0]!, -1]),
  gather: (x, n) => {
    const axis = n % x.shape.length;
    const indices = numbersBelow(x.shape[axis]!, 4, n);
    return x.gather(tensor(indices, { device: x.device }), { axis });
  },
  where: (x, n) => whereOdd(x.device, x.shape, n).where(x, 0),
};

function whereOdd(on: Device, shape: Shape, n: number): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(Uint8Array.from(numbersBelow(2, count, n)), { shape, dtype: "bool", device: on });
}

/** A chain of maps; where it would become long, it ends. */
function chain(x: Tensor, steps: readonly (readonly [string, number])[]): Tensor {
  return steps.reduce((y, [map, n]) => y.size > 600 ? y : MAPS[map]!(y, n), x);
}

const steps = fc.array(fc.tuple(fc.constantFrom(...Object.keys(MAPS)), fc.nat({ max: 30 })), {
  minLength: 1,
  maxLength: 4,
});

adjoint(
  "chains of moves and sums, and the gradients of their rules",
  fc.tuple(fc.constantFrom<Shape>([6], [3, 4], [2, 3, 5], [1, 7, 2]), steps).chain(([shape, steps]) => {
    const { shape: result } = chain(fermi.zeros(shape, { device: cpu }), steps);
    return fc.tuple(whole(shape), whole(result)).map((inputs): Case => ({
      text: JSON.stringify({ inputs, steps }),
      inputs,
      products: ([x, y]) => {
        const made = chain(x!, steps);
        return [{ of: made, with: 1 }, { of: gradients(made.mul(y!), [x!])[0]!, with: 0 }];
      },
    }));
  }),
  30,
);

after(() => {
  for (const { device } of all) if (device !== cpu) device.destroy();
});
