// A whole and its parts: what is fused against the same ops each computed and read apart; arrays seen through windows of
// 4 KiB against arrays bound whole; a batch against its rows.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { analyse } from "../debug/bounds.ts";
import * as fermi from "../mod.ts";
import {
  concat,
  type Device,
  type DType,
  gradients,
  type HostArray,
  type Shape,
  type Tensor,
  tensor,
} from "../mod.ts";
import { apply, definitionOf } from "../tensor/declare.ts";
import { assertEqual, assertWhole, everyDevice, numbersBelow, read, wholeOn } from "./relations.ts";
import { type Fill, materialise } from "./samples/sample.ts";

const all = await everyDevice();
const [cpu, main, split] = ["cpu", "webgpu", "webgpu, bindings of 4 KiB"].map((wanted) =>
  all.find(({ name }) => name === wanted)!.device
) as [Device, Device, Device];

/** Numbers on a device, the same every time. */
function numbers(on: Device, fill: Fill, shape: Shape, seed = 1, dtype: DType = "f32"): Tensor {
  return materialise({ shape, dtype, fill, seed, view: "plain" }, on).x;
}

const labels = (on: Device, count: number, classes: number) =>
  tensor(numbersBelow(classes, count, 3), { device: on });

/** A tensor, and everything that it was computed from, op by op: each evaluated alone, from numbers that were read. */
async function apart(x: Tensor, known: Map<Tensor, Tensor> = new Map()): Promise<Tensor> {
  if (x.node === null) return x;
  const found = known.get(x);
  if (found !== undefined) return found;
  const { op, inputs, attributes, outputs } = x.node;
  if (op.decompose !== undefined) {
    const made = await apart(definitionOf(x.node)[outputs.indexOf(x)]!, known);
    known.set(x, made);
    return made;
  }
  const operands: Tensor[] = [];
  for (const input of inputs) operands.push(await apart(input, known));
  for (const [i, output] of apply(op, operands, attributes).entries()) {
    const { shape, dtype, device } = output;
    known.set(outputs[i]!, tensor(await output.data(), { shape, dtype, device }));
  }
  return known.get(x)!;
}

/** The output and the gradients for some of its operands, of its inner product with whole numbers. */
function withGradients(y: Tensor, wrt: readonly Tensor[]): Tensor[] {
  return [y, ...gradients(y.mul(wholeOn(y.device, y.shape, 9)), wrt)];
}

