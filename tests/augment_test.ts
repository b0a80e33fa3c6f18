// Augmentation and ten crops: the paper's formulas, written with loops, on every device; and what is drawn.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  colourBasis,
  colourNoise,
  cropRange,
  ImageInput,
  type ImageStatistics,
  inMemory,
  randomPlaces,
} from "../data/mod.ts";
import {
  type Device,
  device as openDevice,
  evaluate,
  foldIn,
  nn,
  normal,
  randomBits,
  randomKey,
  splitKey,
  tensor,
} from "../mod.ts";
import { Evaluator } from "../train/mod.ts";
import { devices } from "./devices.ts";
import { correlation, count, errorsOff, even, STANDARD_ERRORS } from "./statistics.ts";

const all = await devices();

/** Random bytes, the same each time. */
async function bytesOf(length: number, seed: number): Promise<Uint8Array> {
  return new Uint8Array(
    (await randomBits(randomKey(seed, { device: all[0]! }), [Math.ceil(length / 4)]).data()).buffer,
  )
    .slice(0, length);
}

/** Images of colours whose eigenvectors are no axes. */
async function colourful(count: number, height: number, width: number): Promise<{
  readonly bytes: Uint8Array;
  readonly statistics: ImageStatistics;
}> {
  const bytes = await bytesOf(count * 3 * height * width, 1);
  const mean = Float32Array.from(await bytesOf(3 * height * width, 2), (byte, i) => byte + i % 7 / 7);
  const eigenvectors = [[0.6, 0.64, 0.48], [-0.8, 0.48, 0.36], [0, -0.6, 0.8]];
  return { bytes, statistics: { mean, eigenvalues: [0.2, 0.02, 0.003], eigenvectors } };
}

type Images = readonly [count: number, channels: number, height: number, width: number];

/** Part (top, left, mirrored) of an image, minus the mean's: what the paper says, pixel by pixel. */
function part(
  bytes: Uint8Array,
  mean: Float32Array | null,
  [, channels, height, width]: Images,
  image: number,
  [top, left, mirrored]: readonly number[],
  [rows, columns]: readonly [number, number],
): number[] {
  const result: number[] = [];
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const [y, x] = [top! + i, left! + (mirrored ? columns - 1 - j : j)];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        const at = (c * height + y) * width + x;
        const byte = inside ? bytes[image * channels * height * width + at]! : 0;
        const value = mean ? byte - (inside ? mean[at]! : 0) : Math.fround(byte / 255) - 0.5;
        result.push(Math.fround(value));
      }
    }
  }
  return result;
}

/** The places as the documentation says they are drawn, from the bits. */
async function placesOf(
  key: number,
  images: number,
  range: ReturnType<typeof cropRange>,
): Promise<number[][]> {
  const stepKey = randomKey(key, { device: all[0]! });
  const bits = await randomBits(splitKey(stepKey, 2)[0]!, [images, 3]).data();
  return Array.from({ length: images }, (_, n) =>
    [0, 1, 2].map((axis) => {
      const uniform = (bits[3 * n + axis]! >>> 8) / 2 ** 24;
      if (axis === 2) return uniform >= 0.5 ? 1 : 0;
      return range.start[axis]! +
        Math.min(range.places[axis]! - 1, Math.floor(uniform * range.places[axis]!));
    }));
}

const inputOf = async (x: ReturnType<ImageInput["test"]>) => Array.from(await x.data());

test("augment: random parts minus the mean, bit for bit, as loops have them", async () => {
  // A row of 8 pixels is computed four at a time, one of 7 pixel by pixel.
  for (const size of [[9, 8], [6, 7]] as const) {
    const images = [5, 3, 11, 12] as const;
    const { bytes, statistics } = await colourful(5, 11, 12);
    const places = await placesOf(77, 5, cropRange([11, 12], size));
    assert(places.some(([, , mirrored]) => mirrored) && places.some(([, , mirrored]) => !mirrored));
    const wanted = places.flatMap((place, n) => part(bytes, statistics.mean, images, n, place, size));
    for (const device of all) {
      const input = new ImageInput({
        images: [3, 11, 12],
        input: [3, ...size],
        statistics,
        augment: "crop",
        device,
      });
      const x = input.train(tensor(bytes, { shape: images, device }), randomKey(77, { device }));
      assert.deepEqual([x.dtype, x.shape], ["f32", [5, 3, ...size]]);
      assert.deepEqual(await inputOf(x), wanted, device.name);
      input.dispose();
    }
  }
});

