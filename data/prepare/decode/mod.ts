/**
 * From a file to pixels: JPEG or PNG, by what is in it, to a square RGB image. Decoders are interchangeable in what they
 * mean, not in every bit: sharp where it loads, WebAssembly elsewhere.
 *
 * @module
 */

import { DataError } from "../../dataset.ts";
import type { Crc32 } from "../../shards/crc.ts";
import { isWholePng } from "./png.ts";

/** Pixels that need no decoding: [height, width, channels], 1 channel (grey) or 3 (RGB). */
export interface RawImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** Decodes images, several at a time. */
export interface Decoder {
  /** With its version: another one may give other pixels. */
  readonly name: string;
  /** So many images at a time keep all cores busy. */
  readonly concurrency: number;
  /**
   * Scales an image so that its shorter side has `size` pixels, and cuts out the centre.
   *
   * @returns [3, size, size]
   * @throws {Error} for a file that is broken, or neither JPEG nor PNG; the message is the reason.
   * @throws {DataError} when the decoder itself has failed.
   */
  decode(image: Uint8Array | RawImage, size: number): Promise<Uint8Array>;
  /** Ends its threads. */
  close(): Promise<void>;
}

/** Which decoder is wanted. */
export type DecoderName = "auto" | "sharp" | "wasm";

/**
 * Loads a decoder; `auto` takes sharp where it loads.
 *
 * @throws {DataError} when it does not load.
 */
export async function loadDecoder(name: DecoderName = "auto"): Promise<Decoder> {
  if (name !== "wasm") {
    try {
      const { loadSharp } = await import("./sharp.ts");
      return await loadSharp();
    } catch (error) {
      if (name === "sharp") throw new DataError(`sharp does not load: ${firstLine(error)}`, { cause: error });
    }
  }
  const { loadWasm } = await import("./wasm.ts");
  return await loadWasm();
}

/** What a file is, by its first bytes. */
export type FileKind = "jpeg" | "png";

/**
 * Looks at the first bytes of a file.
 *
 * @throws {Error} for anything else; the message is the reason.
 */
function kindOf(file: Uint8Array): FileKind {
  if (file.length === 0) throw new Error("is empty");
  const begins = (...bytes: number[]) => bytes.every((byte, i) => file[i] === byte);
  if (begins(0xff, 0xd8, 0xff)) return "jpeg";
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "png";
  const first = [...file.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new Error(`is neither JPEG nor PNG: it begins with ${first}`);
}

/**
 * Looks at a file before it is decoded: what it is, and of a PNG whether it is whole.
 *
 * @throws {Error} for what is broken, and for anything else; the message is the reason.
 */
export function checkFile(file: Uint8Array, crc32: Crc32): FileKind {
  const kind = kindOf(file);
  if (kind === "png" && !isWholePng(file, crc32)) throw new Error(flawOf(file));
  return kind;
}

/**
 * Why a file cannot be decoded. Decoders say it in words of their own, and libvips in those of whatever image failed last in
 * any of its threads; the report of broken files is to be the same in every run.
 */
export function flawOf(file: Uint8Array): string {
  const kind = kindOf(file);
  const end = kind === "jpeg" ? [0xff, 0xd9] : [0x49, 0x45, 0x4e, 0x44];
  const hasEnd = file.some((byte, i) => byte === end[0] && end.every((each, k) => file[i + k] === each));
  return `is a ${hasEnd ? "damaged" : "truncated"} ${kind.toUpperCase()}`;
}

/** From [height, width, channels] to [3, height, width]; what is grey becomes red, green and blue, other channels are left out. */
export function toPlanes(pixels: Uint8Array | Uint8ClampedArray, channels: number): Uint8Array {
  const plane = pixels.length / channels;
  const planes = new Uint8Array(3 * plane);
  const [second, third] = channels < 3 ? [0, 0] : [1, 2];
  for (let i = 0, at = 0; i < plane; i++, at += channels) {
    planes[i] = pixels[at]!;
    planes[plane + i] = pixels[at + second]!;
    planes[2 * plane + i] = pixels[at + third]!;
  }
  return planes;
}

/** The first line of what an error says: libraries write whole pages. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split(/\s*\n/)[0]!;
}
