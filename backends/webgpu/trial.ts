/**
 * Measures the candidates for one choice of a kernel: its own dispatches, on operands of its own. A candidate is out, however
 * fast, whose result is not that of the op's definition.
 *
 * @module
 */

import { hostArray } from "../../tensor/dtype.ts";
import { agree, type Output, same } from "./agree.ts";
import type { Question } from "./compile.ts";
import type { Gear } from "./gear.ts";
import type { Item } from "./fuse.ts";
import type { Program } from "./lower.ts";
import type { Plan } from "./plan.ts";
import { reference } from "./reference.ts";
import { paramWords, shaderText } from "./shader.ts";
import { moreThan, Stopwatch } from "./stopwatch.ts";
import { decode, encode } from "./transfer.ts";
import { byteLength, type Home, type PlanValue, type View } from "./values.ts";

/** How often the best are measured, in turns. */
const ROUNDS = 3;
/** What takes so many times as long as the best is not measured again: after one sample, and after one of a round. */
const [FAR, HOPELESS] = [3, 1.5];
/** A winner is so much better than the first that is right, the guess if it is; or noise. */
const WORTHWHILE = 0.97;

/** One way to compute, ready to run. */
interface Contender {
  readonly name: string;
  readonly plan: Plan;
  readonly outputs: readonly PlanValue[];
}

/** Words for the constants of element-wise kernels: two real numbers, and one for whatever is none. */
const SCALARS = new Uint32Array(new Float32Array([1, 2, 0, 0]).buffer);
SCALARS[2] = 1;

/** A program of one kernel; its operands have the homes that they are given, but for constants. */
export function alone(item: Item, home: (operand: PlanValue) => Home): Program {
  const values = new Map<PlanValue, PlanValue>();
  const put = (value: PlanValue, home: Home) => {
    const own: PlanValue = { ...value, home };
    values.set(value, own);
    return own;
  };
  const made = (value: PlanValue) => put(value, { kind: "workspace" });
  const read = (view: View): View => {
    const { value } = view;
    const { home: where } = value;
    const homeOf = (): Home =>
      where.kind === "scalar" ? { ...where, index: isReal(value) ? where.index % 2 : 2 } : home(value);
    return { ...view, value: values.get(value) ?? put(value, homeOf()) };
  };
  const [steps, results] = item.kind === "dispatch"
    ? [[{ ...item, inputs: item.inputs.map(read), outputs: item.outputs.map(made) }], item.outputs]
    : [
      item.steps.map((step) => ({ ...step, inputs: step.inputs.map(read), output: made(step.output) })),
      item.stores,
    ];
  const outputs = results.map((value) => ({ value: values.get(value)!, read: true }));
  return { steps, outputs, updates: [] };
}

function labelOf(item: Item): string {
  return (item.kind === "dispatch" ? item : item.steps.at(-1)!).label;
}

/**
 * The name of the candidate that is fastest and right: it agrees with the CPU where that computes the op, and everywhere
 * else with the first that does so. The guess has to prove itself like the others. Of element-wise ops each result is the
 * same arithmetic in all ways, so they have to agree with the guess, bit for bit. Null where the device fails, also in
 * computing the guess: then the evaluation is going to fail too, and say at what.
 *
 * @throws {Error} when results come out, and none is right.
 */
export async function fastest(question: Question, gear: Gear): Promise<string | null> {
  const { item, guess, candidates } = question;
  const trial = new Trial(question, gear);
  try {
    const names = new Set([guess, ...candidates].map(({ name }) => name));
    // Perhaps one wants more than this adapter has.
    const entered = await Promise.all([...names].map((name) => trial.enter(name).catch(() => null)));
    const sampled = item.kind === "group"
      ? []
      : await reference(item, (value, i) => trial.numberOf(value, i), gear.definition);
    const right: Contender[] = [];
    const wrong = new Set<string>();
    let wanted: Output[] | null = null;
    for (const each of entered) {
      const found = each && await trial.results(each).catch(() => null);
      if (!found) continue;
      const parts = sampled.map(({ places }, k) => ({
        dtype: found[k]!.dtype,
        data: Float64Array.from(places, (place) => found[k]!.data[place]!),
      }));
      const asFirst = item.kind === "group" ? same : agree;
      if (agree(parts, sampled) && asFirst(found, wanted ?? found)) {
        wanted ??= found;
        right.push(each);
      } else wrong.add(each.name);
    }
    if (right.length > 0) return await trial.race(right).catch(() => null);
    if (!wrong.has(guess.name)) return null;
    throw new Error(
      `${labelOf(item)}: webgpu computes it wrongly on this adapter in every way there is (${
        [...wrong].join(", ")
      })`,
    );
  } finally {
    trial.end();
  }
}

/** The memory of one trial, and what runs in it. */
class Trial {
  readonly #question: Question;
  readonly #gear: Gear;
  readonly #operands: Map<PlanValue, { readonly buffer: GPUBuffer; readonly numbers: Float32Array }> =
    new Map();
  readonly #plans: Plan[] = [];
  readonly #texts: Set<string> = new Set();
  readonly #stopwatch: Stopwatch;

  constructor(question: Question, gear: Gear) {
    this.#question = question;
    this.#gear = gear;
    this.#stopwatch = new Stopwatch(gear);
  }

