/**
 * Decoding by sharp (libvips): it scales JPEGs while it decodes them, has threads of its own, and knows colour profiles.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import type { Sharp } from "sharp";
import { loadCrc32 } from "../../shards/crc.ts";
import { checkFile, type Decoder, flawOf, toPlanes } from "./mod.ts";

/** Loads it; throws where there is no build for the platform. */
export async function loadSharp(): Promise<Decoder> {
  const { default: sharp } = await import("sharp");
  const crc32 = await loadCrc32();
  // Every image is seen once, and there are images enough for all cores.
  sharp.cache(false);
  sharp.concurrency(1);
  return {
    name: `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`,
    concurrency: 2 * availableParallelism() + 2,
    async decode(image, size) {
      if ("pixels" in image) {
        const { pixels, width, height, channels } = image;
        return await square(sharp(pixels, { raw: { width, height, channels } }), size);
      }
      checkFile(image, crc32);
      try {
        return await square(sharp(image, { failOn: "error" }), size);
      } catch (error) {
        throw new Error(flawOf(image), { cause: error });
      }
    },
    close: () => Promise.resolve(),
  };
}

async function square(image: Sharp, size: number): Promise<Uint8Array> {
  const { data, info } = await image.autoOrient()
    .resize(size, size, { fit: "cover", position: "centre" })
    .flatten({ background: "white" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return toPlanes(data, info.channels);
}