/** Graphs of whole numbers with much to fuse. */
const CHAINS: Readonly<Record<string, (on: Device) => readonly Tensor[]>> = {
  "conv2d, bias, relu, residual": (on) => {
    const [x, w, b] = [wholeOn(on, [2, 6, 6, 7], 1), wholeOn(on, [6, 3, 3, 3], 2), wholeOn(on, [6, 1, 1], 3)];
    const y = fermi.conv2d(x, w, { padding: 1, groups: 2 }).add(b).relu().add(x);
    return withGradients(y, [x, w, b]);
  },
  "conv2d, two branches": (on) => {
    const [x, w] = [wholeOn(on, [1, 3, 7, 5], 4), wholeOn(on, [5, 3, 2, 2], 5)];
    const y = fermi.conv2d(x, w, { stride: 2 });
    return withGradients(y.relu().sub(y.neg().relu()).add(y.square()), [x, w]);
  },
  "conv2d, relu, max-pooling": (on) => {
    const [x, w] = [wholeOn(on, [2, 3, 8, 8], 6), wholeOn(on, [4, 3, 3, 3], 7)];
    return withGradients(fermi.maxPool2d(fermi.conv2d(x, w).relu(), { window: 3, stride: 2 }), [x, w]);
  },
  "matmul, bias, relu, residual": (on) => {
    const [x, w, b] = [
      wholeOn(on, [9, 17], 8),
      wholeOn(on, [17, 17], 9, "transposed"),
      wholeOn(on, [17], 10),
    ];
    return withGradients(x.matmul(w).add(b).relu().add(x), [x, w, b]);
  },
  "matmul transposed, compared": (on) => {
    const [a, b] = [wholeOn(on, [5, 12], 11), wholeOn(on, [7, 12], 12)];
    const y = a.matmul(b.transpose());
    return [y.greater(0).where(y, y.mul(-3)).transpose().add(1), y.maximum(2).minimum(8).sum({ axis: 0 })];
  },
  "element by element, all dtypes": (on) => {
    const [x, y] = [wholeOn(on, [3, 37], 13), wholeOn(on, [37], 14)];
    const z = x.mul(y).sub(x).abs().add(y.square()).neg().maximum(x.mul(2)).minimum(50);
    const counted = z.cast("i32").mul(x.cast("i32")).add(z.greater(x)).cast("f32");
    return [
      z,
      counted,
      z.equal(x).where(counted, z.sign().mul(0.5)).floor(),
      z.cast("u8").cast("bool").sum(),
    ];
  },
  "picked, padded, joined": (on) => {
    const x = wholeOn(on, [6, 5], 15);
    const picked = x.gather(tensor(Int32Array.of(5, 0, 3), { device: on })).relu();
    const joined = concat([picked.mul(2), x.flip()]).pad({ before: 1, after: [0, 2], value: 3 }).add(1);
    return withGradients(
      joined.slice({ axis: 0, step: 2 }).sum({ axis: 1, keepDims: true }).mul(joined.slice({
        axis: 0,
        step: 2,
      })),
      [x],
    );
  },
  "dropout": (on) => {
    const [x, key] = [wholeOn(on, [7, 33], 16), fermi.randomKey(5, { device: on })];
    const y = fermi.dropout(x.add(1), key, { p: 0.5 }).mul(3).sub(1);
    return withGradients(y, [x]);
  },
};

/** The numbers of a graph, computed apart on the main device: what is fused on any device is held against them. */
async function numbersApart(roots: readonly Tensor[]): Promise<HostArray[]> {
  const known = new Map<Tensor, Tensor>();
  const found: HostArray[] = [];
  for (const root of roots) found.push(await (await apart(root, known)).data());
  return found;
}

for (const [what, chain] of Object.entries(CHAINS)) {
  test(`parts: fused is what the ops give apart, ${what}`, async () => {
    const single = await numbersApart(chain(main));
    for (const { name, device: on } of all) {
      for (const [i, data] of (await read(on, chain(on))).entries()) {
        // Whole numbers and their halves: the same everywhere.
        assertWhole(`${name}, result ${i}`, data.map((value: number) => value * 2));
        assertEqual(`${name}, result ${i}`, data, single[i]!);
      }
    }
  });
}

/** Composites of reals, and their gradients. */
const COMPOSITES: Readonly<Record<string, (on: Device) => readonly Tensor[]>> = {
  "localResponseNorm": (on) => {
    const x = numbers(on, "floats", [2, 10, 3, 3], 1);
    return withGradients(fermi.localResponseNorm(x, { groups: 2, alpha: 0.25, size: 4 }), [x]);
  },
  "crossEntropy": (on) => {
    const x = numbers(on, "floats", [6, 11], 2);
    const loss = fermi.crossEntropy(x, labels(on, 6, 11));
    return [loss, ...gradients(loss.mul(3), [x])];
  },
  "logSoftmax": (on) => {
    const x = numbers(on, "floats", [3, 7, 4], 3);
    return withGradients(fermi.logSoftmax(x, { axis: 1 }), [x]);
  },
  "softmax": (on) => {
    const x = numbers(on, "floats", [5, 13], 4);
    return withGradients(fermi.softmax(x), [x]);
  },
  "dropout": (on) => {
    const x = numbers(on, "floats", [5, 13], 5);
    return withGradients(fermi.dropout(x, fermi.randomKey(5, { device: on }), { p: 0.1 }), [x]);
  },
};

