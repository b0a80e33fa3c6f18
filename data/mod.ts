/**
 * Datasets and batches.
 *
 * @module
 */

export { colourBasis, colourNoise, type CropRange, cropRange, randomPlaces, tenPlaces } from "./augment.ts";
export {
  DataError,
  type Dataset,
  type ImageStatistics,
  inMemory,
  normalise,
  type Split,
  spread,
  take,
} from "./dataset.ts";
export { fashionMnist, type FashionMnistOptions, isFashionMnistFile } from "./fashion_mnist.ts";
export { fetchFashionMnist, type FetchOptions } from "./fashion_mnist_files.ts";
export { type Idx, parseIdx } from "./idx.ts";
export {
  type AugmentName,
  type ChannelScaling,
  type EvalCrops,
  ImageInput,
  type ImageInputOptions,
} from "./input.ts";
export { type Batch, batches, type BatchOptions, shareOf, shuffledOrder } from "./loader.ts";
export {
  encodeSafetensors,
  parseSafetensors,
  type Safetensors,
  safetensorsHeader,
  type StoredTensor,
} from "./safetensors.ts";
export { isShardFolder, readShards, type ShardDataset } from "./shards/read.ts";
export { synthetic, type SyntheticOptions } from "./synthetic.ts";