test("augment: images as large as the input move by two pixels, and what comes in is 0", async () => {
  const images = [40, 1, 6, 6] as const;
  const bytes = await bytesOf(40 * 36, 3);
  const range = cropRange([6, 6], [6, 6]);
  assert.deepEqual(range, { start: [-2, -2], places: [5, 5], centre: [0, 0] });
  const places = await placesOf(5, 40, range);
  assert.equal(new Set(places.map(([top, left]) => `${top} ${left}`)).size > 15, true);
  const mean = Float32Array.from({ length: 36 }, (_, i) => 3 * i + 0.5);
  const grey = { mean, eigenvalues: [], eigenvectors: [] };
  for (const device of all) {
    const x = tensor(bytes, { shape: images, device });
    const key = randomKey(5, { device });
    const centred = new ImageInput({ images: [1, 6, 6], augment: "crop", statistics: grey, device });
    const wanted = places.flatMap((place, n) => part(bytes, mean, images, n, place, [6, 6]));
    assert.deepEqual(await inputOf(centred.train(x, key)), wanted, device.name);
    // Without statistics the quotient is within 2^-22, as `normalise` says.
    const scaled = await inputOf(
      new ImageInput({ images: [1, 6, 6], augment: "crop", device }).train(x, key),
    );
    places.flatMap((place, n) => part(bytes, null, images, n, place, [6, 6])).forEach((value, i) =>
      assert(Math.abs(scaled[i]! - value) <= 2 ** -22, `${device.name}: ${scaled[i]} is not ${value}`)
    );
    assert.deepEqual(await inputOf(centred.test(x)), Array.from(bytes, (byte, i) => byte - mean[i % 36]!));
  }
});

test("augment: colours are shifted along their eigenvectors, once an image", async () => {
  const images = [6, 3, 8, 8] as const;
  const { bytes, statistics } = await colourful(6, 8, 8);
  const { eigenvalues, eigenvectors, mean } = statistics;
  const places = await placesOf(9, 6, cropRange([8, 8], [4, 4]));
  for (const device of all) {
    const key = randomKey(9, { device });
    const options = { images: [3, 8, 8], input: [3, 4, 4], statistics, augment: "crop+pca", device } as const;
    const got = await inputOf(new ImageInput(options).train(tensor(bytes, { shape: images, device }), key));
    const normals = await normal(splitKey(key, 2)[1]!, [6, 3]).data();
    places.forEach((place, n) => {
      const plain = part(bytes, mean, images, n, place, [4, 4]);
      for (let c = 0; c < 3; c++) {
        // [p1, p2, p3] [alpha_1 lambda_1, alpha_2 lambda_2, alpha_3 lambda_3]^T, in units of bytes.
        const terms = [0, 1, 2].map((i) =>
          eigenvectors[i]![c]! * 0.1 * normals[3 * n + i]! * eigenvalues[i]! * 255
        );
        const shift = terms.reduce((a, b) => a + b);
        const size = terms.reduce((a, b) => a + Math.abs(b), 0);
        assert(size > 1e-3);
        for (let pixel = 0; pixel < 16; pixel++) {
          const at = c * 16 + pixel;
          const [value, wanted] = [got[n * 48 + at]!, plain[at]! + shift];
          // Each term is rounded four times, their sum twice; the pixel once.
          const bound = (8 * size + Math.abs(wanted)) * 2 ** -24;
          assert(Math.abs(value - wanted) <= bound, `${device.name}: ${value} is not ${wanted}`);
        }
      }
    });
  }
});

test("augment: backends draw the same colours within rounding", async () => {
  const { statistics } = await colourful(1, 2, 2);
  const noises = await Promise.all(all.map((device) => {
    const basis = tensor(colourBasis(statistics), { shape: [3, 3], device });
    return colourNoise(randomKey(4, { device }), 500, basis).data();
  }));
  const [exact, other] = [noises[0]!, noises.at(-1)!];
  const largest = 0.1 * 255 * 5 * statistics.eigenvalues.reduce((a, b) => a + b);
  exact.forEach((value, i) => assert(Math.abs(value - other[i]!) <= 56 * 2 ** -23 * largest, `${i}`));
});