for (const [what, composite] of Object.entries(COMPOSITES)) {
  test(`parts: a composite is its definition, op by op, ${what}`, async () => {
    const reference = composite(cpu);
    const bounds = analyse(reference);
    const single = await numbersApart(composite(main));
    for (const { name, device: on } of all) {
      for (const [i, data] of (await read(on, composite(on))).entries()) {
        // Each way is within its bound of the definition in f64, so they are within two of each other.
        const { errors } = bounds.get(reference[i]!)!;
        data.forEach((value: number, at: number) => {
          const off = Math.abs(value - single[i]![at]!);
          assert(off <= 2 * errors[at]!, `${name}, result ${i} at ${at}: ${value} and ${single[i]![at]}`);
        });
      }
    }
  });
}

/** Programs on arrays that take several windows of 4 KiB, 1,024 numbers each; more would only compile for longer. */
const LONG: Readonly<Record<string, (on: Device, fill: Fill) => readonly Tensor[]>> = {
  "element by element": (on, fill) => {
    const [x, y] = [numbers(on, fill, [97, 103], 1), numbers(on, fill, [103], 2)];
    const z = x.mul(y).add(x.relu()).maximum(y);
    return [z, z.greater(x), z.cast("i32"), z.cast("u8"), x.tanh(), x.abs().sqrt()];
  },
  "reductions": (on, fill) => {
    const x = numbers(on, fill, [61, 67], 3);
    const along = [0, 1, [0, 1]].flatMap((axis) => [x.sum({ axis }), x.max({ axis }), x.argmin({ axis })]);
    return [x.relu(), ...along];
  },
  "moves": (on, fill) => {
    const x = numbers(on, fill, [41, 53], 4);
    const at = tensor(numbersBelow(41, 30, 5), { device: on });
    const moved = [x.transpose().add(0), x.flip().mul(1), x.slice({ step: 3 }).add(0), x.gather(at)];
    return [...moved, concat([x, x.neg()], { axis: 1 }), x.pad({ before: 2, interior: 1 })];
  },
  "products": (on, fill) => {
    const [a, b] = [numbers(on, fill, [33, 41], 6), numbers(on, fill, [41, 37], 7)];
    return withGradients(a.matmul(b).relu(), [a, b]);
  },
  "convolution": (on, fill) => {
    const [x, w] = [numbers(on, fill, [4, 3, 11, 11], 8), numbers(on, fill, [8, 3, 3, 3], 9)];
    return withGradients(fermi.conv2d(x, w, { stride: 2, padding: 1 }), [x, w]);
  },
  "pooling and normalisation": (on, fill) => {
    const x = numbers(on, fill, [2, 9, 9, 9], 10);
    const maps = [fermi.maxPool2d(x, { window: 3, stride: 2 }), fermi.avgPool2d(x, { window: 2 })];
    return [...maps, fermi.localResponseNorm(x)].flatMap((y) => withGradients(y, [x]));
  },
  "losses and noise": (on, fill) => {
    const x = numbers(on, fill, [150, 17], 11);
    const loss = fermi.crossEntropy(x, labels(on, 150, 17));
    const key = fermi.randomKey(9, { device: on });
    return [
      loss,
      ...gradients(loss, [x]),
      fermi.logSoftmax(x),
      fermi.dropout(x, key),
      fermi.normal(key, [3001]),
    ];
  },
};

test("parts: through windows of 4 KiB the bits are the same, of whole numbers and of reals", async () => {
  for (const fill of ["integers", "floats"] as const) {
    for (const [what, program] of Object.entries(LONG)) {
      const [whole, windows] = [
        await read(main, program(main, fill)),
        await read(split, program(split, fill)),
      ];
      assert(whole.some((data) => data.length > 1024), what);
      // A window is another place to read from: kernels, and the order of their sums, do not know of it.
      whole.forEach((data, i) => assertEqual(`${what}, ${fill}, result ${i}`, data, windows[i]!));
    }
  }
});

