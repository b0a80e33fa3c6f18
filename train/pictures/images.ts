/**
 * Images of a dataset as PNG and JPEG, and drawings as PNG, by sharp.
 *
 * @module
 */

import type sharp from "sharp";
import { DataError, type Dataset } from "../../data/mod.ts";
import type { Picture } from "./kernels.ts";

/** How large images are shown, along their longer side. */
export const SHOWN_SIZE = 112;
/** Drawings have so many pixels for each of their own, and this much room around them. */
const DENSITY = 2;
const MARGIN = 24;
const DPI = 72;

/**
 * Finds sharp.
 *
 * @throws {DataError} in one line, when it cannot be loaded.
 */
export async function loadSharp(): Promise<typeof sharp> {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const lines = message.split("\n");
    const [why] = (lines.find((line) => line.startsWith("Requires ")) ?? lines[0]!).split(", run again");
    const how = "Deno" in globalThis ? "use `deno run -P=write`" : "install the npm package sharp";
    throw new DataError(`pictures are written with sharp, which cannot be loaded (${why}): ${how}`, {
      cause: error,
    });
  }
}

/** What turns pixels into files. */
export class Images {
  readonly #sharp: typeof sharp;

  /** Takes what `loadSharp` gives. */
  constructor(loaded: typeof sharp) {
    this.#sharp = loaded;
  }

  /** An image of a dataset as a data URL: small ones enlarged pixel by pixel, large ones made smaller. */
  async dataUrl(image: Uint8Array, [channels, height, width]: Dataset["shape"]): Promise<string> {
    const kept = channels === 3 ? 3 : 1;
    const area = height * width;
    const interleaved = new Uint8Array(area * kept);
    for (let i = 0; i < interleaved.length; i++) {
      interleaved[i] = image[i % kept * area + Math.floor(i / kept)]!;
    }
    const larger = Math.max(1, Math.floor(SHOWN_SIZE / Math.max(height, width)));
    const smaller = Math.min(1, 2 * SHOWN_SIZE / Math.max(height, width));
    const scale = larger > 1 ? larger : smaller;
    const resized = this.#sharp(interleaved, { raw: { width, height, channels: kept } }).resize(
      Math.max(1, Math.round(scale * width)),
      Math.max(1, Math.round(scale * height)),
      { kernel: larger > 1 ? "nearest" : "lanczos3", fit: "fill" },
    );
    // A photograph takes a fifth as a JPEG; a few grey values are smaller, and exact, as a PNG.
    const [type, bytes] = larger > 1 || kept === 1
      ? ["png", await resized.png({ compressionLevel: 9, palette: kept === 1 }).toBuffer()] as const
      : ["jpeg", await resized.jpeg({ quality: 85 }).toBuffer()] as const;
    return `data:image/${type};base64,${base64(bytes)}`;
  }

  /** A picture as a PNG. */
  async png({ width, height, pixels }: Picture): Promise<Uint8Array> {
    return await this.#sharp(pixels, { raw: { width, height, channels: 4 } }).png({ compressionLevel: 9 })
      .toBuffer();
  }

  /** A drawing as a PNG on a ground of its own. */
  async rasterise(svg: string, ground: string): Promise<Uint8Array> {
    const around = { top: MARGIN, bottom: MARGIN, left: MARGIN, right: MARGIN };
    return await this.#sharp(new TextEncoder().encode(svg), { density: DENSITY * DPI })
      .flatten({ background: ground }).extend({ ...around, background: ground }).png({
        palette: true,
        quality: 95,
      }).toBuffer();
  }
}

/** Bytes as base64. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text);
}
