/**
 * What is bound by memory: normalisation, pooling, the loss, dropout, sums, element-wise ops and the update.
 *
 * @module
 */

import {
  crossEntropy,
  dropout,
  gradients,
  nn,
  Parameter,
  randomKey,
  SGD,
  type Shape,
  sum,
  tensor,
} from "../../mod.ts";
import { trace } from "../../nn/models/trace.ts";
import { apply, applyOne } from "../../tensor/declare.ts";
import { localResponseNormGradientOp, localResponseNormOp } from "../../tensor/ops/normalize.ts";
import { maxPool2dGradientOp, maxPool2dOp } from "../../tensor/ops/pool2d.ts";
import { alexnetMaps, type MapsShape } from "../shapes.ts";
import { bytesOf, type Describe, type Entry, type Scope, type Workload } from "../workload.ts";

/** What differs from a workload of which neither operations nor images are counted. */
type Given = Omit<Workload, "prepare" | "precision" | "flops" | "images"> & { readonly flops?: number };

function workload(given: Given, prepare: (scope: Scope) => Describe): Workload {
  return {
    precision: "f32",
    flops: 0,
    images: 0,
    ...given,
    prepare: (scope) => Promise.resolve(prepare(scope)),
  };
}

/** The paper's constants; windows stay in a tower. */
const LRN = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, groups: 2 };

/** Local response normalisation; the gradient makes the scales again. */
function normalisation({ name, input }: MapsShape): Workload[] {
  const given = { family: "localResponseNorm", size: `batch ${input[0]}` } as const;
  return [
    workload(
      {
        ...given,
        name: `${name} forward`,
        bytes: bytesOf(input, input),
        resultBytes: bytesOf(input),
      },
      (scope) => {
        const x = scope.random(...input);
        return () => apply(localResponseNormOp, [x], LRN);
      },
    ),
    workload(
      {
        ...given,
        name: `${name} gradient`,
        bytes: bytesOf(input, input, input),
        resultBytes: bytesOf(input),
      },
      (scope) => {
        const [dy, x] = [scope.random(...input), scope.random(...input)];
        return () => [applyOne(localResponseNormGradientOp, [dy, x], LRN)];
      },
    ),
  ];
}

const POOL = { window: [3, 3], stride: [2, 2], padding: [0, 0, 0, 0] } as const;

/** Max-pooling: the places of the maxima are kept for the gradient. */
function pooling({ name, input, output }: MapsShape): Workload[] {
  const given = { family: "maxPool2d", size: `batch ${input[0]}` } as const;
  const places = bytesOf(output) / 4; // a byte each
  return [
    workload(
      {
        ...given,
        name: `${name} forward`,
        bytes: bytesOf(input, output) + places,
        resultBytes: bytesOf(output) + places,
      },
      (scope) => {
        const x = scope.random(...input);
        return () => apply(maxPool2dOp, [x], POOL);
      },
    ),
    workload(
      {
        ...given,
        name: `${name} gradient`,
        bytes: bytesOf(output, input) + places,
        resultBytes: bytesOf(input),
      },
      (scope) => {
        const dy = scope.random(...output);
        const [, index] = apply(maxPool2dOp, [scope.random(...input)], POOL);
        const kept = scope.keep(new Parameter(index!));
        return () => [applyOne(maxPool2dGradientOp, [dy, kept], { ...POOL, shape: input })];
      },
    ),
  ];
}

/** Layers from maps to maps, at a batch and at one image. */
export function maps(layer: "localResponseNorm" | "maxPool2d", batch: number): Entry[] {
  const passesOf = layer === "localResponseNorm" ? normalisation : pooling;
  const passes = (images: number) => alexnetMaps(layer, images).flatMap(passesOf);
  const small = passes(1);
  return passes(batch).map((workload, i) => ({ workload, small: small[i]!, large: false }));
}

const CLASSES = nn.models.alexnet.classes;

