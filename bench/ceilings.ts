/**
 * What the adapter can do at best: multiply-adds that stay in registers, and a copy of a buffer that no cache holds. All
 * kernels are held to these two numbers, measured here and now, and not to a data sheet.
 *
 * @module
 */

import { growth } from "../backends/webgpu/stopwatch.ts";
import { MicroBench, type MicroKernel } from "./micro.ts";

/** The two ceilings, and what reached them. */
export interface Ceilings {
  /** 10^9 multiplications and additions a second. */
  readonly gflops: number;
  /** 10^9 bytes a second, read and written. */
  readonly gbs: number;
  /** The variants that were fastest. */
  readonly fma: string;
  readonly copy: string;
}

/** A variant of a micro-kernel. */
interface Variant {
  readonly name: string;
  readonly kernel: MicroKernel;
  /** Multiplications and additions, or bytes, of a round. */
  readonly work: number;
  /** Whether a dispatch may have several rounds. */
  readonly rounds: boolean;
}

const GROUP = 256;
const MAIN = `@compute @workgroup_size(${GROUP}) fn main(@builtin(global_invocation_id) id: vec3<u32>)`;

const list = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Half a million invocations: twice what the largest GPU of 2024 keeps under way (132 processors, 2048 threads each). */
const FMA_GROUPS = 2048;
/** Multiply-adds of vec4s in a round. */
const ROUND = 48;

/**
 * Some independent chains of vec4s an invocation: while one waits for its sum, the next ones are added to. Few fit into
 * the registers of a processor, many hide the latencies of a GPU. The factors are known to the run only, or a compiler
 * would work the sums out.
 */
function multiplyAdds(chains: number, next: (a: string) => string): Variant {
  const round = list(chains, (i) => `a${i} = ${next(`a${i}`)};`).join(" ");
  const code = `${MAIN} {
  let m = vec4<f32>(p.m);
  let c = vec4<f32>(p.c);
  ${list(chains, (i) => `var a${i} = vec4<f32>(f32(id.x + ${i}u));`).join("\n  ")}
  for (var round = 0u; round < p.rounds; round++) {
    ${list(ROUND / chains, () => round).join("\n    ")}
  }
  let sum = ${list(chains, (i) => `a${i}`).join(" + ")};
  // Never so, which nobody can know: the sums are of use.
  if (sum.x < 0.0) { y[id.x % p.length] = sum + x[id.x % p.length]; }
}`;
  return {
    name: `${next("a")} in ${chains} chains`,
    kernel: { code, groups: FMA_GROUPS, bytes: 1 << 16 },
    work: FMA_GROUPS * GROUP * ROUND * 4 * 2,
    rounds: true,
  };
}

/** A copy in which each invocation moves some vec4s; neighbours move neighbours. */
function copy(items: number, bytes: number): Variant {
  const groups = Math.ceil(bytes / 16 / GROUP / items);
  const at = list(items, (i) => `id.x + ${i * groups * GROUP}u`);
  const code = `${MAIN} {
  ${at.map((at) => `if (${at} < p.length) { y[${at}] = x[${at}]; }`).join("\n  ")}
}`;
  return {
    name: `${items} vec4 an invocation`,
    kernel: { code, groups, bytes },
    work: 2 * bytes,
    rounds: false,
  };
}

/** How well to measure. */
export interface CeilingEffort {
  /** The least that a sample lasts, in ms. */
  readonly sample: number;
  readonly samples: number;
  /** What is copied: with its copy it should be larger than the device's caches. */
  readonly copyBytes: number;
}

/** Measures both ceilings. */
export async function measureCeilings(gpu: GPUDevice, effort: CeilingEffort): Promise<Ceilings> {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
  const bytes = Math.floor(Math.min(effort.copyBytes, maxStorageBufferBindingSize, maxBufferSize) / 16) * 16;
  const fma = await fastest(
    gpu,
    effort,
    [2, 8].flatMap((chains) => [
      multiplyAdds(chains, (a) => `fma(${a}, m, c)`),
      multiplyAdds(chains, (a) => `${a} * m + c`),
    ]),
  );
  const copied = await fastest(gpu, effort, [1, 4].map((items) => copy(items, bytes)));
  return { gflops: fma.rate / 1e9, gbs: copied.rate / 1e9, fma: fma.name, copy: copied.name };
}

async function fastest(gpu: GPUDevice, effort: CeilingEffort, variants: readonly Variant[]) {
  const rates = [];
  for (const variant of variants) {
    rates.push({ name: variant.name, rate: await rateOf(gpu, variant, effort) });
  }
  return rates.reduce((a, b) => b.rate > a.rate ? b : a);
}

/** Work a second, in the best of some samples: a ceiling is what is possible, not what is usual. */
async function rateOf(
  gpu: GPUDevice,
  { kernel, work, rounds }: Variant,
  { sample, samples }: CeilingEffort,
): Promise<number> {
  const bench = new MicroBench(gpu, kernel);
  try {
    const count = { rounds: 1, dispatches: 1 };
    const run = () => bench.run(count.rounds, count.dispatches);
    const growUntil = async (what: keyof typeof count, wanted: number) => {
      let ms = await run();
      while (ms < wanted) {
        count[what] = Math.ceil(count[what] * growth(ms, wanted));
        ms = await run();
      }
      return ms;
    };
    await run();
    // A dispatch stays short, because systems end what keeps a GPU for seconds; then there are more of them.
    if (rounds) await growUntil("rounds", sample / 8);
    let best = await growUntil("dispatches", sample);
    for (let i = 1; i < samples; i++) best = Math.min(best, await run());
    return work * count.rounds * count.dispatches / (best / 1000);
  } finally {
    bench.destroy();
  }
}
