/**
 * Photographs the page of a run, its upper half in light and its lower half in dark, side by side, as a small PNG.
 *
 *     deno run -P=write train.ts --report=DIR && node --import tsx scripts/photograph_report.ts DIR docs/report.png
 *
 * @module
 */

import process from "node:process";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { openChromium } from "../tests/browser/chromium.ts";

const [folder, target] = process.argv.slice(2);
if (folder === undefined || target === undefined) {
  throw new TypeError("photograph_report: expects the folder of a report and the file to write");
}
const WIDTH = 1216;
/** Where the lower half begins: the card with the images. */
const HALF = "What it takes test images for";

const browser = await openChromium();
/** The whole page, and where its lower half begins. */
async function photograph(colorScheme: "light" | "dark"): Promise<{ photo: Uint8Array; half: number }> {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 1000 }, colorScheme });
  await page.goto(pathToFileURL(`${folder}/index.html`).href);
  const card = page.locator("section", { has: page.getByRole("heading", { name: HALF, exact: true }) });
  const { y } = (await card.boundingBox())!;
  return { photo: await page.screenshot({ fullPage: true }), half: Math.floor(y) - 24 };
}

try {
  const [light, dark] = [await photograph("light"), await photograph("dark")];
  const { height } = await sharp(light.photo).metadata();
  const rows = Math.max(light.half, height - light.half);
  const part = (photo: Uint8Array, top: number) =>
    sharp(photo).extract({ left: 0, top, width: WIDTH, height: Math.min(rows, height - top) }).png()
      .toBuffer();
  const halves = [await part(light.photo, 0), await part(dark.photo, dark.half)];
  const ground = { width: 2 * WIDTH, height: rows, channels: 3 as const, background: "#0f1217" };
  const both = await sharp({ create: ground }).composite([
    { input: halves[0]!, left: 0, top: 0 },
    { input: halves[1]!, left: WIDTH, top: 0 },
  ]).png().toBuffer();
  await sharp(both).resize(Math.round(WIDTH * 4 / 3)).png({
    palette: true,
    colours: 128,
    effort: 10,
    compressionLevel: 9,
  }).toFile(target);
} finally {
  await browser.close();
}