function loss(batch: number): Workload {
  const shape = [batch, CLASSES];
  return workload(
    {
      family: "loss",
      name: "cross-entropy + gradient",
      size: `batch ${batch}`,
      bytes: bytesOf(shape, [batch], shape),
      resultBytes: bytesOf(shape),
    },
    (scope) => {
      const { device } = scope;
      const logits = scope.random(...shape);
      const classes = Int32Array.from({ length: batch }, (_, i) => i * 7 % CLASSES);
      const labels = scope.keep(new Parameter(tensor(classes, { device })));
      return () => {
        const mean = crossEntropy(logits, labels);
        return [mean, ...gradients(mean, [logits])];
      };
    },
  );
}

function drop(batch: number): Workload {
  const shape = [batch, 4096];
  const bytes = bytesOf(shape, shape);
  return workload(
    { family: "dropout", name: "dropout7", size: `batch ${batch}`, bytes, resultBytes: bytesOf(shape) },
    (scope) => {
      const x = scope.random(...shape);
      const key = randomKey(1, { device: scope.device });
      return () => [dropout(x, key, { p: 0.5 })];
    },
  );
}

function total(name: string, size: string, shape: Shape, axis: readonly number[], result: Shape): Workload {
  const flops = bytesOf(shape) / 4;
  return workload(
    { family: "reduction", name, size, flops, bytes: bytesOf(shape, result), resultBytes: bytesOf(result) },
    (scope) => {
      const x = scope.random(...shape);
      return () => [sum(x, { axis })];
    },
  );
}

const million = 1 << 20;

function add(millions: number): Workload {
  const shape = [millions * million];
  return workload(
    {
      family: "elementwise",
      name: "add",
      size: `${millions} Mi`,
      flops: millions * million,
      bytes: bytesOf(shape, shape, shape),
      resultBytes: bytesOf(shape),
    },
    (scope) => {
      const [a, b] = [scope.random(...shape), scope.random(...shape)];
      return () => [a.add(b)];
    },
  );
}

/** The shapes of AlexNet's parameters, weights and biases. */
function parameterShapes(): Shape[] {
  return trace(nn.models.alexnet).flatMap(({ row, input, output }) => {
    if (row.layer === "linear") return [[output[0]!, input[0]!], [output[0]!]];
    if (row.layer !== "conv2d") return [];
    return [[output[0]!, input[0]! / (row.groups ?? 1), row.window, row.window], [output[0]!]];
  });
}

/** The paper's update: momentum and weight decay; reads weight, velocity and gradient, writes two of them. */
function update(size: string, shapes: readonly Shape[]): Workload {
  const bytes = 5 * bytesOf(...shapes);
  // v = momentum v - decay w - rate g; w = w + v
  const flops = 6 * bytesOf(...shapes) / 4;
  return workload({ family: "sgd", name: "momentum", size, flops, bytes, resultBytes: 0 }, (scope) => {
    const weights = shapes.map((shape) => scope.random(...shape));
    const slopes = shapes.map((shape) => scope.random(...shape));
    const sgd = new SGD(weights);
    sgd.velocities.forEach((velocity) => scope.keep(velocity));
    return () => {
      sgd.step(slopes, 1e-6);
      return [];
    };
  });
}

const one = (workload: Workload, small: Workload): Entry => ({ workload, small, large: false });

/** The rest, at sizes of AlexNet's or beyond every cache. */
export function others(batch: number): Entry[] {
  const shapes = parameterShapes();
  const bias = (images: number) =>
    total("bias gradient conv1", `batch ${images}`, [images, 96, 55, 55], [0, 2, 3], [96]);
  const sums = (millions: number) => total("sum", `${millions} Mi`, [millions * million], [0], []);
  const count = (list: readonly Shape[]) => `${(bytesOf(...list) / 4e6).toFixed(1)} M`;
  return [
    one(loss(128), loss(128)),
    one(drop(128), drop(128)),
    one(sums(16), sums(1)),
    one(bias(batch), bias(1)),
    one(add(16), add(1)),
    one(update(count(shapes), shapes), update(count(shapes.slice(0, 10)), shapes.slice(0, 10))),
  ];
}
