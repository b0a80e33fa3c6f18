// Colour photographs, more or less, made from Fashion-MNIST: each garment in a colour of its own before a coloured wall, in
// some size of at least 256 pixels. And what ImageNet has of oddities.

import sharp from "sharp";
import { fashionMnist, type Split } from "../../data/mod.ts";

/** What the ten classes are called. */
export const CLASSES: readonly string[] = [
  "t-shirt, top",
  "trouser",
  "pullover",
  "dress",
  "coat",
  "sandal",
  "shirt",
  "sneaker",
  "bag",
  "ankle boot",
];

const SIDE = 28;
const LEAST = 256;
const MOST = 500;

/** A file that should be an image. */
export interface Picture {
  readonly label: number;
  readonly file: Uint8Array;
}

/** What may be odd about a file, in the order in which it is met. */
const ODDITIES = ["cmyk", "png", "grey", "truncated", "empty"] as const;
/** The first odd one, and every how many there is another, until each was there. */
const FIRST_ODD = 3;
const EVERY_ODD = 2;

/** Numbers from 0 to below 1, the same ones for the same seed. */
function numbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return ((state ^ state >>> 16) >>> 0) / 2 ** 32;
  };
}

/** Makes the pictures of a part, in turn: number i is of image i, again from the first where there are no more. */
export async function* pictures(part: "train" | "test", count: number): AsyncGenerator<Picture, void, void> {
  const dataset = await fashionMnist();
  for (let i = 0; i < count; i++) {
    const odd = (i - FIRST_ODD) / EVERY_ODD;
    const oddity = part === "train" && odd >= 0 ? ODDITIES[odd] : undefined;
    yield await picture(dataset[part], part, i, oddity);
  }
}

async function picture(
  split: Split,
  part: "train" | "test",
  number: number,
  oddity: typeof ODDITIES[number] | undefined,
): Promise<Picture> {
  const index = number % split.count;
  const grey = new Uint8Array(SIDE * SIDE);
  await split.read(Uint32Array.of(index), grey);
  const next = numbers(part === "train" ? number : -1 - number);
  const [front, wall] = [[next(), next(), next()], [next(), next(), next()]];
  const pixels = new Uint8ClampedArray(3 * SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const [share, shade] = [grey[i]! / 255, 0.3 + 0.5 * Math.floor(i / SIDE) / SIDE];
    for (let c = 0; c < 3; c++) {
      pixels[3 * i + c] = 255 * (share * (0.35 + 0.65 * front[c]!) + (1 - share) * shade * wall[c]!);
    }
  }
  const extent = () => LEAST + Math.floor((MOST - LEAST + 1) * next());
  const image = sharp(new Uint8Array(pixels.buffer), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .resize(extent(), extent(), { fit: "fill" });
  const label = split.label(index);
  const quality = 90;
  switch (oddity) {
    case "cmyk":
      return { label, file: await image.toColourspace("cmyk").jpeg({ quality }).toBuffer() };
    case "png":
      return { label, file: await image.png().toBuffer() };
    case "grey":
      return { label, file: await image.greyscale().jpeg({ quality }).toBuffer() };
    case "empty":
      return { label, file: new Uint8Array(0) };
    default: {
      const file = await image.jpeg({ quality }).toBuffer();
      return { label, file: oddity === "truncated" ? file.subarray(0, file.length / 2) : file };
    }
  }
}
