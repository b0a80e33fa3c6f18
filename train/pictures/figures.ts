/**
 * The paper's Figure 4: test images with their five most probable labels, and the training images most like them. Drawn
 * as SVG in any width, so that a page has one for wide screens and one for narrow ones.
 *
 * @module
 */

import { escape } from "../../debug/svg.ts";
import { FONT } from "./charts.ts";
import { light } from "./colours.ts";
import { fit, percent } from "./words.ts";

/** An image that is ready to be shown. */
export interface Tile {
  /** A data URL. */
  readonly url: string;
  /** The name of its class. */
  readonly name: string;
}

/** A test image and what it was taken for. */
export interface GuessTile extends Tile {
  readonly top: readonly { readonly name: string; readonly probability: number; readonly right: boolean }[];
}

/** A test image and the training images most like it, the most alike first. */
export interface LikenessTile extends Tile {
  readonly nearest: readonly (Tile & { readonly distance: number; readonly right: boolean })[];
}

/** Room for a number beside the bars. */
const NUMBER = 46;
/** The size of letters, unless it is said. */
const FONT_SIZE = 11;

const svg = (width: number, height: number, label: string, parts: readonly string[]) =>
  `<svg role="img" aria-label="${label}" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
  `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="${FONT_SIZE}">\n${
    parts.join("\n")
  }\n</svg>`;

const at = (value: number) => String(Number(value.toFixed(1)));

function text(x: number, y: number, words: string, fill: string, more = ""): string {
  return `<text x="${at(x)}" y="${at(y)}" fill="${fill}"${more}>${escape(words)}</text>`;
}

function picture({ url, name }: Tile, x: number, y: number, size: number): string {
  return `<image x="${at(x)}" y="${at(y)}" width="${at(size)}" height="${at(size)}" href="${url}">` +
    `<title>${escape(name)}</title></image>`;
}

const CARD = { least: 145, gap: 20, picture: 96, row: 17, bottom: 18 } as const;

/** Cards with an image, its name under it, and a bar for each label, that of the right one in a colour of its own. */
export function drawGuesses(guesses: readonly GuessTile[], width: number): string {
  const columns = Math.max(1, Math.min(4, Math.floor((width + CARD.gap) / (CARD.least + CARD.gap))));
  const card = (width - (columns - 1) * CARD.gap) / columns;
  const rows = Math.max(...guesses.map(({ top }) => top.length));
  const height = CARD.picture + 24 + rows * CARD.row + CARD.bottom;
  const parts = guesses.map((guess, i) => {
    const [left, top] = [i % columns * (card + CARD.gap), Math.floor(i / columns) * height];
    return drawGuess(guess, left, top, card);
  });
  return svg(
    width,
    Math.ceil(guesses.length / columns) * height - CARD.bottom,
    "Most probable labels",
    parts,
  );
}

function drawGuess(guess: GuessTile, left: number, top: number, width: number): string {
  const room = width - NUMBER - 8;
  const bars = guess.top.map(({ name, probability, right }, i) => {
    const y = top + CARD.picture + 24 + i * CARD.row;
    const length = Math.max(1.5, probability * (width - NUMBER));
    const fill = right ? light.right : light.train;
    return `<rect x="${at(left)}" y="${at(y)}" width="${at(length)}" height="${
      CARD.row - 3
    }" rx="2" fill="${fill}" ` +
      `fill-opacity="${right ? 0.45 : 0.22}"/>` +
      text(
        left + 5,
        y + 11,
        fit(name, room, { size: FONT_SIZE, bold: right }),
        light.ink,
        right ? ' font-weight="600"' : "",
      ) +
      text(left + width - 2, y + 11, percent(probability), light.soft, ' text-anchor="end"');
  });
  const name = fit(guess.name, width, { size: 12, bold: true });
  return [
    picture(guess, left, top, CARD.picture),
    text(left, top + CARD.picture + 16, name, light.ink, ' font-weight="600" font-size="12"'),
    ...bars,
  ].join("");
}

/** Rows: a test image, and beside it the training images; those of another class are named in another colour. */
export function drawLikenesses(likenesses: readonly LikenessTile[], width: number): string {
  const columns = Math.max(...likenesses.map(({ nearest }) => nearest.length));
  const [gap, apart, font] = width < 480 ? [4, 12, 10] : [10, 28, 11];
  // Beside the last one too there is a gap, for its name.
  const size = Math.min(96, (width - apart - columns * gap) / (columns + 1));
  const height = size + 28;
  const room = size + gap - 2;
  const parts = likenesses.flatMap((likeness, row) => {
    const top = row * height;
    const tile = (each: Tile, left: number, fill: string, bold = false) => {
      const name = fit(each.name, room, { size: font, bold });
      const more = ` font-size="${font}"${bold ? ' font-weight="600"' : ""}`;
      return picture(each, left, top, size) + text(left, top + size + 13, name, fill, more);
    };
    return [
      tile(likeness, 0, light.ink, true),
      ...likeness.nearest.map((each, i) =>
        tile(each, size + apart + i * (size + gap), each.right ? light.soft : light.test)
      ),
    ];
  });
  const used = Math.ceil((columns + 1) * size + apart + columns * gap);
  const line = `<path d="M${at(size + apart / 2)} 0V${
    at(likenesses.length * height - 28)
  }" stroke="${light.line}"/>`;
  return svg(used, Math.ceil(likenesses.length * height - 10), "Nearest training images", [line, ...parts]);
}
