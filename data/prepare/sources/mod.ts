/**
 * Finds out what a folder of images is, by looking.
 *
 * @module
 */

import { DataError } from "../../dataset.ts";
import { listFolder } from "../../files.ts";
import { findCifar } from "./cifar.ts";
import { findFolders } from "./folder.ts";
import { findIdx } from "./idx.ts";
import { findIlsvrc } from "./ilsvrc.ts";
import type { Source } from "./source.ts";
import { findWebDataset } from "./webdataset.ts";

/** In this order: ImageNet's files are tars too. */
const FINDERS = [findIlsvrc, findCifar, findIdx, findFolders, findWebDataset];

/**
 * Finds the images in a folder.
 *
 * @throws {DataError} when there are none that it knows, or some of their files are missing.
 */
export async function findSource(folder: string): Promise<Source> {
  const names = await listFolder(folder);
  for (const find of FINDERS) {
    const source = await find(folder, names);
    if (source !== undefined) return source;
  }
  throw new DataError(
    `${folder}: has no images that prepare knows: it looks for ILSVRC2012_img_train.tar, CIFAR's .bin files, ` +
      "train-images-idx3-ubyte, a folder train/ with one for each class, or WebDataset's .tar files",
  );
}
