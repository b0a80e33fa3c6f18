/**
 * A look at a network: its first kernels, what it takes test images for, and which training images it finds like them.
 *
 * @module
 */

import { batches, type Split } from "../../data/mod.ts";
import { Conv2d, type Module } from "../../nn/mod.ts";
import { cast, InputSlot, softmax, type Tensor } from "../../tensor/mod.ts";
import type { Subject } from "../events.ts";
import { confusion, evenly, largest, nearest, variety } from "./numbers.ts";

/** An image of the dataset. */
export interface Shown {
  /** u8 [channels, height, width] */
  readonly image: Uint8Array;
  /** Its class. */
  readonly label: number;
}

/** A test image and what the network takes it for. */
export interface Guess extends Shown {
  /** The most probable classes, the most probable first. */
  readonly top: readonly { readonly label: number; readonly probability: number }[];
}

/** A test image and the training images that are most like it. */
export interface Likeness extends Shown {
  readonly nearest: readonly (Shown & { readonly distance: number })[];
}

/** The kernels of a first layer of convolution. */
export interface Kernels {
  readonly weights: Float32Array;
  /** [out, in, height, width] */
  readonly shape: readonly number[];
  readonly towers: number;
}

/** What was seen. */
export interface Look {
  /** Steps that the network had made. */
  readonly step: number;
  /** Null for a network that does not begin with a convolution. */
  readonly kernels: Kernels | null;
  /** Test images that were looked at. */
  readonly tested: number;
  /** [classes, classes]; null for more classes than one can read. */
  readonly confusion: Uint32Array | null;
  /** Some test images of different classes. */
  readonly samples: readonly Guess[];
  /** Those that were taken for another class with the highest probability. */
  readonly mistakes: readonly Guess[];
  /** Training images that were looked at. */
  readonly compared: number;
  /** Numbers that make a feature. */
  readonly features: number;
  readonly likenesses: readonly Likeness[];
}

/** The most classes that a confusion matrix is drawn of. */
export const READABLE_CLASSES = 25;
/** Bounds on what is looked at; with more classes than are readable fewer test images are enough. */
const TESTED = { few: 10_000, many: 1_000 } as const;
const COMPARED = { least: 64, most: 2_048 } as const;
const SAMPLES = 8;
const MISTAKES = 4;
const QUERIES = 5;
const NEIGHBOURS = 6;
const TOP = 5;

/** Looks at a network, as often as asked, with a slot and a plan of its own. */
export class Observer {
  readonly #subject: Subject;
  readonly #batch: number;
  readonly #images: InputSlot;

  /** Makes the slot, for `batch` images at a time. */
  constructor(subject: Subject, batch: number) {
    const { device, dataset: { shape } } = subject;
    this.#subject = subject;
    this.#batch = batch;
    this.#images = new InputSlot([batch, ...shape], { dtype: "u8", device, name: "images looked at" });
  }

