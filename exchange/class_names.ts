/**
 * What classes are called, in the forms in which such lists are passed around.
 *
 * @module
 */

import { DataError } from "../data/dataset.ts";

/**
 * Reads a list of class names: one a line, a JSON list, or a JSON object from the class's number to its name or to a list that
 * ends with it, as Keras' `imagenet_class_index.json` has them.
 *
 * @param file what messages call it
 * @throws {DataError} when it is none of these.
 */
export function readClassNames(text: string, file: string): string[] {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/).map((line) => line.trim());
  const names = /^\s*[[{]/.test(text) ? fromJson(text) : lines;
  if (names?.every((name) => typeof name === "string" && name !== "")) return names as string[];
  throw new DataError(
    `${file}: is no list of class names: neither one a line nor a JSON list or object of them`,
  );
}

function fromJson(text: string): unknown[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (Array.isArray(json)) return json;
  const entries = Object.entries(json as object);
  // The numbers have to be 0, 1, ... without a gap; JavaScript puts them in order.
  if (!entries.every(([number], i) => number === String(i))) return undefined;
  return entries.map(([, value]: [string, unknown]) => Array.isArray(value) ? value.at(-1) : value);
}
