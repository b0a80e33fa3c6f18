// PyTorch's part of bench:peers, where a Python has it: it computes what ours computes, also when images are bytes, and it
// says in one line what it cannot. With CUDA, its two contenders too.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Contender, fermi, torches } from "../../bench/peers/contender.ts";
import { race } from "../../bench/peers/race.ts";
import { convolution, matmul, small, step, type Workload } from "../../bench/peers/workloads.ts";
import { root } from "./runtimes.ts";

const effort = { rounds: 1, sampleMs: 20, budgetMs: 1000 };
const pytorch = torches();
const conv = { name: "conv", stride: 2, padding: 1, groups: 2, extent: 4 } as const;

const workloads: readonly Workload[] = [
  matmul(96),
  ...convolution({ ...conv, input: [2, 4, 7, 7], weight: [6, 2, 3, 3] }),
  step("images as bytes", small, 4, { bytes: true }),
  step("images as numbers", small, 4),
];

async function raceAgainst(others: readonly Contender[], workload: Workload): Promise<void> {
  const { outcomes } = await race(workload, [fermi("off"), ...others], effort);
  for (const { contender, failure, ms, device } of outcomes) {
    assert.equal(failure, null, `${workload.name}: ${contender} ${failure?.why}`);
    assert.equal(ms.length, effort.rounds);
    if (contender !== "fermi") assert.match(device!, /^PyTorch /);
  }
}

if (pytorch.length === 0) {
  test("torch race: no Python here has PyTorch, and bench:peers says so", () => {
    const args = ["--import", "tsx", "bench/peers/main.ts", "--contenders=torch"];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    assert.deepEqual([status, stderr], [2, "error: --contenders=torch: no Python here has PyTorch\n"]);
  });
} else {
  for (const workload of workloads) {
    test(`torch race: ${workload.name}`, () => raceAgainst(pytorch, workload));
  }

  test("torch race: with CUDA it uploads from pinned memory, waits for the device, and says what TF32 is", async () => {
    const [python, peer] = pytorch[0]!.command;
    const fake = (key: string, ...args: string[]): Contender => ({
      key,
      name: key,
      command: [python!, join(root, "tests/across/fake_cuda.py"), peer!, "--device=cuda", ...args],
    });
    const contenders = [fake("torch-cuda"), { ...fake("torch-tf32", "--tf32=on"), rough: true }];
    for (const workload of workloads) {
      const { outcomes } = await race(workload, contenders, effort);
      assert.deepEqual(outcomes.map(({ failure }) => failure), [null, null], workload.name);
      const devices = outcomes.map(({ device }) => device!.replace(/^PyTorch .*, CUDA .* on /, ""));
      assert.deepEqual(devices, ["a fake, 2 waits, TF32 off", "a fake, 2 waits, TF32 on"]);
    }
  });

  test("torch race: what PyTorch cannot is one line", () => {
    const [python, peer] = [pytorch[0]!.command[0]!, join(root, "bench/peers/torch_peer.py")];
    const says = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(python, [peer, ...args], { encoding: "utf8", input: "" });
      assert.deepEqual([status, stdout], [2, ""]);
      return stderr;
    };
    assert.match(says("--tf32=on"), /error: --tf32=on wants --device=cuda: a CPU has no TF32\n$/);
    assert.match(says("--device=tpu"), /error: argument --device: invalid choice: 'tpu'/);
    if (pytorch.some(({ key }) => key === "torch-cuda")) return;
    assert.match(says("--device=cuda"), /error: --device=cuda: PyTorch .* finds no CUDA device here\n$/);
  });
}
