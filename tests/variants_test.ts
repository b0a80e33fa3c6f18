// Every variant of the matrix product, by force, on what `products.ts` has. Guarded, against the CPU with the bounds of the
// agreement suite; whole numbers are exact. Where an adapter lacks what a variant takes, the device has to say so.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  candidates,
  missing,
  pick,
  REGISTERS,
  usefulSplits,
  type Variant,
  VARIANTS,
} from "../backends/webgpu/kernels/variants.ts";
import { compiles } from "../backends/webgpu/kernels/gemm_matrix.ts";
import { MULTIPLES } from "../backends/webgpu/kernels/multiples.ts";
import type { KernelContext } from "../backends/webgpu/kernels/types.ts";
import { TEAM } from "../backends/webgpu/kernels/gemm_registers.ts";
import { type WebGpuBackend, webgpuDevice } from "../backends/webgpu/mod.ts";
import { Guard } from "../backends/webgpu/guard.ts";
import { conv2d, conv2dInputGradient, type Tensor, tensor } from "../mod.ts";
import { emulateMatrices } from "./emulated_matrices.ts";
import { planOf } from "./plans.ts";
import {
  convolutions,
  cpu,
  emulated,
  few,
  fused,
  hold,
  layers,
  least,
  long,
  type Make,
  maker,
  products,
} from "./products.ts";

const probe = await webgpuDevice("auto");
const { abilities } = (probe.backend as WebGpuBackend).limits;

const GUARDED = { guard: Guard, parallelism: 65536 };
/** Variants that stand for all of their kind: workgroups, subgroups, and neither. */
const ALL = { products, convolutions, fused };
const WORK: Readonly<Record<string, Readonly<Record<string, (make: Make) => Tensor[]>>>> = {
  "registers": ALL,
  "32x32 by 4x4": ALL,
  "subgroup 8x4": ALL,
  "matrix 64x64 by 32x32": ALL,
};

for (const tile of VARIANTS) {
  const lacks = missing(tile, abilities);
  if (lacks !== null) {
    test(`variants: ${tile.name}`, async () => {
      await assert.rejects(webgpuDevice("auto", { variants: { product: tile.name } }), {
        name: "RangeError",
        message: `webgpu: the variant ${tile.name} takes ${lacks}, which this adapter does not have`,
      });
      console.log(`variants: this adapter has no ${lacks} for ${tile.name}`);
    });
    continue;
  }
  test(`variants: ${tile.name}`, async () => {
    // A GPU that splits long sums, with a grid so short that it is folded.
    const large = await webgpuDevice("auto", { ...GUARDED, variants: { product: tile.name }, maxGroups: 3 });
    // Matrices multiply f16 only; of the other variants some are tested in f16 below.
    const dtype = tile.shares === "matrix" ? "f16" : "f32";
    for (const [kind, work] of Object.entries(WORK[tile.name] ?? { least })) {
      for (const fill of ["integers", "floats"] as const) {
        await hold(large, `${tile.name}, ${kind} of ${fill}`, work, fill, dtype);
      }
    }
    const { count } = (large.backend as WebGpuBackend).pipelines;
    console.log(`variants: ${tile.name}: ${count} pipelines`);
    if (tile.name in WORK) {
      if (large.supports("f16")) await hold(large, `${tile.name} in f16`, few, "floats", "f16");
      const windowed = await webgpuDevice("auto", {
        ...GUARDED,
        variants: { product: tile.name },
        bindingLimit: 16384,
      });
      await hold(windowed, `${tile.name}, small bindings`, few, "integers", dtype);
      windowed.destroy();
    }
    large.destroy();
  });
}

/** A tile with several subgroups either way, each with several matrices either way. */
const EMULATED = "matrix 64x64 by 32x32";

test("variants: matrices of subgroups, computed by lanes where the adapter has none", async () => {
  if (abilities.matrices || !probe.supports("f16")) {
    return console.log(`variants: ${abilities.matrices ? "tested above" : "this adapter has no f16"}`);
  }
  const variants = { product: EMULATED };
  const on = await webgpuDevice("auto", { ...GUARDED, variants, matrices: true, maxGroups: 3 });
  const count = emulateMatrices((on.backend as WebGpuBackend).device);
  for (const fill of ["integers", "floats"] as const) {
    await hold(on, `${EMULATED}, ${fill}`, emulated, fill, "f16");
  }
  console.log(`variants: ${EMULATED}: ${count()} pipelines with matrices`);
  assert.ok(count() >= 4, `${count()}`);
  on.destroy();
});

