/**
 * What drawings are made of: text that is safe in a page, scales, and labels that keep out of each other's way.
 *
 * @module
 */

/** Text as a page may hold it, in an element or in an attribute. */
export function escape(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "amp",
    "<": "lt",
    ">": "gt",
    '"': "quot",
    "'": "#39",
  };
  return text.replace(/[&<>"']/g, (char) => `&${names[char]!};`);
}

/** From values to places. */
export type Scale = (value: number) => number;

/** Equal differences are equally far apart. */
export function linearScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
): Scale {
  return (value) => from + (value - low) / (high - low) * (to - from);
}

/** Equal ratios are equally far apart. */
export function logScale([low, high]: readonly [number, number], range: readonly [number, number]): Scale {
  const scale = linearScale([Math.log(low), Math.log(high)], range);
  return (value) => scale(Math.log(value));
}

/** The powers of ten from `low` to `high`. */
export function powersOfTen(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i));
}

/** Some five round values from 0 to `high`. */
export function roundValues(high: number): number[] {
  const rough = high / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough)!;
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => i * step);
}

/** A point that would like its name beside it. */
export interface LabelledPoint {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

/** Where a label's text begins (or ends, or has its middle), on its base line. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "middle" | "end";
}

/** A rectangle, in pixels from the top left. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const apart = (a: Box, b: Box) =>
  a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;

/** Room that a letter takes, which no program knows without the font: rather too much. */
const LETTER = 5.8;
const HEIGHT = 11;
const RADIUS = 5;

/**
 * Finds a place beside each point, over, under, left or right of it, where its label covers no point, no other label and
 * none of the `others`; null where there is none. The first points choose first.
 */
export function placeLabels(
  points: readonly LabelledPoint[],
  frame: Box,
  others: readonly Box[] = [],
): (Label | null)[] {
  const around = ({ x, y }: LabelledPoint): Box => ({
    left: x - RADIUS,
    right: x + RADIUS,
    top: y - RADIUS,
    bottom: y + RADIUS,
  });
  const taken = [...points.map(around), ...others];
  return points.map(({ x, y, label }, own) => {
    const width = label.length * LETTER;
    const places: readonly Label[] = [
      { x: x + 8, y: y + 4, anchor: "start" },
      { x: x - 8, y: y + 4, anchor: "end" },
      { x, y: y - 9, anchor: "middle" },
      { x, y: y + 17, anchor: "middle" },
      { x: x + 7, y: y - 7, anchor: "start" },
      { x: x + 7, y: y + 15, anchor: "start" },
      { x: x - 7, y: y - 7, anchor: "end" },
      { x: x - 7, y: y + 15, anchor: "end" },
    ];
    for (const place of places) {
      const left = place.x - { start: 0, middle: width / 2, end: width }[place.anchor];
      const box = { left, right: left + width, top: place.y - HEIGHT + 1, bottom: place.y + 3 };
      const inside = box.left >= frame.left && box.right <= frame.right && box.top >= frame.top &&
        box.bottom <= frame.bottom;
      if (!inside || !taken.every((other, i) => i === own || apart(box, other))) continue;
      taken.push(box);
      return place;
    }
    return null;
  });
}
