/**
 * What a source of images is: two streams of files with labels, each of which can be taken up again where it was left.
 *
 * @module
 */

import type { Part } from "../../shards/format.ts";
import type { Position } from "../../shards/writer.ts";
import type { RawImage } from "../decode/mod.ts";

/** A file that should be an image. */
export interface Item {
  /** For the report of broken files. */
  readonly name: string;
  /** From 0. */
  readonly label: number;
  /** The file or pixels; a function where it may be read while others are decoded. */
  readonly image: Uint8Array | RawImage | (() => Promise<Uint8Array>);
  /** Why it can be no image with a label, where that is known before it is decoded. */
  readonly flaw?: string;
  /** Where the next one begins. */
  readonly after: Position;
  /** How much of the part's `amount` is behind it. */
  readonly done: number;
}

/** A part of a source. */
export interface SourcePart {
  /** How much there is to do, in whatever unit: files or bytes. */
  readonly amount: number;
  /** What it consists of: names, and what tells a file from another one of that name. It tells two sources apart. */
  readonly contents: readonly string[];
  /** The files, from a position on, or from the beginning; always in the same order. */
  items(from?: Position): AsyncGenerator<Item, void, void>;
}

/** Where images come from. */
export interface Source extends Readonly<Record<Part, SourcePart>> {
  /** What was found, for the user. */
  readonly kind: string;
  /** The classes' names by label; null where files have only numbers. */
  readonly classes: readonly string[] | null;
}
