/**
 * The whole of Fashion-MNIST: its four published files, fetched once and kept in the user's cache folder.
 *
 * @module
 */

import { cacheFolder } from "./cache.ts";
import type { DownloadOptions } from "./download.ts";
import { failed } from "./files.ts";
import { keepFile, type KnownFile, sweep } from "./known_file.ts";

/** Where the authors publish the files: <https://github.com/zalandoresearch/fashion-mnist#get-the-data>. */
const PUBLISHED = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/";

/** What the published files are, unpacked. How gzip packs them differs from one copy to another. */
const FILES: readonly KnownFile[] = [
  {
    name: "train-images-idx3-ubyte",
    size: 47_040_016,
    sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
  },
  {
    name: "train-labels-idx1-ubyte",
    size: 60_008,
    sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
  },
  {
    name: "t10k-images-idx3-ubyte",
    size: 7_840_016,
    sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
  },
  {
    name: "t10k-labels-idx1-ubyte",
    size: 10_008,
    sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
  },
];

/** What `fetchFashionMnist` takes. */
export interface FetchOptions extends Omit<DownloadOptions, "limit"> {
  /** Where the files are, each as NAME.gz; default: where the authors publish them. */
  readonly url?: string | undefined;
  /** The folder that keeps them; default: `fermi/fashion-mnist` in the user's cache. */
  readonly cache?: string | undefined;
  /** Other files, for tests. */
  readonly files?: readonly KnownFile[] | undefined;
}

/**
 * Sees to it that the four files are in the cache and are the published ones, and fetches those that are not.
 *
 * @returns the folder, for `fashionMnist`
 * @throws {DataError} when a file cannot be had; the message says why, and what is kept for the next run.
 */
export async function fetchFashionMnist(options: FetchOptions = {}): Promise<string> {
  const { url = PUBLISHED, files = FILES, log } = options;
  const { mkdir } = await import("node:fs/promises");
  const folder = options.cache ?? await cacheFolder("fashion-mnist");
  log?.(`Fashion-MNIST is kept in ${folder}`);
  try {
    // The mode is what the XDG specification asks for.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await sweep(folder, files);
  } catch (error) {
    throw failed(folder, "used as a cache", error);
  }
  for (const file of files) await keepFile(file, below(url, `${file.name}.gz`), folder, options);
  return folder;
}

function below(base: string, name: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${name}`;
  return url.href;
}
