// Ways to read an operand that is stored otherwise, so that every op meets strides, offsets and repeats.

import type { Shape, Tensor } from "../../mod.ts";

/** The shape of a leaf, and how it is read. */
export interface ViewOf {
  readonly stored: Shape;
  readonly read: (leaf: Tensor) => Tensor;
}

const plain = (shape: Shape): ViewOf => ({ stored: shape, read: (leaf) => leaf });

const repeated = (shape: Shape, wanted: (axis: number) => boolean): ViewOf => ({
  stored: shape.map((extent, axis) => wanted(axis) ? 1 : extent),
  read: (leaf) => leaf.broadcastTo(shape),
});

/** The views by name. */
export type ViewName =
  | "plain"
  | "transposed"
  | "rotated"
  | "sliced"
  | "stepped"
  | "flipped"
  | "repeatedFirst"
  | "repeatedLast"
  | "reshaped";

/** For a shape that the op shall see, the shape of the leaf and the way to it. */
export const VIEWS: Readonly<Record<ViewName, (shape: Shape) => ViewOf>> = {
  plain,
  transposed: (shape: Shape): ViewOf => ({
    stored: [...shape].reverse(),
    read: (leaf) => leaf.transpose(),
  }),
  /** The first axis last: as a batch that was stored innermost. */
  rotated: (shape: Shape): ViewOf => ({
    stored: [...shape.slice(1), ...shape.slice(0, 1)],
    read: (leaf) => leaf.transpose([...shape.keys()].map((axis) => (axis + shape.length - 1) % shape.length)),
  }),
  sliced: (shape: Shape): ViewOf => ({
    stored: shape.map((extent, axis) => extent + 1 + axis % 3),
    read: (leaf) => leaf.slice({ start: shape.map(() => 1), end: shape.map((extent) => 1 + extent) }),
  }),
  stepped: (shape: Shape): ViewOf => ({
    stored: shape.map((extent, axis) => axis === shape.length - 1 ? 2 * extent + 1 : extent),
    read: (leaf) =>
      shape.length === 0 ? leaf : leaf.slice({ axis: -1, start: 1, end: 2 * shape.at(-1)! + 1, step: 2 }),
  }),
  flipped: (shape: Shape): ViewOf => ({ stored: shape, read: (leaf) => leaf.flip() }),
  repeatedFirst: (shape: Shape): ViewOf => repeated(shape, (axis) => axis === 0),
  repeatedLast: (shape: Shape): ViewOf => repeated(shape, (axis) => axis === shape.length - 1),
  reshaped: (shape: Shape): ViewOf => ({
    stored: [...shape].reverse(),
    read: (leaf) => leaf.reshape(shape),
  }),
};