  /**
   * Looks at the network as it is now. No more training images are looked at than were learnt from: of a network that makes
   * few steps because it is slow, not thousands are asked for.
   *
   * @param step steps made
   * @param givenUp asked before each batch whether to give up, for good
   * @returns null when it was given up
   */
  async look(step: number, givenUp: () => boolean = () => false): Promise<Look | null> {
    const { dataset: { classes, train, test } } = this.#subject;
    const readable = classes <= READABLE_CLASSES;
    const tested = evenly(test.count, readable ? TESTED.few : TESTED.many);
    const queries = variety(test.count, QUERIES, (index) => test.label(index));
    const compared = evenly(
      train.count,
      Math.min(COMPARED.most, Math.max(COMPARED.least, step * this.#batch)),
    );
    const guesses = await this.#guess(tested, queries, givenUp);
    if (givenUp()) return null;
    const likenesses = await this.#likenesses(queries, guesses.features, compared, givenUp);
    if (givenUp()) return null;
    const labels = tested.map((index) => test.label(index));
    const first = guesses.top.map((top) => top[0]!.label);
    const wrong = largest(
      guesses.top.map(([best], i) => best!.label === labels[i] ? -1 : best!.probability),
      MISTAKES,
    ).filter((i) => first[i] !== labels[i]);
    const shown = async (places: readonly number[]): Promise<Guess[]> => {
      const images = await this.#shown(test, places.map((i) => tested[i]!));
      return images.map((image, i) => ({ ...image, top: guesses.top[places[i]!]! }));
    };
    return {
      step,
      kernels: await this.#kernels(),
      tested: tested.length,
      confusion: readable ? confusion(labels, first, classes) : null,
      samples: await shown(variety(tested.length, SAMPLES, (i) => labels[i]!)),
      mistakes: await shown(wrong),
      compared: compared.length,
      ...likenesses,
    };
  }

  /** The most probable classes of each of the images, and the features of some that are asked for. */
  async #guess(tested: readonly number[], queries: readonly number[], givenUp: () => boolean) {
    const { dataset: { test, classes } } = this.#subject;
    const top: Guess["top"][] = [];
    const features = new Map<number, Float32Array>();
    const wanted = new Set(queries);
    const order = [...tested, ...queries.filter((index) => !tested.includes(index))];
    await this.#forward(test, order, givenUp, (index, feature, probabilities) => {
      top.push(
        largest(probabilities, Math.min(TOP, classes)).map((label) => ({
          label,
          probability: probabilities[label]!,
        })),
      );
      if (wanted.has(index)) features.set(index, feature.slice());
    });
    return { top: top.slice(0, tested.length), features };
  }

  async #likenesses(
    queries: readonly number[],
    features: ReadonlyMap<number, Float32Array>,
    compared: readonly number[],
    givenUp: () => boolean,
  ): Promise<Pick<Look, "likenesses" | "features">> {
    const { dataset: { train, test } } = this.#subject;
    const size = features.get(queries[0]!)!.length;
    const candidates = new Float32Array(compared.length * size);
    let count = 0;
    await this.#forward(
      train,
      compared,
      givenUp,
      (_, feature) => candidates.set(feature, size * count++),
    );
    if (givenUp()) return { likenesses: [], features: size };
    const images = await this.#shown(test, queries);
    const likenesses = await Promise.all(queries.map(async (query, i): Promise<Likeness> => {
      const found = nearest(features.get(query)!, candidates, NEIGHBOURS);
      const like = await this.#shown(train, found.map(({ index }) => compared[index]!));
      return {
        ...images[i]!,
        nearest: like.map((each, k) => ({ ...each, distance: found[k]!.distance })),
      };
    }));
    return { likenesses, features: size };
  }

  /** Takes images forward, until it is given up, and hands over each one's features, which the last layer gets, and probabilities. */
  async #forward(
    split: Split,
    indices: readonly number[],
    givenUp: () => boolean,
    take: (index: number, features: Float32Array, probabilities: Float32Array) => void,
  ): Promise<void> {
    const { device, model, dataset: { shape, classes }, input, precision } = this.#subject;
    const layers: Module[] = [...model.layers.values()];
    const order = Uint32Array.from(indices);
    let done = 0;
    for await (
      const { images, count } of batches(split, shape, { batch: this.#batch, order, last: "keep" })
    ) {
      if (givenUp()) return;
      this.#images.write(images);
      const seen = cast(input.test(this.#images), precision);
      const hidden = layers.slice(0, -1).reduce((x: Tensor, layer) => layer.forward(x), seen);
      const features = cast(hidden.reshape([this.#batch, -1]), "f32");
      const probabilities = softmax(cast(layers.at(-1)!.forward(hidden), "f32"));
      await device.evaluate([features, probabilities], true);
      const [f, p] = [await features.data(), await probabilities.data()] as [Float32Array, Float32Array];
      const size = f.length / this.#batch;
      for (let i = 0; i < count; i++) {
        const probability = p.subarray(i * classes, (i + 1) * classes);
        take(indices[done++]!, f.subarray(i * size, (i + 1) * size), probability);
      }
    }
  }

  async #shown(split: Split, indices: readonly number[]): Promise<Shown[]> {
    const size = this.#subject.dataset.shape.reduce((a, b) => a * b);
    const bytes = new Uint8Array(indices.length * size);
    await split.read(Uint32Array.from(indices), bytes);
    return indices.map((index, i) => ({
      image: bytes.slice(i * size, (i + 1) * size),
      label: split.label(index),
    }));
  }

  async #kernels(): Promise<Kernels | null> {
    const layers: Module[] = [...this.#subject.model.layers.values()];
    const [first, ...others] = layers;
    if (!(first instanceof Conv2d)) return null;
    const { shape } = first.weight;
    const weights = await cast(first.weight, "f32").data() as Float32Array;
    return { weights, shape, towers: towersOf(shape[0]!, others) };
  }

  /** Gives the slot's memory back. */
  dispose(): void {
    this.#images.dispose();
  }
}

/** In how many groups the maps of the first layer go on: those of the next convolution. */
function towersOf(maps: number, others: readonly Module[]): number {
  const { groups = 1 } = others.find((layer) => layer instanceof Conv2d)?.geometry ?? {};
  return maps % groups === 0 ? groups : 1;
}
