/**
 * The shapes that are measured: AlexNet's layers, and what everybody multiplies.
 *
 * @module
 */

import { nn } from "../mod.ts";
import { summarise } from "../nn/tables.ts";
import { trace } from "../nn/models/trace.ts";

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

/** A fully connected layer. */
export interface LinearShape {
  /** As in `fc6`. */
  readonly name: string;
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Whether a ReLU follows. */
  readonly rectified: boolean;
}

/** A layer from maps to maps that has no weights. */
export interface MapsShape {
  /** As in `pool1`. */
  readonly name: string;
  /** [images, channels, height, width] */
  readonly input: readonly [number, number, number, number];
  /** [images, channels, height, width] */
  readonly output: readonly [number, number, number, number];
}

/** The paper's batch. */
export const PAPER_BATCH = 128;

const traced = trace(nn.models.alexnet);

/** The convolutions of AlexNet. */
export function alexnetConvolutions(batch: number): ConvShape[] {
  return traced.flatMap(({ row, input, output }) => {
    if (row.layer !== "conv2d") return [];
    const { name, window, stride = 1, padding = 0, groups = 1 } = row;
    const [channels, height, width] = input as readonly [number, number, number];
    return [{
      name,
      input: [batch, channels, height, width],
      weight: [output[0]!, channels / groups, window, window],
      stride,
      padding,
      groups,
      extent: output[1]!,
    }];
  });
}

/** The fully connected layers of AlexNet. */
export function alexnetLinears(batch: number): LinearShape[] {
  return traced.flatMap(({ row, input, output }, i) => {
    if (row.layer !== "linear") return [];
    const rectified = traced[i + 1]?.row.layer === "relu";
    return [{ name: row.name, batch, inputs: input[0]!, outputs: output[0]!, rectified }];
  });
}

/** The layers of AlexNet that normalise or pool; all its windows of pooling have 3 pixels, 2 apart. */
export function alexnetMaps(layer: "localResponseNorm" | "maxPool2d", batch: number): MapsShape[] {
  const withBatch = (maps: readonly number[]) => [batch, ...maps] as unknown as MapsShape["input"];
  return traced.flatMap(({ row, input, output }) =>
    row.layer === layer ? [{ name: row.name, input: withBatch(input), output: withBatch(output) }] : []
  );
}

/** Multiplications and additions of one pass of a convolution, forward or either gradient: all three cost the same. */
export function convFlops({ input: [batch], weight, extent }: ConvShape): number {
  return 2 * batch * extent * extent * weight.reduce((a, b) => a * b);
}

/** Multiplications and additions of one pass of a fully connected layer, forward or either gradient. */
export function linearFlops({ batch, inputs, outputs }: LinearShape): number {
  return 2 * batch * inputs * outputs;
}

/**
 * Multiplications and additions that one image costs in training, in convolutions and fully connected layers: forward,
 * and the gradients of weights and inputs. Nobody wants the gradient of the images, so the first layer has one pass less.
 */
export function trainingFlops(model: nn.ModelName): number {
  const { layers, multiplyAdds } = summarise(nn.models[model]);
  const first = layers.find((layer) => layer.multiplyAdds > 0)!;
  return 2 * (3 * multiplyAdds - first.multiplyAdds);
}
