/**
 * Whole steps of training, as `train.ts` makes them: a batch goes to the device, forward with normalisation and dropout,
 * loss and accuracy, gradients, update. Loss and accuracy stay on the device.
 *
 * @module
 */

import { foldIn, nn, randomKey, SGD } from "../../mod.ts";
import { summarise } from "../../nn/tables.ts";
import { recipes } from "../../train/recipes.ts";
import { TrainingStep } from "../../train/step.ts";
import { PAPER_BATCH, trainingFlops } from "../shapes.ts";
import type { Entry, Precision, Workload } from "../workload.ts";

function step(model: nn.ModelName, batch: number, precision: Precision = "f32"): Workload {
  const table = nn.models[model];
  const { parameters } = summarise(table);
  const { lr, init, dropout, momentum, weightDecay } = recipes[model];
  const pixels = batch * table.input.reduce((a, b) => a * b);
  return {
    family: "step",
    name: model,
    size: `batch ${batch}${precision === "f32" ? "" : `, ${precision}`}`,
    precision,
    flops: batch * trainingFlops(model),
    // Weights and velocities are read and written; a device with an endless cache would keep everything in between.
    bytes: 4 * 4 * parameters + pixels,
    images: batch,
    resultBytes: 0,
    async prepare(scope) {
      const key = randomKey(2012, { device: scope.device });
      await key.data();
      const network = nn.build(table, { key, init, dropout });
      const optimiser = new SGD(network.parameters().values(), { momentum, weightDecay });
      const shape = table.input;
      const training = scope.keep(
        new TrainingStep({ model: network, optimiser, device: scope.device, batch, shape, precision }),
      );
      for (const state of [...optimiser.parameters, ...training.states.values()]) scope.keep(state);
      await training.prepare();
      const images = Uint8Array.from({ length: pixels }, (_, i) => i * 2654435761 >>> 24);
      const labels = Int32Array.from({ length: batch }, (_, i) => i % table.classes);
      let steps = 0;
      return () => {
        const { loss, correct, lossScale } = training.describe(
          images,
          labels,
          lr / 100,
          foldIn(key, ++steps),
        );
        return [loss, correct, ...lossScale === null ? [] : [lossScale]];
      };
    },
  };
}

/** Steps of all networks, AlexNet's in f16 too; the paper's batch of 128 only where it does not take long. */
export function steps(batch: number): Entry[] {
  const of = (
    model: nn.ModelName,
    batch: number,
    small: number,
    { large = false, precision }: { large?: boolean; precision?: Precision } = {},
  ): Entry => ({ workload: step(model, batch, precision), small: step(model, small), large });
  const papers = (["f32", "f16"] as const).map((precision) =>
    of("alexnet", PAPER_BATCH, 1, { large: true, precision })
  );
  return [
    of("lenet5", 32, 32),
    of("alexnet_mini", 32, 8),
    of("alexnet", batch, 1),
    of("alexnet", batch, 1, { precision: "f16" }),
    of("alexnet_owt", batch, 1),
    ...(batch < PAPER_BATCH ? papers : []),
  ];
}
