/**
 * The colours of the pictures, for light and for dark. A drawing is made in the light ones, written out, so that every
 * program can show it; where a style sheet can reach it, each becomes a variable.
 *
 * @module
 */

/** A colour for light surroundings, and for dark ones. */
interface Colour {
  readonly light: string;
  readonly dark: string;
}

/** What a colour is for: grounds and lines, text, curves, what is right, and text over a dark ground. */
export type ColourName =
  | "page"
  | "surface"
  | "line"
  | "grid"
  | "ink"
  | "soft"
  | "train"
  | "test"
  | "third"
  | "right"
  | "over";

/** No two light colours are the same, and none is a part of another one's text. */
const COLOURS: Readonly<Record<ColourName, Colour>> = {
  page: { light: "#f6f7f9", dark: "#0f1217" },
  surface: { light: "#ffffff", dark: "#171b22" },
  line: { light: "#e4e7ec", dark: "#2a303a" },
  grid: { light: "#eceef2", dark: "#242a33" },
  ink: { light: "#1b2028", dark: "#e8ebf0" },
  soft: { light: "#67707f", dark: "#98a2b3" },
  train: { light: "#2f6fde", dark: "#74a7ff" },
  test: { light: "#d1492e", dark: "#ff8f70" },
  third: { light: "#0f8577", dark: "#4fcab8" },
  right: { light: "#2c8a4b", dark: "#5cc983" },
  over: { light: "#fdfdfe", dark: "#10141a" },
};

const names = Object.keys(COLOURS) as ColourName[];

/** The light colours, to draw with. */
export const light: Readonly<Record<ColourName, string>> = Object.fromEntries(
  names.map((name) => [name, COLOURS[name].light]),
) as Record<ColourName, string>;

/** The variables, as a style sheet declares them. */
export function declarations(which: keyof Colour): string {
  return names.map((name) => `--${name}:${COLOURS[name][which]}`).join(";");
}

/** A drawing whose colours are variables, which are to be declared around it. */
export function withVariables(svg: string): string {
  return names.reduce((text, name) => text.replaceAll(COLOURS[name].light, `var(--${name})`), svg);
}

/** A drawing as a file of its own, which follows the light and dark of where it is shown. */
export function standalone(svg: string): string {
  const style = `<style>svg{${declarations("light")};background:var(--surface)}` +
    `@media (prefers-color-scheme:dark){svg{${declarations("dark")}}}</style>`;
  return withVariables(svg).replace(/^<svg [^>]*>/, (tag) => tag + style) + "\n";
}
