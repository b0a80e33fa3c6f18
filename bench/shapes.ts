/**
 * The shapes that are measured: AlexNet's layers, and what everybody multiplies.
 *
 * @module
 */

import { nn } from "../mod.ts";

/** A convolution of square windows. */
export interface ConvShape {
  /** As in `conv2`. */
  readonly name: string;
  /** [images, channels, height, width] */
  readonly input: readonly [number, number, number, number];
  /** [output channels, input channels of a group, window, window] */
  readonly weight: readonly [number, number, number, number];
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
  /** Extent of the square maps that come out. */
  readonly extent: number;
}

/** The convolutions of AlexNet. */
export function alexnetConvolutions(batch: number): ConvShape[] {
  const shapes: ConvShape[] = [];
  let input: readonly number[] = nn.models.alexnet.input;
  const outputs = new Map(nn.summarise(nn.models.alexnet).layers.map(({ name, output }) => [name, output]));
  for (const row of nn.models.alexnet.rows) {
    const output = outputs.get(row.name)!;
    if (row.layer === "conv2d") {
      const [channels, height, width] = input as readonly [number, number, number];
      const { name, window, stride = 1, padding = 0, groups = 1 } = row;
      shapes.push({
        name,
        input: [batch, channels, height, width],
        weight: [output[0]!, channels / groups, window, window],
        stride,
        padding,
        groups,
        extent: output[1]!,
      });
    }
    input = output;
  }
  return shapes;
}

/** Multiplications and additions of one pass of a convolution, forward or either gradient: all three cost the same. */
export function convFlops({ input: [batch], weight, extent }: ConvShape): number {
  return 2 * batch * extent * extent * weight.reduce((a, b) => a * b);
}
