// Problems against each other: groups and their parts, strides, dilations, flips, transposition and permutation,
// batches and their images. Whole numbers, so both sides are the same bit for bit, forward and both gradients.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { concat, conv2d, conv2dInputGradient, conv2dWeightGradient, type Tensor, tensor } from "../mod.ts";
import { assertPairs, convolutions, everyDevice, type Pair, threeOf, whole } from "./relations.ts";
import { fitsWindows, type Problem } from "./samples/conv2d.ts";
import { type Input, materialise } from "./samples/sample.ts";
import { hold, runs } from "./seeds.ts";

const all = await everyDevice();

/** The three arrays of a convolution and its three passes. */
interface Operands {
  readonly shapes: Problem;
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly dy: Tensor;
}

type Options = Problem["options"];

/** The three passes of one convolution, joined to one list. */
function passes({ shapes, x, weight, dy }: Operands, options: Options = shapes.options): Tensor[] {
  return [
    conv2d(x, weight, options),
    conv2dInputGradient(dy, weight, { ...options, shape: x.shape }),
    conv2dWeightGradient(x, dy, { ...options, shape: weight.shape }),
  ];
}

const NAMES = ["output", "input gradient", "weight gradient"];

/** Pairs of what two ways give for the three passes. */
function paired(what: string, left: readonly Tensor[], right: readonly Tensor[]): Pair[] {
  return left.map((tensor, i) => [`${what}, ${NAMES[i]}`, tensor, right[i]!]);
}

const part = (x: Tensor, axis: number, i: number, of: number) => {
  const extent = x.shape[axis]! / of;
  return x.slice({ axis, start: i * extent, end: (i + 1) * extent });
};
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Holds a relation on samples that `suits` takes. */
function relation(
  what: string,
  usual: number,
  pairs: (operands: Operands) => readonly Pair[],
  suits: (shapes: Problem) => boolean = () => true,
): void {
  test(`convolutions: ${what}`, async () => {
    const cases = convolutions.filter(suits).chain((shapes) =>
      fc.tuple(whole(shapes.x), whole(shapes.weight), whole(shapes.y)).map((inputs) => ({ shapes, inputs }))
    );
    const property = fc.asyncProperty(cases, async ({ shapes, inputs }) => {
      for (const { name, device: on } of threeOf(all, inputs[0].seed)) {
        const [x, weight, dy] = inputs.map((input: Input) => materialise(input, on).x);
        await assertPairs(name, on, pairs({ shapes, x: x!, weight: weight!, dy: dy! }));
      }
    });
    await hold(property, { numRuns: runs(usual) }, { file: "relations_conv_test.ts", test: `: ${what}` });
  });
}

relation("a group is a convolution of its channels", 12, (operands) => {
  const { shapes: { options }, x, weight, dy } = operands;
  const { groups } = options;
  const parts = range(groups).map((g) =>
    passes({
      ...operands,
      x: part(x, 1, g, groups),
      weight: part(weight, 0, g, groups),
      dy: part(dy, 1, g, groups),
    }, { ...options, groups: 1 })
  );
  const joined = [1, 1, 0].map((axis, pass) => concat(parts.map((part) => part[pass]!), { axis }));
  return paired("groups", passes(operands), joined);
}, ({ options }) => options.groups > 1);

relation("a batch is its images", 12, (operands) => {
  const { x, dy } = operands;
  const n = x.shape[0]!;
  const single = range(n).map((i) => passes({ ...operands, x: part(x, 0, i, n), dy: part(dy, 0, i, n) }));
  return paired("batch", passes(operands), [
    concat(single.map(([y]) => y!)),
    concat(single.map(([, dx]) => dx!)),
    single.map(([, , dw]) => dw!).reduce((a, b) => a.add(b)),
  ]);
}, ({ x }) => x[0] > 1);

/** Every s-th of the outputs of stride 1, of which there are `dense`. */
const thin = (y: Tensor, [v, h]: Options["stride"]) =>
  y.slice({ axis: [2, 3], start: [0, 0], end: [y.shape[2]!, y.shape[3]!], step: [v, h] });

relation(
  "a stride takes every s-th output",
  12,
  (operands) => {
    const { shapes: { options }, x, weight, dy } = operands;
    const { stride } = options;
    const dense = { ...options, stride: [1, 1] as const };
    const y = conv2d(x, weight, dense);
    // Zeros between the gradients, and behind them for what the last window left over.
    const inner = dy.shape.slice(2).map((extent, i) => (extent - 1) * stride[i]! + 1);
    const spread = dy.pad({
      interior: [0, 0, stride[0] - 1, stride[1] - 1],
      after: [0, 0, y.shape[2]! - inner[0]!, y.shape[3]! - inner[1]!],
    });
    const [, dx, dw] = passes({ ...operands, dy: spread }, dense);
    return paired("stride", passes(operands), [thin(y, stride), dx!, dw!]);
  },
  ({ y: [batch, channels, rows, columns], ...rest }) =>
    Math.max(...rest.options.stride) > 1 && fitsWindows({
      ...rest,
      y: [batch, channels, rows * rest.options.stride[0], columns * rest.options.stride[1]],
    }),
);