test("ten crops: the corners, the centre, and their mirror images", async () => {
  const images = [2, 3, 9, 10] as const;
  const { bytes, statistics } = await colourful(2, 9, 10);
  const [bottom, right] = [9 - 5, 10 - 4];
  const five = [[0, 0], [0, right], [bottom, 0], [bottom, right], [2, 3]];
  const ten = [...five.map((place) => [...place, 0]), ...five.map((place) => [...place, 1])];
  const wanted = ten.flatMap((place) =>
    [0, 1].flatMap((n) => part(bytes, statistics.mean, images, n, place, [5, 4]))
  );
  for (const device of all) {
    const input = new ImageInput({ images: [3, 9, 10], input: [3, 5, 4], statistics, device });
    const x = tensor(bytes, { shape: images, device });
    const crops = input.test(x, 10);
    assert.deepEqual(crops.shape, [20, 3, 5, 4]);
    assert.deepEqual(await inputOf(crops), wanted, device.name);
    const centre = wanted.slice(4 * 2 * 60, 5 * 2 * 60);
    assert.deepEqual(await inputOf(input.test(x)), centre);
    assert.deepEqual(await inputOf(input.train(x, null)), centre); // nothing is varied
  }
  const imagenet = cropRange([256, 256], [224, 224]);
  assert.deepEqual(imagenet, { start: [0, 0], places: [33, 33], centre: [16, 16] });
});

test("ten crops: softmax is averaged, and the first five are counted", async () => {
  const [images, classes] = [23, 12];
  const bytes = await bytesOf(images * 3 * 64, 6);
  const label = (index: number) => index * 5 % classes;
  const split = inMemory(bytes, Uint8Array.from({ length: images }, (_, n) => label(n)), 192);
  for (const device of all) {
    const key = randomKey(8, { device });
    const layer = new nn.Linear(3 * 36, classes, { key, weight: nn.init.normal(0.5) });
    const model = new nn.Sequential({ flatten: new nn.Flatten(), layer });
    const shape = [3, 8, 8] as const;
    const input = new ImageInput({ images: shape, input: [3, 6, 6], device });
    const weight = await layer.weight.data();
    for (const crops of [1, 10] as const) {
      const evaluator = new Evaluator({ model, device, split, shape, classes, input, crops, batch: 50 });
      const { accuracy, loss, top5Error } = await evaluator.run();
      const [places, wanted] = [tenPlacesOf(crops), { loss: 0, correct: 0, amongFive: 0 }];
      for (let n = 0; n < images; n++) {
        const mean = new Array<number>(classes).fill(0);
        for (const place of places) {
          const x = part(bytes, null, [images, 3, 8, 8], n, place, [6, 6]);
          const logits = mean.map((_, k) =>
            x.reduce((sum, value, i) => sum + value * weight[k * x.length + i]!, 0)
          );
          const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
          logits.forEach((logit, k) => mean[k]! += Math.exp(logit) / total / places.length);
        }
        const own = mean[label(n)]!;
        const ahead = mean.filter((p) => p > own).length;
        wanted.loss -= Math.log(own) / images;
        wanted.correct += ahead === 0 ? 1 : 0;
        wanted.amongFive += ahead < 5 ? 1 : 0;
      }
      assert(
        Math.abs(loss - wanted.loss) < 1e-4 * wanted.loss,
        `${device.name}: ${loss}, not ${wanted.loss}`,
      );
      assert.deepEqual([accuracy, top5Error], [wanted.correct / images, 1 - wanted.amongFive / images]);
      evaluator.dispose();
    }
  }
});

function tenPlacesOf(crops: 1 | 10): number[][] {
  const five = [[0, 0], [0, 2], [2, 0], [2, 2], [1, 1]];
  return crops === 1 ? [[1, 1, 0]] : [0, 1].flatMap((mirrored) => five.map((place) => [...place, mirrored]));
}

