/**
 * From the bytes of images to what a network sees, in training and in tests, on the device.
 *
 * @module
 */

import { crop, type Device, InputSlot, splitKey, type Tensor, tensor } from "../tensor/mod.ts";
import { colourBasis, colourNoise, type CropRange, cropRange, randomPlaces, tenPlaces } from "./augment.ts";
import { type Dataset, type ImageStatistics, normalise } from "./dataset.ts";

/**
 * How training images are varied: not at all (the part in the middle), by random parts of which half are mirrored, or by
 * the colours too.
 */
export type AugmentName = "none" | "crop" | "crop+pca";

/** How many parts of a test image are averaged over: the one in the middle, or the paper's ten. */
export type EvalCrops = 1 | 10;

/** What networks that were trained elsewhere see: (x / 255 - mean) / std, with a mean and a deviation a channel. */
export interface ChannelScaling {
  /** Of x / 255, a channel. */
  readonly mean: readonly number[];
  /** Of x / 255, a channel. */
  readonly std: readonly number[];
}

/** What an input consists of. */
export interface ImageInputOptions {
  /** Of the images: channels, height, width. */
  readonly images: Dataset["shape"];
  /** What the network takes: channels, height, width; default: the images as they are. */
  readonly input?: Dataset["shape"];
  /** With them a network sees the bytes minus the mean image, without them x / 255 - 0.5. */
  readonly statistics?: ImageStatistics | undefined;
  /** Instead of x / 255 - 0.5; with statistics it has no effect. */
  readonly channels?: ChannelScaling | undefined;
  /** Default `none`. */
  readonly augment?: AugmentName;
  /** Where the images are. */
  readonly device: Device;
}

/**
 * What lies between the bytes and a network: a part of each image, cut out and mirrored at random in training, minus the
 * mean image at the same place ("we trained our network on the (centered) raw RGB values of the pixels", section 2), plus
 * the colour noise. Outside of an image both its bytes and the mean are 0.
 */
export class ImageInput {
  /** channels, height, width */
  readonly shape: Dataset["shape"];
  /** How training images are varied. */
  readonly augment: AugmentName;
  readonly #range: CropRange;
  /** Whether the images are as large as the network's input, so that the part in the middle is all of it. */
  readonly #whole: boolean;
  readonly #mean: InputSlot | null = null;
  readonly #basis: Tensor | null = null;
  /** Mean and deviation of x / 255, each [channels, 1, 1]. */
  readonly #channels: readonly [Tensor, Tensor] | null;

  /**
   * Makes the input, with a slot for the mean image.
   *
   * @throws {TypeError} for a network with other channels, or statistics that are missing or of other images.
   */
  constructor(options: ImageInputOptions) {
    const { images, input = images, statistics, augment = "none", device } = options;
    const [channels, height, width] = images;
    if (input[0] !== channels) {
      throw new TypeError(`ImageInput: the network takes ${input[0]} channels, the images have ${channels}`);
    }
    this.shape = input;
    this.augment = augment;
    this.#range = cropRange([height, width], [input[1], input[2]]);
    this.#whole = height === input[1] && width === input[2];
    const each = (values: readonly number[]) => tensor(values, { shape: [channels, 1, 1], device });
    this.#channels = options.channels ? [each(options.channels.mean), each(options.channels.std)] : null;
    if (statistics) {
      const { mean } = statistics;
      this.#mean = new InputSlot([1, channels, height, width], { device, name: "mean image" });
      this.#mean.write(mean);
    }
    if (augment === "crop+pca") {
      if (!statistics || channels !== 3) {
        throw new TypeError(
          `ImageInput: the noise of crop+pca wants the statistics of colour images, got ${
            statistics ? `images of ${channels} channels` : "none"
          }`,
        );
      }
      this.#basis = tensor(colourBasis(statistics), { shape: [3, 3], device });
    }
  }

  /**
   * What a network learns from. Places are drawn from `splitKey(key, 2)[0]`, colours from `splitKey(key, 2)[1]`: no other
   * draw from the key's `foldIn`s, those of dropout, meets them.
   *
   * @param bytes u8 [N, channels, height, width]
   * @param key of the step; null where nothing is varied
   * @returns f32 [N, ...shape]
   * @throws {TypeError} when images are to be varied and there is no key.
   */
  train(bytes: Tensor, key: Tensor | null): Tensor {
    if (this.augment === "none") return this.test(bytes);
    if (key === null) throw new TypeError(`ImageInput: ${this.augment} wants a key to draw from, got none`);
    const [places, colours] = splitKey(key, 2);
    const count = bytes.shape[0]!;
    const parts = this.#parts(bytes, randomPlaces(places!, count, this.#range));
    return this.#basis ? parts.add(colourNoise(colours!, count, this.#basis)) : parts;
  }

  /**
   * What a network is tested with: the part in the middle of each image, or ten parts, part k of image n in row k N + n.
   *
   * @param bytes u8 [N, channels, height, width]
   * @returns f32 [crops * N, ...shape]
   */
  test(bytes: Tensor, crops: EvalCrops = 1): Tensor {
    const count = bytes.shape[0]!;
    if (crops === 10) {
      const places = tenPlaces(count, this.#range, bytes.device);
      return this.#parts(bytes, places).reshape([10 * count, ...this.shape]);
    }
    if (this.#whole) return this.#mean ? bytes.cast("f32").sub(this.#mean) : this.#scaled(bytes);
    const [top, left] = this.#range.centre;
    const place = tensor(Int32Array.of(top, left, 0), { shape: [1, 3], device: bytes.device });
    return this.#parts(bytes, place.broadcastTo([count, 3]));
  }

  /** The parts at the places, minus the mean's. Bytes are cut out before they become numbers, which are four times as large. */
  #parts(bytes: Tensor, places: Tensor): Tensor {
    const size = [this.shape[1], this.shape[2]] as const;
    const parts = crop(bytes, places, { size });
    if (this.#mean === null) return this.#scaled(parts);
    const mean = this.#mean.broadcastTo(bytes.shape);
    return parts.cast("f32").sub(crop(mean, places, { size }));
  }

  /** What is seen of bytes where there is no mean image. */
  #scaled(bytes: Tensor): Tensor {
    if (this.#channels === null) return normalise(bytes);
    const [mean, std] = this.#channels;
    return bytes.cast("f32").div(255).sub(mean).div(std);
  }

  /** Gives the slot's memory back. */
  dispose(): void {
    this.#mean?.dispose();
  }
}
