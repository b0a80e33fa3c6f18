// What docs/special_values.md says, held against every device: the CPU gives the result that is meant, exactly, and
// WebGPU the same, or what the table allows where WGSL leaves it open.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as fermi from "../mod.ts";
import { concat, type Device, device, type DType, type HostArray, type Tensor, tensor } from "../mod.ts";
import { webgpuVariants } from "./devices.ts";
import {
  binary,
  CASTS,
  INTEGERS,
  type Open,
  POOLS,
  reductions,
  type Row,
  SCALES,
  unary,
} from "./special_values.ts";

const cpu = await device("cpu");
const variants = await webgpuVariants();
const all = [{ name: "cpu", device: cpu }, ...variants];

/** How many open results there are, and how many of them differ from what is meant. */
const seen = { open: 0, different: 0 };

function allows({ also }: Open, value: number): boolean {
  return also.some((other) =>
    typeof other === "number" ? Object.is(value, other) : value >= other[0] && value <= other[1]
  );
}

const show = (value: number) => Object.is(value, -0) ? "-0" : `${value}`;

/** Compares results with their rows, those of the CPU exactly. */
function check(what: string, on: Device, rows: readonly Row[], results: HostArray): void {
  assert.equal(results.length, rows.length, what);
  for (const [i, [operands, meant, open]] of rows.entries()) {
    const value = results[i]!;
    if (open !== undefined && on !== cpu) {
      seen.open++;
      if (Object.is(value, meant)) continue;
      seen.different++;
      if (allows(open, value)) continue;
    }
    assert(
      Object.is(value, meant),
      `${what}(${operands.map(show).join(", ")}): ${show(value)}, but ${show(meant)} is meant${
        open ? `, or what is open (${open.why})` : ""
      }`,
    );
  }
}

/** Operand k of every row. */
function operand(rows: readonly Row[], k: number, dtype: DType, on: Device): Tensor {
  return tensor(Float64Array.from(rows, ([operands]) => operands[k]!), { dtype, device: on });
}

/** Checks a family on a device: all its ops in one evaluation. */
async function family(
  on: Device,
  what: string,
  table: Readonly<Record<string, readonly Row[]>>,
  make: (name: string, rows: readonly Row[]) => Tensor,
): Promise<void> {
  const made = Object.entries(table).map(([name, rows]) => ({ name, rows, y: make(name, rows) }));
  await on.evaluate(made.map(({ y }) => y), true);
  for (const { name, rows, y } of made) check(`${what} ${name}`, on, rows, await y.data());
}

/** The dtypes of floats that a device has; the CPU has both. */
const floatsOf = (on: Device) => (["f32", "f16"] as const).filter((dtype) => on.supports(dtype));

const named = <Name extends string>(name: string, table: Readonly<Record<Name, unknown>>) => {
  assert(name in table);
  return name as Name;
};