relation("a dilation is a kernel with zeros between", 12, (operands) => {
  const { shapes: { options }, weight } = operands;
  const [v, h] = options.dilation;
  const spread = weight.pad({ interior: [0, 0, v - 1, h - 1] });
  const [y, dx, dw] = passes({ ...operands, weight: spread }, { ...options, dilation: [1, 1] });
  return paired("dilation", passes(operands), [y!, dx!, thin(dw!, [v, h])]);
}, ({ options, weight: [out, depth, rows, columns], ...rest }) => {
  const [v, h] = options.dilation;
  const spread = [out, depth, (rows - 1) * v + 1, (columns - 1) * h + 1] as const;
  return Math.max(v, h) > 1 &&
    fitsWindows({ ...rest, options: { ...options, dilation: [1, 1] }, weight: spread });
});

relation("images, kernels and results on their side", 10, (operands) => {
  const { shapes: { options: { stride, padding, dilation, groups } } } = operands;
  const turned = (x: Tensor) => x.transpose([0, 1, 3, 2]);
  const [top, left, bottom, right] = padding;
  const options: Options = {
    stride: [stride[1], stride[0]],
    padding: [left, top, right, bottom],
    dilation: [dilation[1], dilation[0]],
    groups,
  };
  const { x, weight, dy } = operands;
  const made = passes({ ...operands, x: turned(x), weight: turned(weight), dy: turned(dy) }, options);
  return paired("turned", passes(operands), made.map(turned));
});

/** Whether the last window ends where the image does, so that one can begin from there. */
function fits({ options: { stride, padding, dilation }, x, weight }: Problem): boolean {
  return [0, 1].every((side) => {
    const reach = (weight[side + 2]! - 1) * dilation[side]! + 1;
    return (x[side + 2]! + padding[side]! + padding[side + 2]! - reach) % stride[side]! === 0;
  });
}

relation("everything flipped", 10, (operands) => {
  const { shapes: { options }, x, weight, dy } = operands;
  const flipped = (x: Tensor) => x.flip({ axis: [2, 3] });
  const [top, left, bottom, right] = options.padding;
  const made = passes(
    { ...operands, x: flipped(x), weight: flipped(weight), dy: flipped(dy) },
    { ...options, padding: [bottom, right, top, left] },
  );
  return paired("flipped", passes(operands), made.map(flipped));
}, fits);

relation("channels in another order", 10, (operands) => {
  const { x, weight, dy } = operands;
  const reversed = (x: Tensor, axis: number) => x.flip({ axis });
  const [y, dx, dw] = passes({
    ...operands,
    x: reversed(x, 1),
    weight: weight.flip({ axis: [0, 1] }),
    dy: reversed(dy, 1),
  });
  return paired("channels", passes(operands), [
    reversed(y!, 1),
    reversed(dx!, 1),
    dw!.flip({ axis: [0, 1] }),
  ]);
});

relation(
  "padding is zeros around the image",
  5,
  (operands) => {
    const { shapes: { options }, x, dy } = operands;
    const [top, left, bottom, right] = options.padding;
    const around = x.pad({ before: [0, 0, top, left], after: [0, 0, bottom, right] });
    const [y, dx, dw] = passes({ ...operands, x: around, dy }, { ...options, padding: [0, 0, 0, 0] });
    const [height, width] = x.shape.slice(2) as [number, number];
    const inner = dx!.slice({ axis: [2, 3], start: [top, left], end: [top + height, left + width] });
    return paired("padding", passes(operands), [y!, inner, dw!]);
  },
  ({ options: { padding } }) => Math.max(...padding) > 0,
);

relation(
  "a window of one pixel, and one as large as the image, are products of matrices",
  6,
  ({ x, weight }) => {
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const pixel = weight.slice({ axis: [2, 3], start: [0, 0], end: [1, 1] });
    const rows = pixel.reshape([pixel.shape[0]!, channels]);
    const product = rows.matmul(x.reshape([batch, channels, height * width]));
    const y = conv2d(x, pixel);
    const full = conv2d(x, x);
    const flat = x.reshape([batch, channels * height * width]);
    return [
      ["one pixel", y, product.reshape(y.shape)],
      ["the image", full.reshape([batch, batch]), flat.matmul(flat.transpose())],
    ];
  },
  ({ options }) => options.groups === 1,
);

test("convolutions: an image of one hot pixel shows the kernel, flipped", async () => {
  const [height, width] = [5, 6];
  for (const { name, device: on } of all) {
    const shape = [2, 3, 2, 3];
    const weight = tensor(Float32Array.from({ length: 36 }, (_, i) => i + 1), { shape, device: on });
    const pairs = [[0, 0, 0], [4, 5, 2], [2, 3, 1]].map(([row, column, channel]): Pair => {
      const hot = new Float32Array(3 * height * width);
      hot[(channel! * height + row!) * width + column!] = 1;
      // With so much padding the kernel fits wherever the pixel is.
      const y = conv2d(tensor(hot, { shape: [1, 3, height, width], device: on }), weight, {
        padding: [1, 2],
      });
      const kernels = weight.slice({ axis: 1, start: channel!, end: channel! + 1 }).reshape([1, 2, 2, 3]);
      const shown = kernels.flip({ axis: [2, 3] }).pad({
        before: [0, 0, row!, column!],
        after: [0, 0, height - 1 - row!, width - 1 - column!],
      });
      return [`pixel ${row}, ${column} of channel ${channel}`, y, shown];
    });
    assert.deepEqual(pairs[0]![1].shape, [1, 2, 6, 8]);
    await assertPairs(name, on, pairs);
  }
});

after(() => {
  for (const { name, device } of all) if (name !== "cpu") device.destroy();
});
