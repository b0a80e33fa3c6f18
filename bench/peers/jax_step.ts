/**
 * A training step in jax-js, compiled as a whole, for `jax.ts`.
 *
 * @module
 */

import { openedDevice, type Prepared } from "./child.ts";
import { type Arr, conv2d, jax, np, padded, padsByHand, submit, type Tree } from "./jax_api.ts";
import { digestOf, labelsOf, numbersOf, type Operand, sampledRows, velocityName } from "./numbers.ts";
import { type Row, type StepWorkload, withoutExtras } from "./workloads.ts";

/** A weight that is larger than a binding lies in parts, one below the other: jax-js binds arrays as a whole. */
function partsOf({ shape }: Operand): number {
  const bytes = 4 * shape.reduce((a, b) => a * b);
  return Math.ceil(bytes / openedDevice().limits.maxStorageBufferBindingSize);
}

/** The names and contents of a parameter's parts. */
function load(operand: Operand): [string, Arr][] {
  const parts = partsOf(operand);
  const [rows, ...others] = operand.shape;
  const shape = [rows! / parts, ...others];
  const numbers = numbersOf(operand);
  const length = numbers.length / parts;
  return Array.from({ length: parts }, (_, i) => {
    const part = numbers.subarray(i * length, (i + 1) * length);
    return [`${operand.name}.${i}`, np.array(part, { shape })];
  });
}

/** The images as the first layer takes them, and the layers that are left to do. */
function enter(
  { images, rows }: StepWorkload,
): ReturnType<typeof padded> & { readonly rows: readonly Row[] } {
  const [first, ...others] = rows;
  if (first?.layer !== "conv2d" || !padsByHand({ stride: first.stride ?? 1 })) {
    return { ...padded(images, 0), rows };
  }
  return { ...padded(images, first.padding ?? 0), rows: [{ ...first, padding: 0 }, ...others] };
}

/** Bias and the weight's parts, which the tree lends. */
function linear(x: Arr, name: string, parameters: Tree): Arr {
  const parts = Object.keys(parameters).filter((key) => key.startsWith(`${name}.weight.`)).sort();
  const products = parts.map((part) => np.matmul(x.ref, parameters[part]!.ref.transpose()));
  x.dispose();
  const product = products.length === 1 ? products[0]! : np.concatenate(products, 1);
  return product.add(parameters[`${name}.bias.0`]!.ref);
}

function layer(x: Arr, row: Row, parameters: Tree): Arr {
  switch (row.layer) {
    case "conv2d": {
      const { name, outputs, stride = 1, padding = 0, groups = 1 } = row;
      const y = conv2d(x, parameters[`${name}.weight.0`]!.ref, { stride, padding, groups });
      return y.add(parameters[`${name}.bias.0`]!.ref.reshape([outputs, 1, 1]));
    }
    case "linear":
      return linear(x, row.name, parameters);
    case "relu":
      return jax.nn.relu(x);
    case "maxPool2d":
      return jax.lax.reduceWindow(x, np.max, [row.window, row.window], [row.stride, row.stride]);
    case "flatten":
      return x.reshape([x.shape[0]!, -1]);
    default:
      throw new Error(`${row.layer} is not raced`);
  }
}

/** Mean cross-entropy; takes what it is given, as jax-js wants it. */
function lossOf(workload: StepWorkload): (parameters: Tree, images: Arr, labels: Arr) => Arr {
  return (parameters, images, labels) => {
    let x = images;
    for (const row of withoutExtras(workload.rows)) x = layer(x, row, parameters);
    for (const parameter of Object.values(parameters)) parameter.dispose();
    const hot = jax.nn.oneHot(labels, workload.classes);
    return jax.nn.logSoftmax(x).mul(hot).sum().div(-workload.batch);
  };
}

type State = { parameters: Tree; velocities: Tree; loss: Arr };
type Update = (parameters: Tree, velocities: Tree, images: Arr, labels: Arr) => State;

/** A whole step, to be compiled as one. */
function updateOf(workload: StepWorkload): Update {
  const { lr, momentum, weightDecay } = workload;
  const valueAndGrad = jax.valueAndGrad(lossOf(workload));
  return (parameters, velocities, images, labels) => {
    const kept = Object.fromEntries(Object.entries(parameters).map(([name, array]) => [name, array.ref]));
    const [loss, slopes] = valueAndGrad(kept, images, labels);
    const next: State = { parameters: {}, velocities: {}, loss };
    for (const [name, w] of Object.entries(parameters)) {
      const v = velocities[name]!.mul(momentum).sub(w.ref.mul(weightDecay * lr))
        .sub(slopes[name]!.mul(lr));
      next.velocities[name] = v.ref;
      next.parameters[name] = w.add(v);
    }
    return next;
  };
}

/** The step. */
export async function trainingStep(workload: StepWorkload): Promise<Prepared> {
  const { batch, classes } = workload;
  const parameters: Tree = {};
  for (const operand of workload.parameters) {
    for (const [name, part] of load(operand)) parameters[name] = part;
    await submit(Object.values(parameters));
  }
  const velocities = Object.fromEntries(
    Object.entries(parameters).map(([name, { shape }]) => [name, np.zeros(shape)]),
  );
  const { data, shape, rows } = enter(workload);
  const labels = labelsOf(batch, classes, workload.labels);
  const update = jax.jit(updateOf({ ...workload, rows }));
  let state: State = { parameters, velocities, loss: np.zeros([]) };
  return {
    async run() {
      const images = np.array(data, { shape });
      state.loss.dispose();
      state = update(state.parameters, state.velocities, images, np.array(labels, { shape: [batch] }));
      const { parameters, velocities, loss } = state;
      await submit([loss, ...Object.values(parameters), ...Object.values(velocities)]);
    },
    finish: async () => void await state.loss.ref.data(),
    async result() {
      const digests = [digestOf("loss", await state.loss.ref.data())];
      for (const operand of workload.parameters) {
        for (const row of sampledRows(operand)) {
          const velocity = await rowOf(state.velocities, operand.name, row);
          digests.push(digestOf(velocityName(operand.name, row), velocity));
        }
      }
      return digests;
    },
  };
}

function rowOf(tree: Tree, name: string, row: number | null): Promise<ArrayLike<number>> {
  if (row === null) return tree[`${name}.0`]!.ref.data();
  const rows = tree[`${name}.0`]!.shape[0]!;
  const part = tree[`${name}.${Math.floor(row / rows)}`]!;
  return part.ref.slice([row % rows, row % rows + 1]).data();
}