test("augment: places are uniform, half of them mirrored, and independent", async () => {
  const images = 20_000;
  for (const range of [cropRange([256, 256], [224, 224]), cropRange([28, 28], [28, 28])]) {
    const { start: [top, left], places: [rows, columns] } = range;
    const places = await randomPlaces(randomKey(12, { device: all.at(-1)! }), images, range).data();
    const column = (axis: number) => Array.from({ length: images }, (_, n) => places[3 * n + axis]!);
    const [tops, lefts, mirrored] = [column(0), column(1), column(2)];
    assert(even(count(tops, rows, (n) => tops[n]! - top)));
    assert(even(count(lefts, columns, (n) => lefts[n]! - left)));
    assert(even(count(mirrored, 2, (n) => mirrored[n]!)));
    assert(even(count(tops, rows * columns, (n) => (tops[n]! - top) * columns + lefts[n]! - left)));
    const [centre, variance] = [top + (rows - 1) / 2, (rows ** 2 - 1) / 12];
    for (const other of [lefts, mirrored.map((each) => (each * 2 - 1) * Math.sqrt(variance) + centre)]) {
      assert(correlation(tops, other, centre, variance) < STANDARD_ERRORS);
    }
    const next = [...tops.slice(1), tops[0]!];
    assert(correlation(tops, next, centre, variance) < STANDARD_ERRORS);
  }
});

test("augment: alphas have mean 0 and deviation 0.1", async () => {
  const images = 10_000;
  const device = all.at(-1)!;
  // Eigenvectors along the axes and eigenvalues of 1 / 255 leave the alphas themselves.
  const axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const plain = { mean: new Float32Array(3), eigenvalues: axes.map(() => 1 / 255), eigenvectors: axes };
  const basis = tensor(colourBasis(plain), { shape: [3, 3], device });
  const alphas = await colourNoise(randomKey(13, { device }), images, basis).data();
  assert(errorsOff(alphas, (x) => x, 0, 0.01) < STANDARD_ERRORS);
  assert(errorsOff(alphas, (x) => x * x, 0.01, 2 * 0.0001) < STANDARD_ERRORS);
  const of = (axis: number) => Array.from({ length: images }, (_, n) => alphas[3 * n + axis]!);
  assert(correlation(of(0), of(1), 0, 0.01) < STANDARD_ERRORS);
  assert(correlation(of(1), of(2), 0, 0.01) < STANDARD_ERRORS);
});

test("augment: a step's places are others than the next one's, and the plan is the same", async () => {
  const { bytes, statistics } = await colourful(4, 12, 12);
  // Devices of its own: on shared ones, plans of other tests' states go whenever the garbage collector takes those.
  for (const device of await Promise.all([openDevice("cpu"), openDevice("webgpu")])) {
    const options = {
      images: [3, 12, 12],
      input: [3, 8, 8],
      statistics,
      augment: "crop+pca",
      device,
    } as const;
    const input = new ImageInput(options);
    const x = tensor(bytes, { shape: [4, 3, 12, 12], device });
    const runKey = randomKey(3, { device });
    await runKey.data();
    const seen = new Set<string>();
    let plans = 0;
    for (let step = 1; step <= 4; step++) {
      const seenBy = input.train(x, foldIn(runKey, step));
      await evaluate(seenBy);
      seen.add(`${(await seenBy.data()).slice(0, 20)}`);
      const { plans: kept = 0 } = device.backend as { readonly plans?: number };
      if (step === 1) plans = kept;
      else assert.equal(kept, plans);
    }
    assert.equal(seen.size, 4);
  }
});

test("augment: what does not go together is refused", async () => {
  const device: Device = all[0]!;
  const { statistics } = await colourful(1, 4, 4);
  const make = (options: object) => () =>
    new ImageInput({ images: [3, 4, 4], device, ...options } as ConstructorParameters<typeof ImageInput>[0]);
  assert.throws(
    make({ input: [1, 2, 2] }),
    /^TypeError: ImageInput: the network takes 1 channels, the images have 3/,
  );
  assert.throws(make({ augment: "crop+pca" }), /the statistics of colour images, got none/);
  const grey = { ...statistics, mean: new Float32Array(16) };
  assert.throws(
    make({ images: [1, 4, 4], statistics: grey, augment: "crop+pca" }),
    /got images of 1 channels/,
  );
  const input = make({ augment: "crop", statistics })();
  const bytes = tensor(new Uint8Array(48), { shape: [1, 3, 4, 4], device });
  assert.throws(
    () => input.train(bytes, null),
    /^TypeError: ImageInput: crop wants a key to draw from, got none/,
  );
});
