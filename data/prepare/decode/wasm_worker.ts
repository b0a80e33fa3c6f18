/**
 * A thread that decodes: MozJPEG and Rust's png, both as WebAssembly, by jSquash; JPEGs of four colours, which MozJPEG cannot
 * make RGB of, by jpeg-js.
 *
 * @module
 */

import decodeJpeg, { init as initJpeg } from "@jsquash/jpeg/decode.js";
import decodePng, { init as initPng } from "@jsquash/png/decode.js";
import { decode as decodeSlowly } from "jpeg-js";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { parentPort } from "node:worker_threads";
import { loadCrc32 } from "../../shards/crc.ts";
import { checkFile, firstLine, flawOf, type RawImage, toPlanes } from "./mod.ts";
import { fitSquare } from "./resample.ts";

/** What the thread is asked for. */
export interface Question {
  readonly id: number;
  readonly image: Uint8Array | RawImage;
  readonly size: number;
}

/** What it gives back. */
export type Answer =
  | { readonly id: number; readonly planes: Uint8Array }
  | { readonly id: number; readonly reason: string };

interface Pixels {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

const crc32 = loadCrc32();
/** Whether MozJPEG has said that the file in hand ends early; it does not fail then. */
let isCut = false;
let jpegModule: Promise<WebAssembly.Module> | undefined;
let jpegReady = false;
let pngReady: Promise<unknown> | undefined;

/** jSquash would fetch it, which is for browsers. */
async function compile(specifier: string): Promise<WebAssembly.Module> {
  return await WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(specifier)));
}

/** The published types leave the first argument out. */
const startJpeg = initJpeg as unknown as (
  module: WebAssembly.Module,
  options: Readonly<Record<"print" | "printErr", (line: string) => void>>,
) => Promise<void>;

async function jpeg(file: Uint8Array): Promise<Pixels> {
  if (componentsOf(file) === 4) {
    const { data, width, height } = decodeSlowly(file, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxMemoryUsageInMB: 2048,
    });
    return { data, width, height, channels: 3 };
  }
  if (!jpegReady) {
    jpegModule ??= compile("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
    const printErr = (line: string) => {
      isCut ||= /premature end/i.test(line);
    };
    await startJpeg(await jpegModule, { printErr, print: printErr });
    jpegReady = true;
  }
  isCut = false;
  try {
    const { data, width, height } = await decodeJpeg(Uint8Array.from(file).buffer, {
      preserveOrientation: true,
    });
    if (isCut) throw new Error("premature end");
    return { data: data as Uint8ClampedArray, width, height, channels: 4 };
  } catch (error) {
    // A program in C that has called exit() is not to be called again.
    jpegReady = false;
    throw error;
  }
}

/** How many components a JPEG's frame has; 0 where none is found. */
function componentsOf(file: Uint8Array): number {
  for (let at = 2; at + 9 < file.length;) {
    if (file[at] !== 0xff) return 0;
    const marker = file[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return file[at + 9]!;
    // Fill bytes, and markers without a length.
    if (marker === 0xff) at++;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + file[at + 2]! * 256 + file[at + 3]!;
  }
  return 0;
}

async function png(file: Uint8Array): Promise<Pixels> {
  pngReady ??= compile("@jsquash/png/codec/pkg/squoosh_png_bg.wasm").then(initPng);
  await pngReady;
  const { data, width, height } = await decodePng(Uint8Array.from(file).buffer);
  return { data: data as Uint8ClampedArray, width, height, channels: 4 };
}

/** Shows what is transparent on white. */
function flatten({ data, channels }: Pixels): void {
  if (channels !== 4) return;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3]!;
    if (alpha === 255) continue;
    for (let c = at; c < at + 3; c++) data[c] = Math.round(255 + (data[c]! - 255) * alpha / 255);
  }
}

async function decode(image: Uint8Array | RawImage, size: number): Promise<Uint8Array> {
  if ("pixels" in image) return toPlanes(fitSquare(image, size), image.channels);
  const decoder = checkFile(image, await crc32) === "jpeg" ? jpeg : png;
  const pixels = await decoder(image).catch((error) => {
    throw new Error(flawOf(image), { cause: error });
  });
  flatten(pixels);
  return toPlanes(fitSquare({ ...pixels, pixels: pixels.data }, size), pixels.channels);
}

// One after the other: what MozJPEG says belongs to one file.
let tail: Promise<void> = Promise.resolve();
parentPort!.on("message", ({ id, image, size }: Question) => {
  tail = tail.then(async () => {
    try {
      const planes = await decode(image, size);
      parentPort!.postMessage({ id, planes } satisfies Answer, [planes.buffer as ArrayBuffer]);
    } catch (error) {
      parentPort!.postMessage({ id, reason: firstLine(error) } satisfies Answer);
    }
  });
});
