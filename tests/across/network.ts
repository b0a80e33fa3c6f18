// A user's program: a network of their own, on images of their own, learnt with the library as it is installed.

import {
  argmax,
  crossEntropy,
  device,
  foldIn,
  gradients,
  nn,
  randomKey,
  setDefaultDevice,
  SGD,
  type Tensor,
  tensor,
} from "@fermi/fermi";

const [SIZE, CLASSES, BATCH] = [8, 3, 48];

/** Stripes across, along, or at a slant, at a random place, in noise. */
function stripes(seed: number): { images: Tensor; labels: Tensor } {
  let state = seed;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32;
  const labels = Int32Array.from({ length: BATCH }, () => Math.floor(random() * CLASSES));
  const images = new Float32Array(BATCH * SIZE * SIZE);
  labels.forEach((label, n) => {
    const shift = Math.floor(random() * 4);
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const place = [y, x, x + y][label]! + shift;
        images[(n * SIZE + y) * SIZE + x] = (place % 4 < 2 ? 1 : 0) + 0.5 * (random() - 0.5);
      }
    }
  });
  return { images: tensor(images, { shape: [BATCH, 1, SIZE, SIZE] }), labels: tensor(labels) };
}

/** Two paths that see different neighbourhoods, joined by a sum: none of the networks that come with the library. */
class TwoPaths extends nn.Module {
  readonly fine: nn.Conv2d;
  readonly coarse: nn.Conv2d;
  readonly output: nn.Linear;

  constructor(key: Tensor) {
    super();
    const [first, second, third] = [foldIn(key, 0), foldIn(key, 1), foldIn(key, 2)];
    this.fine = new nn.Conv2d(1, 8, { window: 3, padding: 1, key: first });
    this.coarse = new nn.Conv2d(1, 8, { window: 5, padding: 2, key: second });
    this.output = new nn.Linear(8, CLASSES, { key: third });
  }

  override forward(x: Tensor): Tensor {
    const both = this.fine.forward(x).relu().add(this.coarse.forward(x).relu());
    return this.output.forward(both.mean({ axis: [2, 3] }));
  }
}

/** Trains on a device; gives the first and the last loss, and the share of new images that it gets right. */
export async function learn(
  where: "cpu" | "webgpu",
): Promise<{ device: string; first: number; last: number; accuracy: number }> {
  const target = await device(where);
  setDefaultDevice(target);
  const network = new TwoPaths(randomKey(7));
  const weights = [...network.parameters().values()];
  const sgd = new SGD(weights, { momentum: 0.9, weightDecay: 0.0001 });
  const losses: number[] = [];
  for (let step = 1; step <= 60; step++) {
    const { images, labels } = stripes(step);
    const loss = crossEntropy(network.forward(images), labels);
    sgd.step(gradients(loss, weights), 0.05);
    losses.push(await loss.item());
  }
  const { images, labels } = stripes(1000);
  const hits = argmax(network.forward(images), { axis: 1 }).equal(labels).cast("f32").mean();
  const result = {
    device: target.name,
    first: losses[0]!,
    last: losses.at(-1)!,
    accuracy: await hits.item(),
  };
  target.destroy();
  return result;
}