for (const { name, device: on } of all) {
  test(`special values, ${name}: ops of one number and of two`, async () => {
    for (const dtype of floatsOf(on)) {
      const [ofOne, ofTwo] = [unary(SCALES[dtype]), binary(SCALES[dtype])];
      await family(on, dtype, ofOne, (op, rows) => fermi[named(op, ofOne)](operand(rows, 0, dtype, on)));
      await family(
        on,
        dtype,
        ofTwo,
        (op, rows) => fermi[named(op, ofTwo)](operand(rows, 0, dtype, on), operand(rows, 1, dtype, on)),
      );
    }
  });

  test(`special values, ${name}: casts`, async () => {
    const supported = Object.entries(CASTS).filter(([pair]) => !pair.includes("f16") || on.supports("f16"));
    await family(on, "cast", Object.fromEntries(supported), (pair, rows) => {
      const [from, to] = pair.split(" ") as [DType, DType];
      return operand(rows, 0, from, on).cast(to);
    });
  });

  test(`special values, ${name}: integers wrap`, async () => {
    const [ofOne, ofTwo] = [unary(SCALES.f32), binary(SCALES.f32)];
    await family(on, "integers", INTEGERS, (pair, rows) => {
      const [dtype, op] = pair.split(" ") as [DType, string];
      const [a, b] = [0, 1].map((k) => operand(rows, Math.min(k, rows[0]![0].length - 1), dtype, on));
      return op in ofTwo ? fermi[named(op, ofTwo)](a!, b!) : fermi[named(op, ofOne)](a!);
    });
  });

  test(`special values, ${name}: reductions and pooling`, async () => {
    for (const dtype of floatsOf(on)) {
      const together = (rows: readonly Row[]) =>
        tensor(Float64Array.from(rows.flatMap(([operands]) => operands)), {
          shape: [rows.length, 1, 1, 3],
          dtype,
          device: on,
        });
      const reduced = reductions(SCALES[dtype]);
      await family(
        on,
        dtype,
        reduced,
        (op, rows) => fermi[named(op, reduced)](together(rows), { axis: [1, 2, 3] }),
      );
      await family(
        on,
        dtype,
        POOLS,
        (op, rows) => fermi[named(op, POOLS)](together(rows), { window: [1, 3] }).reshape([rows.length]),
      );
    }
  });

  // Long enough for partial results, and for the third way of WebGPU to split.
  test(`special values, ${name}: long reductions`, async () => {
    const runs = floatsOf(on).flatMap((dtype) => [100, 3000].map((length) => ({ dtype, length })));
    for (const { dtype, length } of runs) {
      const with_ = (filling: number, ...special: readonly (readonly [at: number, value: number])[]) => {
        const data = new Float32Array(length).fill(filling);
        for (const [at, value] of special) data[at] = value;
        return tensor(data, { dtype, device: on });
      };
      const [far, last] = [Math.floor(length * 0.7), length - 1];
      const ties = with_(1, [far, 5], [last, 5], [far - 3, -5], [last - 1, -5]);
      const item = (x: Tensor) => x.item();
      assert.deepEqual(await Promise.all([ties.argmax(), ties.argmin()].map(item)), [far, far - 3]);
      assert.deepEqual(await Promise.all([with_(2).argmax(), with_(-Infinity).argmin()].map(item)), [0, 0]);
      const nan = with_(1, [far, NaN]);
      assert.deepEqual(await Promise.all([nan.sum(), nan.prod(), nan.mean()].map(item)), [NaN, NaN, NaN]);
      const [largest, smallest] = await Promise.all([nan.max(), nan.min()].map(item));
      if (on === cpu) assert.deepEqual([largest, smallest], [NaN, NaN]);
      for (const extreme of [largest!, smallest!]) assert(extreme === 1 || Number.isNaN(extreme));
      const opposites = with_(0, [3, Infinity], [last, -Infinity]);
      assert.deepEqual(
        await Promise.all(
          [opposites.sum(), opposites.max(), opposites.argmax(), opposites.argmin()].map(item),
        ),
        [NaN, Infinity, 3, last],
      );
    }
  });

  test(`special values, ${name}: what only moves keeps its bits`, async () => {
    for (const dtype of floatsOf(on)) {
      const { tiny, smallest } = SCALES[dtype];
      const data = Float32Array.of(-0, tiny, -tiny, Infinity, -Infinity, 0, smallest, 1);
      const x = tensor(data, { dtype, device: on });
      const bits = (array: HostArray) => Array.from(new Uint32Array(Float32Array.from(array).buffer));
      const order = Int32Array.of(7, 3, 2, 1, 0, 6, 5, 4);
      const picked = x.gather(tensor(order, { device: on }));
      // A choice moves what it takes, and is not touched by what it leaves: NaN where the condition is false.
      const condition = tensor(Uint8Array.of(1, 1, 1, 1, 1, 0, 1, 1), { dtype: "bool", device: on });
      const cases: readonly (readonly [string, Tensor, readonly number[]])[] = [
        ["gather", picked, Array.from(order, (i) => data[i]!)],
        ["concat", concat([x, x.slice({ start: 1, end: 3 })]), [...data, tiny, -tiny]],
        ["pad", x.pad({ before: 1, after: 2, value: -0 }), [-0, ...data, -0, -0]],
        ["pad between", x.slice({ end: 2 }).pad({ interior: 1, value: tiny }), [-0, tiny, tiny]],
        ["flip", x.flip(), [...data].reverse()],
        [
          "transpose",
          x.reshape([2, 4]).transpose().reshape([8]),
          [0, 4, 1, 5, 2, 6, 3, 7].map((i) => data[i]!),
        ],
        ["broadcastTo", x.slice({ end: 2 }).reshape([2, 1]).broadcastTo([2, 2]), [-0, -0, tiny, tiny]],
        ["where", condition.where(x, 5), [...data].map((value, i) => i === 5 ? 5 : value)],
        ["detach", x.detach(), [...data]],
      ];
      await on.evaluate(cases.map(([, y]) => y), true);
      for (const [what, y, meant] of cases) {
        assert.deepEqual(bits(await y.data()), bits(Float32Array.from(meant)), `${dtype} ${what}`);
      }
    }
  });
}

after(() => {
  console.log(`special values: ${seen.different} of ${seen.open} open results differ on this driver`);
  for (const { device } of variants) device.destroy();
});
