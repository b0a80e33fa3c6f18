/**
 * Tells how long dispatches take: by the device's own clock where it has a plausible one, else by the clock on the wall.
 *
 * @module
 */

import type { Gear } from "./gear.ts";
import type { Plan } from "./plan.ts";

/**
 * How long a sample lasts at least, in ms: submitting, a fence and the millisecond in which somebody looks for it are
 * little beside that, and so is the tenth of a millisecond to which some clocks of devices are rounded.
 */
export const SAMPLE = 40;
/** Of what is as short as a dispatch can be this many last so long, or nearly. */
const MOST_REPEATS = 1 << 14;
/** A device's clock that is wrong is wrong by more than what recording commands, and other processes, take of a sample. */
const PLAUSIBLE = 1 / 4;
/** After so many long samples in which it was not plausible a clock is wrong. */
const CHANCES = 3;

/** What is known of a device's clock: whether to trust it, and before that in how many long samples it was not plausible. */
const clocks: WeakMap<GPUDevice, boolean | number> = new WeakMap();

/** How long a plan takes. */
export interface Timing {
  /** The runs in a sample. */
  readonly repeats: number;
  /** Milliseconds of one run. */
  readonly ms: number;
}

/** Times plans on a device. */
export class Stopwatch {
  readonly #gear: Gear;
  readonly #queries: GPUQuerySet | null;
  readonly #ticks: GPUBuffer;
  readonly #staging: GPUBuffer;

  constructor(gear: Gear) {
    const { device, memory } = this.#gear = gear;
    const has = device.features.has("timestamp-query");
    this.#queries = has ? device.createQuerySet({ type: "timestamp", count: 2 }) : null;
    this.#ticks = memory.create("tuning", 16, 0x200 | 0x04 | 0x08); // QUERY_RESOLVE | COPY_SRC | COPY_DST
    this.#staging = memory.create("tuning", 16, 0x01 | 0x08); // MAP_READ | COPY_DST
  }

  /**
   * Repeats a plan until that lasts long enough, by what was measured of so many runs and not by what one would promise;
   * and twice in a row, since another process may have made one sample long.
   */
  async pace(plan: Plan): Promise<Timing> {
    for (let repeats = 1, ms = Infinity;;) {
      const before = ms;
      ms = Math.min(before, await this.time(plan, repeats));
      const more = moreThan(repeats, ms);
      if (more > repeats) [repeats, ms] = [more, Infinity];
      else if (before < Infinity) return { repeats, ms };
    }
  }

  /** Milliseconds of one run out of `repeats`. */
  async time(plan: Plan, repeats: number): Promise<number> {
    const { device, mappingBlocks } = this.#gear;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(
      this.#queries === null ? {} : {
        timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      },
    );
    for (let i = 0; i < repeats; i++) plan.encode(pass);
    pass.end();
    if (this.#queries) encoder.resolveQuerySet(this.#queries, 0, 2, this.#ticks, 0);
    encoder.copyBufferToBuffer(this.#ticks, 0, this.#staging, 0, 16);
    const commands = encoder.finish();
    const began = performance.now();
    device.queue.submit([commands]);
    const mapped = this.#staging.mapAsync(1 /* READ */);
    const returned = performance.now();
    await mapped;
    // Where the call itself waits for the device, the promise takes more than 10 ms on top.
    const wall = (mappingBlocks ? returned : performance.now()) - began;
    const [start, end] = new BigUint64Array(this.#staging.getMappedRange());
    const ticks = Number(end! - start!) / 1e6;
    this.#staging.unmap();
    return this.#believe(ticks, wall) / repeats;
  }

  /** One of the two, the same one from the first long samples on: a race is not run by two clocks. */
  #believe(ticks: number, wall: number): number {
    const { device } = this.#gear;
    const known = clocks.get(device) ?? 0;
    if (wall >= SAMPLE && typeof known === "number") {
      const plausible = ticks <= wall && ticks > PLAUSIBLE * wall;
      clocks.set(device, plausible || (known + 1 < CHANCES ? known + 1 : false));
    }
    return clocks.get(device) === true && ticks > 0 && ticks <= wall ? ticks : wall;
  }

  end(): void {
    this.#queries?.destroy();
    for (const buffer of [this.#ticks, this.#staging]) this.#gear.memory.destroy(buffer);
  }
}

/** By how much a sample that lasted `ms` is to grow, so as to last `wanted`; not by much more, since a run may be far slower than the next. */
export function growth(ms: number, wanted: number): number {
  return Math.min(16, Math.max(1.2, 1.2 * wanted / ms));
}

/** How often a run of `ms` that was repeated so often is to be repeated: more often, unless its sample is long enough. */
export function moreThan(repeats: number, ms: number): number {
  const sample = repeats * ms;
  if (sample >= SAMPLE) return repeats;
  return Math.min(MOST_REPEATS, Math.ceil(repeats * growth(sample, SAMPLE)));
}