  /** Builds a candidate; null where another is the same. */
  async enter(name: string): Promise<Contender | null> {
    const { family, item } = this.#question;
    const { device, limits, pipelines, failures, compile, Plan } = this.#gear;
    const { result: program, settled: filled } = failures.collect(() =>
      failures.watch(
        labelOf(item),
        () => alone(item, (value) => ({ kind: "state", buffer: this.#operand(value) })),
      )
    );
    const compiled = compile(program, {
      ...limits,
      choose: (other) => other.family === family ? name : limits.choose?.(other),
    });
    // Some ways come to the same: a sum that is too short to be split further, say.
    const text = compiled.dispatches.map((each) => shaderText(each, limits.windowBytes) + paramWords(each))
      .join();
    if (this.#texts.has(text)) return null;
    this.#texts.add(text);
    await filled;
    const prepared = { compiled, pipelines: await pipelines.for(compiled.dispatches) };
    const { result: plan, settled } = failures.collect(() => new Plan(prepared, [], this.#gear));
    this.#plans.push(plan);
    device.queue.writeBuffer(plan.locate(compiled.scalars).buffer, 0, SCALARS);
    await settled;
    return { name, plan, outputs: program.outputs.map(({ value }) => value) };
  }

  #operand(value: PlanValue): GPUBuffer {
    const { memory, device, limits } = this.#gear;
    let operand = this.#operands.get(value);
    if (operand === undefined) {
      const buffer = memory.create("tuning", byteLength(value) + limits.band);
      operand = { buffer, numbers: numbersFor(value, this.#operands.size) };
      fill(device.queue, buffer, value, operand.numbers);
      this.#operands.set(value, operand);
    }
    return operand.buffer;
  }

  /** Element i of an operand. */
  numberOf(value: PlanValue, i: number): number {
    return this.#operands.get(value)!.numbers[i % BLOCK]!;
  }

  /** Runs a candidate in memory that has nothing in it of what another left there, and reads its outputs. */
  async results({ plan, outputs }: Contender): Promise<Output[]> {
    const { device, memory, failures } = this.#gear;
    const staging: GPUBuffer[] = [];
    try {
      const { settled } = failures.collect(() =>
        failures.watch(labelOf(this.#question.item), () => {
          const encoder = device.createCommandEncoder();
          plan.clear(encoder);
          const pass = encoder.beginComputePass();
          plan.encode(pass);
          pass.end();
          for (const value of outputs) {
            const { buffer, offset } = plan.locate(value);
            const to = memory.create("tuning", byteLength(value), 0x01 | 0x08); // MAP_READ | COPY_DST
            staging.push(to);
            encoder.copyBufferToBuffer(buffer, offset, to, 0, byteLength(value));
          }
          device.queue.submit([encoder.finish()]);
        })
      );
      const mapped = staging.map((buffer) => failures.told(() => buffer.mapAsync(1 /* READ */)));
      await Promise.all([settled, ...mapped]);
      return outputs.map((value, i) => ({
        dtype: value.dtype,
        data: decode(staging[i]!.getMappedRange(), 0, value),
      }));
    } finally {
      for (const buffer of staging) memory.destroy(buffer);
    }
  }

  /**
   * The fastest, in turns, since a machine may be slower for a while; the first is taken where none is much better. All run
   * equally often, or one would share the cost of a submission among more runs than another.
   */
  async race(contenders: readonly Contender[]): Promise<string> {
    const first = contenders[0]!;
    if (contenders.length === 1) return first.name;
    const times = new Map<Contender, number>();
    let repeats = 1;
    for (const each of contenders) {
      const paced = await this.#stopwatch.pace(each.plan);
      times.set(each, paced.ms);
      repeats = Math.max(repeats, paced.repeats);
    }
    const least = (some: readonly Contender[]) => Math.min(...some.map((each) => times.get(each)!));
    const bound = FAR * least(contenders);
    let left = contenders.filter((each) => times.get(each)! <= bound);
    for (let round = 0; round < ROUNDS; round++) {
      for (const each of left) {
        const ms = await this.#stopwatch.time(each.plan, repeats);
        times.set(each, round === 0 ? ms : Math.min(times.get(each)!, ms));
      }
      const best = least(left);
      const more = moreThan(repeats, best);
      // From the start.
      if (more > repeats) [repeats, round] = [more, -1];
      left = left.filter((each) => each === first || times.get(each)! <= HOPELESS * best);
    }
    const best = left.reduce((a, b) => times.get(b)! < times.get(a)! ? b : a);
    return times.get(best)! <= WORTHWHILE * times.get(first)! ? best.name : first.name;
  }

  end(): void {
    for (const plan of this.#plans) plan.destroy();
    for (const { buffer } of this.#operands.values()) this.#gear.memory.destroy(buffer);
    this.#stopwatch.end();
  }
}

/** Numbers in a block, which is repeated: a prime number of words, so that no stride of an image is a multiple of it. */
const BLOCK = 4 * 16381;

/** -2 to 2, for what is no float 0 and 1. */
function numbersFor(value: PlanValue, seed: number): Float32Array {
  const real = isReal(value);
  let random = seed + 1;
  return Float32Array.from({ length: BLOCK }, () => {
    random = Math.imul(random, 1664525) + 1013904223;
    return real ? (random >>> 16) % 5 - 2 : random >>> 31;
  });
}

function isReal({ dtype }: PlanValue): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** Fills an operand with a block of numbers, again and again. */
function fill(queue: GPUQueue, buffer: GPUBuffer, { dtype, length }: PlanValue, numbers: Float32Array): void {
  const data = hostArray(dtype, BLOCK);
  data.set(numbers);
  const block = encode(data, { dtype, size: BLOCK });
  const bytes = byteLength({ dtype, length });
  for (let at = 0; at < bytes; at += block.byteLength) {
    const part = new Uint8Array(block.buffer, 0, Math.min(block.byteLength, bytes - at));
    queue.writeBuffer(buffer, at, part);
  }
}
