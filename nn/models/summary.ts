/**
 * What a network costs, worked out from its table.
 *
 * @module
 */

import type { ModelTable } from "./table.ts";
import { trace, type TracedRow } from "./trace.ts";

/**
 * What one layer costs.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { type LayerSummary, summarise } from "@fermi/fermi/tables";
 *
 * const conv1: LayerSummary = summarise(nn.models.alexnet).layers[0]!;
 * assert.deepEqual(conv1.output, [96, 55, 55]);
 * assert.equal(conv1.parameters, 96 * (3 * 11 * 11 + 1)); // weights and biases
 * assert.equal(conv1.neurons, 96 * 55 * 55);
 * assert.equal(conv1.multiplyAdds, 96 * 55 * 55 * 3 * 11 * 11);
 * ```
 */
export interface LayerSummary {
  /** The name of the layer. */
  readonly name: string;
  /** Without the batch: [channels, height, width] or [features]. */
  readonly output: readonly number[];
  /** Numbers that are learnt. */
  readonly parameters: number;
  /** Outputs that are weighted sums: those of convolutions and fully connected layers. */
  readonly neurons: number;
  /** Of one image, forward; biases are not counted. */
  readonly multiplyAdds: number;
}

/**
 * What a network costs.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { type ModelSummary, summarise } from "@fermi/fermi/tables";
 *
 * const summary: ModelSummary = summarise(nn.models.alexnet);
 * assert.equal(summary.parameters, 60_965_224); // "60 million parameters", as the abstract says
 * const connected = summary.layers.filter(({ name }) => name.startsWith("fc")); // which have most of them
 * assert.equal(connected.reduce((sum, layer) => sum + layer.parameters, 0), 58_631_144);
 * ```
 */
export interface ModelSummary {
  /** The name of the model. */
  readonly model: string;
  /** The layers in order. */
  readonly layers: readonly LayerSummary[];
  /** Numbers that are learnt. */
  readonly parameters: number;
  /** Of all layers. */
  readonly neurons: number;
  /** Of one image, forward. */
  readonly multiplyAdds: number;
}

/**
 * Sums up a model, layer by layer: shapes, parameters, neurons and multiply-adds. Nothing is built or computed.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise } from "@fermi/fermi/tables";
 *
 * const { layers, parameters } = summarise(nn.models.lenet5);
 * assert.equal(parameters, 61_706);
 * assert.deepEqual(layers.find(({ name }) => name === "pool2")!.output, [16, 5, 5]);
 * ```
 */
export function summarise(table: ModelTable): ModelSummary {
  const layers = trace(table).map(summariseRow);
  const total = (field: "parameters" | "neurons" | "multiplyAdds") =>
    layers.reduce((sum, layer) => sum + layer[field], 0);
  return {
    model: table.name,
    layers,
    parameters: total("parameters"),
    neurons: total("neurons"),
    multiplyAdds: total("multiplyAdds"),
  };
}

function summariseRow({ row, input, output }: TracedRow): LayerSummary {
  if (row.layer !== "conv2d" && row.layer !== "linear") {
    return { name: row.name, output, parameters: 0, neurons: 0, multiplyAdds: 0 };
  }
  const fanIn = row.layer === "linear" ? input[0]! : input[0]! / (row.groups ?? 1) * row.window * row.window;
  const neurons = output.reduce((size, extent) => size * extent, 1);
  return {
    name: row.name,
    output,
    parameters: row.outputs * (fanIn + 1),
    neurons,
    multiplyAdds: neurons * fanIn,
  };
}

/**
 * The summary as a table for people, ending with the totals.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { formatSummary, summarise } from "@fermi/fermi/tables";
 *
 * const text = formatSummary(summarise(nn.models.lenet5));
 * assert.match(text, /^conv1 +6 x 28 x 28 +156 +4,704 +117,600$/m);
 * ```
 */
export function formatSummary(summary: ModelSummary): string {
  const number = (value: number) => value === 0 ? "" : value.toLocaleString("en-US");
  const rows = [
    ["layer", "output shape", "parameters", "neurons", "multiply-adds"],
    ...summary.layers.map((layer) => [
      layer.name,
      layer.output.join(" x "),
      number(layer.parameters),
      number(layer.neurons),
      number(layer.multiplyAdds),
    ]),
    ["total", "", number(summary.parameters), number(summary.neurons), number(summary.multiplyAdds)],
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const lines = rows.map((row) =>
    row.map((cell, column) => column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))
      .join("  ")
      .trimEnd()
  );
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join("\n");
}
