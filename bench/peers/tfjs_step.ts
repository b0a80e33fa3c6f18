/**
 * A training step in TensorFlow.js, for `tfjs.ts`.
 *
 * @module
 */

import { openedDevice, type Prepared } from "./child.ts";
import { type Digest, digestOf, labelsOf, numbersOf, sampledRows, velocityName } from "./numbers.ts";
import { permute, productOf } from "./permute.ts";
import {
  type Arr,
  eachGroup,
  flush,
  hwio,
  partsOf,
  type Shape,
  tf,
  TO_NHWC,
  type Variable,
} from "./tfjs_api.ts";
import { type Row, type StepWorkload, withoutExtras } from "./workloads.ts";

/** The parameters of a layer, in parts: a group each, or as many as it takes for a part to fit into a binding. */
interface Layer {
  readonly name: string;
  /** [outputs, channels, height, width]; ones at the end for what is connected to numbers, not maps. */
  readonly shape: Shape;
  readonly weights: readonly Variable[];
  readonly biases: readonly Variable[];
}

function loadLayer(workload: StepWorkload, row: Row): Layer | null {
  if (row.layer !== "conv2d" && row.layer !== "linear") return null;
  const operand = (kind: string) => workload.parameters.find(({ name }) => name === `${row.name}.${kind}`)!;
  const weight = operand("weight");
  const first = workload.rows.find(({ layer }) => layer === "linear")?.name === row.name;
  const [outputs, inputs] = weight.shape as [number, number];
  const shape = row.layer === "conv2d"
    ? weight.shape
    : first
    ? [outputs, ...workload.flattened]
    : [outputs, inputs, 1, 1];
  const limit = openedDevice().limits.maxStorageBufferBindingSize;
  const parts = row.layer === "conv2d" ? row.groups ?? 1 : Math.ceil(4 * productOf(weight.shape) / limit);
  const variable = (initial: Arr, kind: string, i: number) => {
    const variable = tf.variable(initial, true, `${row.name}.${kind}.${i}`);
    initial.dispose();
    return variable;
  };
  const weights = partsOf({ ...weight, shape }, parts).map((part, i) =>
    variable(tf.tidy(() => row.layer === "conv2d" ? hwio(part) : flatten(hwio(part))), "weight", i)
  );
  const biases = partsOf(operand("bias"), parts).map((part, i) =>
    variable(tf.tensor(part.data, part.shape), "bias", i)
  );
  return { name: row.name, shape, weights, biases };
}

/** [height, width, channels, outputs] as the matrix of a fully connected layer. */
function flatten(weight: Arr): Arr {
  return weight.reshape([productOf(weight.shape.slice(0, 3)), weight.shape[3]!]);
}

function forward(x: Arr, row: Row, loaded: Layer | undefined): Arr {
  switch (row.layer) {
    case "conv2d": {
      const { stride: strides = 1, padding: pad = 0, groups = 1 } = row;
      const { weights, biases } = loaded!;
      const parts = eachGroup(
        groups,
        [x],
        (i, [x]) => tf.fused.conv2d({ x: x!, filter: weights[i]!, strides, pad, bias: biases[i]! }),
      );
      return parts.length === 1 ? parts[0]! : tf.concat(parts, 3);
    }
    case "linear": {
      const { weights, biases } = loaded!;
      const parts = weights.map((b, i) => tf.fused.matMul({ a: x, b, bias: biases[i]! }));
      return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
    }
    case "relu":
      return x.relu();
    case "maxPool2d":
      return tf.maxPool(x, row.window, row.stride, "valid");
    case "flatten":
      return x.reshape([x.shape[0]!, -1]);
    default:
      throw new Error(`${row.layer} is not raced`);
  }
}

/** The step; its update is written by hand, since the optimiser with momentum has no decay. */
export function trainingStep(workload: StepWorkload): Prepared {
  const { batch, classes, lr, momentum, weightDecay } = workload;
  const rows = withoutExtras(workload.rows);
  const layers = rows.map((row) => loadLayer(workload, row)).filter((layer) => layer !== null);
  const variables = layers.flatMap(({ weights, biases }) => [...weights, ...biases]);
  const velocityOf = new Map(
    variables.map((w) => [w, tf.tidy(() => tf.variable(tf.zeros(w.shape), false, `velocity of ${w.name}`))]),
  );
  const { images } = workload;
  const pixels = permute(numbersOf(images), images.shape, TO_NHWC);
  const labels = labelsOf(batch, classes, workload.labels);
  let loss: Arr | null = null;
  const step = () => {
    const x = tf.tensor(pixels, TO_NHWC.map((axis) => images.shape[axis]!));
    const hot = tf.oneHot(tf.tensor(labels, [batch], "int32"), classes);
    const network = () =>
      rows.reduce((x, row) => forward(x, row, layers.find(({ name }) => name === row.name)), x);
    const { value, grads } = tf.variableGrads(() => tf.losses.softmaxCrossEntropy(hot, network()), variables);
    for (const w of variables) {
      const v = velocityOf.get(w)!;
      v.assign(v.mul(momentum).sub(w.mul(weightDecay * lr)).sub(grads[w.name]!.mul(lr)));
      w.assign(w.add(v));
    }
    return value;
  };
  return {
    run() {
      loss?.dispose();
      loss = tf.tidy(step);
    },
    async finish() {
      flush();
      await loss!.data();
    },
    async result() {
      const digests = [digestOf("loss", await loss!.data())];
      for (const layer of layers) {
        digests.push(...await digestsOf(layer, velocityOf));
      }
      return digests;
    },
  };
}

async function digestsOf(layer: Layer, velocityOf: ReadonlyMap<Variable, Variable>): Promise<Digest[]> {
  const { name, shape, weights, biases } = layer;
  const [outputs, channels, height, width] = shape as [number, number, number, number];
  const rows = outputs / weights.length;
  const digests: Digest[] = [];
  for (const row of sampledRows({ shape })) {
    const weight = velocityOf.get(weights[Math.floor(row! / rows)]!)!;
    const sizes = weight.shape.slice(0, -1);
    const slice = tf.tidy(() => weight.slice([...sizes.map(() => 0), row! % rows], [...sizes, 1]));
    const data = permute(await slice.data(), [height, width, channels], [2, 0, 1]);
    slice.dispose();
    digests.push(digestOf(velocityName(`${name}.weight`, row), data));
  }
  const bias = tf.tidy(() => tf.concat(biases.map((part) => velocityOf.get(part)!), 0));
  digests.push(digestOf(velocityName(`${name}.bias`, null), await bias.data()));
  bias.dispose();
  return digests;
}