test("variants: a device whose compiler does not know matrices has none, and goes on", async () => {
  assert.equal(await compiles((probe.backend as WebGpuBackend).device), abilities.matrices);
  assert.equal(await tensor([1, 2], { device: probe }).sum().item(), 3);
});

test("variants: registers on cores, where lanes of subgroups send each other rows", async () => {
  const cores = { guard: Guard, parallelism: 16, variants: { product: "registers" } };
  const on = await webgpuDevice("auto", cores);
  // Without subgroups it is the device that all other tests are for.
  const work = abilities.subgroup >= TEAM ? { ...ALL, layers } : { layers };
  for (const [kind, make] of Object.entries(work)) {
    for (const fill of ["integers", "floats"] as const) {
      await hold(on, `cores, ${kind} of ${fill}`, make, fill, "f32");
    }
  }
  if (on.supports("f16")) await hold(on, "cores, in f16", few, "floats", "f16");
  on.destroy();
  const windowed = await webgpuDevice("auto", { ...cores, bindingLimit: 16384 });
  await hold(windowed, "cores, small bindings", few, "integers", "f32");
  windowed.destroy();
});

test("variants: the lanes of a core's subgroup send each other rows, where the lanes are enough and so are the columns", () => {
  const productOf = (subgroup: number, columns: number) => {
    const abilities = { subgroup, matrices: false, workgroupBytes: 32768, workgroupLanes: 256 };
    const make = maker(cpu, "floats", "f32");
    const plan = planOf([make([64, 64]).transpose().matmul(make([64, columns]))], [], { abilities });
    const { body, invocations, workgroupSize } = plan.dispatches[0]!;
    // Of 32 rows each lane loads four, once.
    return [
      body.match(/\ba\(/g)!.length,
      body.match(/subgroupBroadcast/g)?.length,
      invocations,
      workgroupSize,
    ];
  };
  assert.deepEqual(productOf(8, 68), [1, 8, 2 * 16, 8]);
  assert.deepEqual(productOf(4, 68), [4, undefined, 4 * 5, 8]);
  assert.deepEqual(productOf(8, 32), [8, undefined, 2 * 4, 8]);
});

for (const { name } of MULTIPLES.slice(1)) {
  test(`variants: sums in ${name} times as many parts`, async () => {
    for (const [product, parallelism] of [["registers", 8], ["32x32 by 4x4", 65536]] as const) {
      if (missing(VARIANTS.find((each) => each.name === product)!, abilities)) continue;
      const variants = { product, splits: name };
      const cut = await webgpuDevice("auto", { guard: Guard, parallelism, variants });
      for (const fill of ["integers", "floats"] as const) {
        await hold(cut, `${product}, times ${name}, ${fill}`, long, fill, "f32");
      }
      cut.destroy();
    }
  });
}

test("variants: panels are read as uniform buffers, a window of 64 KiB at a time, with the same bits", async () => {
  // Eight panels of 9,792 bytes in two windows; of the input gradient four of 36,864. Of four phases one has as much as fills one.
  const passes = (make: Make) => {
    const [x, weight, bias] = [make([5, 34, 7, 9]), make([128, 17, 3, 3]), make([128])];
    const options = { groups: 2, padding: 1 };
    const y = conv2d(x, weight, { ...options, bias });
    const phases = { ...options, stride: 2, shape: [5, 34, 13, 17] };
    return [
      y.relu(),
      conv2dInputGradient(make(y.shape), weight, { ...options, shape: x.shape }),
      conv2dInputGradient(make(y.shape), weight, phases),
    ];
  };
  const windows = (panels: string) =>
    planOf(passes(maker(cpu, "floats", "f32")), [], { parallelism: 8, choose: () => panels }).dispatches
      .flatMap(({ bindings }) =>
        bindings.filter(({ uniform }) => uniform).map(({ part }) => part!.byteOffset)
      );
  // A window does not end behind all panels.
  assert.deepEqual(windows("uniform"), [0, 12800, 0, 36864, 73728, 81920, 0, 0]);
  assert.deepEqual(windows("storage"), []);
  const found = ["storage", "uniform"].map(async (panels) => {
    const variants = { product: "registers", panels };
    const on = await webgpuDevice("auto", { guard: Guard, parallelism: 8, variants });
    for (const fill of ["integers", "floats"] as const) await hold(on, panels, passes, fill, "f32");
    const tensors = passes(maker(on, "floats", "f32"));
    await on.evaluate(tensors, true);
    const numbers = await Promise.all(tensors.map((tensor) => tensor.data()));
    on.destroy();
    return numbers;
  });
  const [storage, uniform] = await Promise.all(found);
  assert.deepEqual(uniform, storage);
});

/** Chooses what is given, as a measurement would, where it is among the candidates; else the guess. */
const answering = (answer: Variant | undefined): KernelContext<never>["choose"] => (_, candidates, guess) =>
  candidates.find(({ name }) => name === answer?.name) ?? guess;

test("variants: registers for cores, and for a GPU tiles that fill it", () => {
  const large = { subgroup: 32, matrices: false, workgroupBytes: 49152, workgroupLanes: 1024 };
  const choose = (
    rows: number,
    columns: number,
    depth: number,
    parallelism: number = 65536,
    answer: Variant | undefined = undefined,
  ) => {
    const choosing = { parallelism, abilities: large, choose: answering(answer) };
    return pick(choosing, { groups: 1, rows, columns, depth, halves: false });
  };
  assert.equal(choose(4096, 4096, 4096, 256), REGISTERS);
  assert.deepEqual(choose(4096, 4096, 4096).tile, [256, 128]);
  assert.equal(choose(8, 4096, 9216).tile[0], 16);
  assert.deepEqual(choose(20, 30, 50).tile, [32, 32]);
  // AlexNet's channels, of a group where there are two: no tile hangs over by more than an eighth.
  for (const rows of [48, 96, 128, 192, 256, 384]) {
    const { tile: [height], blocks } = choose(rows, 128 * 27 * 27, 1200);
    assert.ok(Math.ceil(rows / height) * height <= rows * 9 / 8 && !blocks, `${rows}: ${height}`);
  }
  assert.equal(choose(4096, 4096, 4096, 65536, REGISTERS), REGISTERS);
  const broadcast = VARIANTS.find(({ name }) => name === "subgroup 8x4");
  assert.equal(choose(64, 64, 64, 256, broadcast), broadcast);
  // Matrices where both operands are f16 and the adapter has them; a software driver never.
  const half = (abilities: typeof large, parallelism: number) =>
    pick({ parallelism, abilities, choose: answering(undefined) }, {
      groups: 2,
      rows: 192,
      columns: 128 * 13 * 13,
      depth: 1728,
      halves: true,
    });
  assert.equal(half({ ...large, matrices: true }, 65536).name, "matrix 96x128 by 48x32");
  assert.equal(half(large, 65536).shares, "workgroup");
  assert.equal(half({ ...large, matrices: true }, 256), REGISTERS);
  // An adapter without anything beyond the defaults has tiles too, and none that it cannot run.
  const least = candidates({ subgroup: 0, matrices: false, workgroupBytes: 16384, workgroupLanes: 256 });
  assert.ok(least.length >= 5 && least.every(({ shares }) => shares !== "subgroup"));
});

test("variants: a sum is split until a GPU is full, and not for more", () => {
  const [tile] = VARIANTS.filter(({ name }) => name === "128x128 by 8x8");
  const splits = (rows: number, columns: number, depth: number) =>
    usefulSplits({ groups: 1, rows, columns, depth, halves: false }, tile!, 65536);
  assert.deepEqual([splits(128, 4096, 9216), splits(4096, 4096, 128)], [8, 1]);
  // Five tiles of 256 lanes fit 51 times; what is left of 128 k is no split.
  assert.deepEqual([splits(128, 640, 1 << 20), splits(128, 640, 1300)], [51, 10]);
  // Full for the most part: another half would come behind it.
  assert.equal(splits(1280, 2048, 4096), 1);
});

test("variants: a name that is none, of any family", async () => {
  for (
    const [family, name] of [["product", "127x1"], ["tile", "9x9"], ["tile along k", ""], [
      "rows",
      "4x8",
    ]] as const
  ) {
    await assert.rejects(webgpuDevice("auto", { variants: { [family]: name } }), {
      name: "RangeError",
      message: `webgpu: no variant of ${family} is called ${name}`,
    });
  }
});

after(() => probe.destroy());