test("parts: products of rows from the middle of a matrix are those of the rows alone", async () => {
  for (const { name, device: on } of all) {
    const [x, y] = [wholeOn(on, [24, 16], 1), wholeOn(on, [24, 16], 2)];
    const rows = { axis: 0, start: 8, end: 24 };
    const copies = await Promise.all(
      [x, y].map(async (each) => tensor((await each.data()).slice(8 * 16), { shape: [16, 16], device: on })),
    );
    const [a, b] = [x.slice(rows), y.slice(rows)];
    const products = (
      a: Tensor,
      b: Tensor,
    ) => [a.matmul(b), a.matmul(b.transpose()), a.transpose().matmul(b)];
    // Each operand in the middle of a matrix beside one that is whole, and both.
    const pairs = [[a, copies[1]!], [copies[0]!, b], [a, b]] as const;
    const wanted = await read(on, products(copies[0]!, copies[1]!));
    for (const [left, right] of pairs) {
      (await read(on, products(left, right))).forEach((data, i) =>
        assertEqual(`${name}, product ${i}`, wanted[i]!, data)
      );
    }
  }
});

/** Functions of a batch that treat its rows alike. */
const ROWS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  matmul: (x) => x.reshape([-1, 48]).matmul(wholeOn(x.device, [48, 9], 1)),
  maxPool2d: (x) => fermi.maxPool2d(x, { window: 2, stride: 1 }),
  avgPool2d: (x) => fermi.avgPool2d(x, { window: 3, padding: 1 }),
  localResponseNorm: (x) => fermi.localResponseNorm(x, { size: 3, alpha: 1 }),
  logSoftmax: (x) => fermi.logSoftmax(x.reshape([-1, 48])),
};

for (const { name, device: on } of all) {
  test(`parts, ${name}: a batch is its rows`, async () => {
    const [count, shape] = [5, [5, 3, 4, 4]];
    const x = wholeOn(on, shape, 21);
    const row = (i: number) => x.slice({ start: i, end: i + 1 });
    for (const [what, f] of Object.entries(ROWS)) {
      const [batch, dx] = withGradients(f(x), [x]);
      const dy = wholeOn(on, batch!.shape, 9);
      const rows = Array.from({ length: count }, (_, i) => {
        const single = row(i);
        const y = f(single);
        return [y, gradients(y.mul(dy.slice({ start: i, end: i + 1 })), [single])[0]!] as const;
      });
      const [a, b, c, d] = await read(on, [
        batch!,
        concat(rows.map(([y]) => y)),
        dx!,
        concat(rows.map(([, dx]) => dx)),
      ]);
      assertEqual(what, a!, b!);
      assertEqual(`${what}, gradient`, c!, d!);
    }
  });

  test(`parts, ${name}: the loss of a batch is the mean of its rows' losses`, async () => {
    const [count, classes] = [7, 12];
    const [x, at] = [numbers(on, "floats", [count, classes], 22), labels(on, count, classes)];
    const rows = Array.from(
      { length: count },
      (_, i) => fermi.crossEntropy(x.slice({ start: i, end: i + 1 }), at.slice({ start: i, end: i + 1 })),
    );
    const [batch, ...losses] = await read(on, [fermi.crossEntropy(x, at), ...rows]);
    const mean = losses.reduce((sum, [loss]) => sum + loss!, 0) / count;
    // Losses are positive: each sum rounds by 2^-24 of it at most, and the quotient is off by 2.5 units.
    assert(Math.abs(batch![0]! - mean) <= (count + 8) * 2 ** -24 * mean, `${batch![0]} and ${mean}`);
  });
}

after(() => {
  for (const { device } of all) if (device !== cpu) device.destroy();
});
