/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28x28 grey images of clothing in ten classes. A subset lives in the
 * repository; the four published files are read from a folder.
 *
 * @module
 */

import { DataError, type Dataset, inMemory, type Split } from "./dataset.ts";
import { listFolder, readPath, readUrl } from "./files.ts";
import { type Idx, parseIdx } from "./idx.ts";

/** What `fashionMnist` takes. */
export interface FashionMnistOptions {
  /** The folder with the four published files, each gzipped or not; default: the subset in the repository. */
  readonly folder?: string | undefined;
}

type Reader = (name: string) => Promise<{ readonly file: Uint8Array; readonly name: string }>;

const SIZE = 28;
/** What the authors call the classes, in the order of their labels. */
const CLASS_NAMES = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
] as const;
const CLASSES = CLASS_NAMES.length;

/** Whether a file has the name of one of the four, gzipped or not. */
export function isFashionMnistFile(name: string): boolean {
  return /^(train|t10k)-(images-idx3|labels-idx1)-ubyte(\.gz)?$/.test(name);
}

/**
 * Reads and checks the dataset.
 *
 * @throws {DataError} when a file is missing, damaged, or does not fit the others.
 */
export async function fashionMnist(options: FashionMnistOptions = {}): Promise<Dataset> {
  const reader = options.folder === undefined ? readEmbedded : await folderReader(options.folder);
  return {
    name: "fashion-mnist",
    shape: [1, SIZE, SIZE],
    classes: CLASSES,
    classNames: CLASS_NAMES,
    train: await readSplit(reader, "train"),
    test: await readSplit(reader, "t10k"),
  };
}

async function readEmbedded(name: string): ReturnType<Reader> {
  return { file: await readUrl(new URL(`./fashion_mnist/${name}.gz`, import.meta.url)), name: `${name}.gz` };
}

async function folderReader(folder: string): Promise<Reader> {
  const present = new Set(await listFolder(folder));
  return async (name) => {
    const found = [name, `${name}.gz`].find((candidate) => present.has(candidate));
    if (found === undefined) throw new DataError(`${folder}: has neither ${name} nor ${name}.gz`);
    const path = `${folder.replace(/[\\/]+$/, "")}/${found}`;
    return { file: await readPath(path), name: path };
  };
}

async function readSplit(read: Reader, part: "train" | "t10k"): Promise<Split> {
  const imageFile = await read(`${part}-images-idx3-ubyte`);
  const images = await parseIdx(imageFile.file, 3, imageFile.name);
  const labelFile = await read(`${part}-labels-idx1-ubyte`);
  const labels = await parseIdx(labelFile.file, 1, labelFile.name);
  checkImages(images, imageFile.name);
  checkLabels(labels, images, labelFile.name);
  return inMemory(images.data, labels.data, SIZE * SIZE);
}

function checkImages({ shape: [count, height, width] }: Idx, name: string): void {
  if (height !== SIZE || width !== SIZE) {
    throw new DataError(`${name}: images are ${height} x ${width}, Fashion-MNIST's are ${SIZE} x ${SIZE}`);
  }
  if (count === 0) throw new DataError(`${name}: has no images`);
}

function checkLabels(labels: Idx, images: Idx, name: string): void {
  if (labels.shape[0] !== images.shape[0]) {
    throw new DataError(`${name}: has ${labels.shape[0]} labels for ${images.shape[0]} images`);
  }
  const wrong = labels.data.findIndex((label) => label >= CLASSES);
  if (wrong !== -1) {
    throw new DataError(`${name}: label ${wrong} is ${labels.data[wrong]}, classes are 0 to ${CLASSES - 1}`);
  }
}
