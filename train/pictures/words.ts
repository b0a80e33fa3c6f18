/**
 * Words and numbers as the page has them.
 *
 * @module
 */

/** The names of a dataset's classes, or their numbers. */
export function namesOf(classes: number, names?: readonly string[]): string[] {
  // ImageNet's have synonyms behind a comma.
  return Array.from({ length: classes }, (_, i) => names?.[i]?.split(",")[0] ?? `class ${i}`);
}

/** How wide letters are in fonts of screens, in shares of the font's size: rather too much, since no program knows without it. */
const WIDTHS: readonly (readonly [RegExp, number])[] = [
  [/[ijltfrI.,:;'|!()[\]/ -]/, 0.42],
  [/[mwMW@%…]/, 1.02],
  [/[A-Z&]/, 0.8],
  [/[\u0020-\u024f]/, 0.62],
];

/** So much wider is what is bold. */
const BOLD = 1.08;

/** A name that takes no more than so many pixels, in letters of this size. */
export function fit(name: string, room: number, { size, bold = false }: Lettering): string {
  const scale = size * (bold ? BOLD : 1);
  const letters = [...name];
  const widths = letters.map((letter) => scale * widthOf(letter));
  const all = widths.reduce((sum, width) => sum + width, 0);
  if (all <= room) return name;
  let left = room - scale * widthOf("…");
  const end = widths.findIndex((width) => (left -= width) < 0);
  return `${letters.slice(0, Math.max(1, end)).join("").trimEnd()}…`;
}

/** How large letters are, in pixels, and whether they are bold. */
export interface Lettering {
  readonly size: number;
  readonly bold?: boolean;
}

/** Of other scripts some letters are as wide as they are high. */
function widthOf(letter: string): number {
  return WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? 1.05;
}

/** A name that takes no more than `limit` letters. */
export function shorten(name: string, limit: number): string {
  return name.length <= limit ? name : `${name.slice(0, Math.max(1, limit - 1)).trimEnd()}…`;
}

/** A share as per cent, with as many digits as it deserves. */
export function percent(share: number): string {
  const value = 100 * share;
  if (value > 0 && value < 0.01) return "<0.01%";
  const digits = value === 0 || value >= 99.95 ? 0 : value < 0.1 ? 2 : 1;
  return `${value.toFixed(digits)}%`;
}

/** A whole number with its thousands apart. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** How long something took, in two units. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 10 ? seconds.toFixed(1) : whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}
