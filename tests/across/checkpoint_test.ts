// What a checkpoint's model is to others: PyTorch reads the file with a few lines and computes the same logits. Where Python
// has no PyTorch the test says so, and holds the file, read by the letter of the format, to the parameters alone; that these
// mean to PyTorch what they mean here is known from the fixtures, in `fixture_networks_test.ts`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { build, type ModelName, models } from "../../nn/mod.ts";
import { device, randomKey, tensor } from "../../mod.ts";
import { prepareJob, readModelFile, runJob } from "../../train/mod.ts";
import { assignStates, checkStates } from "../../train/stored_state.ts";
import { fill } from "../fixtures/mod.ts";
import { pythonWith, root } from "./runtimes.ts";

const python = pythonWith("torch, numpy");
const BATCH = 3;
const SIZE = BATCH * 28 * 28;

/** The file's tensors, with nothing of ours. */
function readByHand(file: Uint8Array): Map<string, { shape: number[]; values: Float32Array }> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  type Entry = { dtype: string; shape: number[]; data_offsets: [number, number] };
  return new Map(
    Object.entries(header as Record<string, Entry>).map(([name, { dtype, shape, data_offsets }]) => {
      assert.equal(dtype, "F32");
      const [begin, end] = data_offsets.map((offset) => 8 + length + offset);
      return [name, { shape, values: new Float32Array(file.slice(begin, end).buffer) }];
    }),
  );
}

for (const model of ["lenet5", "alexnet_mini"] as const satisfies ModelName[]) {
  test(`checkpoint: PyTorch reads ${model} and computes the same logits`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "fermi-pytorch-"));
    try {
      const cpu = await device("cpu");
      const checkpoint = { folder: join(folder, "run") };
      const settings = {
        model,
        dataset: "synthetic",
        seed: 3,
        limit: 8,
        steps: 2,
        recipe: { batch: 4 },
      } as const;
      await runJob(await prepareJob({ ...settings, checkpoint }), cpu, () => {});
      const { path, tensors } = await readModelFile(checkpoint.folder);

      // What a network of ours makes of the file.
      const network = build(models[model], { key: randomKey(9, { device: cpu }) });
      checkStates(network.parameters(), tensors, path, model);
      assignStates(network.parameters(), tensors);
      const images = fill([SIZE], 7, 1);
      const ours = await network.forward(tensor(images, { shape: [BATCH, 1, 28, 28], device: cpu })).data();

      const found = readByHand(new Uint8Array(await readFile(path)));
      assert.deepEqual([...found.keys()], [...network.parameters().keys()]);
      for (const [name, parameter] of network.parameters()) {
        assert.deepEqual(found.get(name)!.shape, parameter.shape);
        assert.deepEqual(found.get(name)!.values, await parameter.data());
      }

      if (python === undefined) return t.diagnostic("Python has no torch here: PyTorch was not asked");
      const input = join(folder, "images.f32");
      await writeFile(input, new Uint8Array(images.buffer));
      const script = join(root, "tests/across/read_checkpoint.py");
      const { stdout, stderr, status } = spawnSync(python, [script, path, input], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      const { version, logits } = JSON.parse(stdout) as { version: string; logits: number[] };
      const largest = Math.max(...logits.map(Math.abs));
      assert.equal(logits.length, ours.length);
      const off = Math.max(...logits.map((value, i) => Math.abs(value - ours[i]!))) / largest;
      t.diagnostic(`PyTorch ${version}: logits are off by at most ${off.toExponential(1)} of the largest`);
      assert(off <= 1e-5, `logits are off by ${off} of the largest`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}
