/**
 * For tests: runs a plan so that a kernel which leaves an element out, reads beyond an array or writes beyond one cannot
 * pass. Memory is filled with a poison, which is NaN in every float, before its first write; a band of it lies behind
 * every array, inside of its binding, and is looked at after every dispatch.
 *
 * @module
 */

import type { Plan } from "./plan.ts";
import type { Binding, Dispatch } from "./shader.ts";
import { byteLength, type PlanValue } from "./values.ts";

/** The bytes behind every array. */
const BAND = 256;
const POISON_BYTES = 1 << 16;
/** NaN as f32 and as two f16, and as an integer or as bytes nothing that a kernel writes by mistake, as -1 would be. */
const POISON_WORD = 0x7fc37fa9;

const poison = (bytes: number) => new Uint32Array(bytes / 4).fill(POISON_WORD);

/** Guards the plans of one device. Handed in by tests, so that a page does not load it. */
export class Guard {
  /** The bytes behind every array. */
  static readonly BAND: number = BAND;
  readonly #device: GPUDevice;
  readonly #poison: GPUBuffer;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#poison = device.createBuffer({ label: "poison", size: POISON_BYTES, usage: 0x08 | 0x04 });
    device.queue.writeBuffer(this.#poison, 0, poison(POISON_BYTES));
  }

  /** Fills the band behind an array that is written from the host. */
  fillBand(buffer: GPUBuffer, bytes: number): void {
    this.#device.queue.writeBuffer(buffer, bytes, poison(BAND));
  }

  /** Encodes the dispatches of a plan, each in a pass of its own. The function that comes back looks at the bands, after the submit. */
  encode(
    encoder: GPUCommandEncoder,
    dispatches: readonly Dispatch[],
    plan: Pick<Plan, "encode" | "locate">,
  ): () => Promise<void> {
    const written = new Set<PlanValue>();
    const outputs = dispatches.flatMap(writesOf);
    const bands = this.#device.createBuffer({
      label: "guard bands",
      size: Math.max(1, outputs.length) * BAND,
      usage: 0x01 | 0x08, // MAP_READ | COPY_DST
    });
    const labels: string[] = [];
    for (const [i, dispatch] of dispatches.entries()) {
      const own = writesOf(dispatch);
      for (const { value, access } of own) {
        const end = byteLength(value);
        const from = written.has(value) || access === "update" ? end : 0;
        const { buffer, offset } = plan.locate(value);
        this.#fill(encoder, buffer, offset + from, offset + end + BAND);
        written.add(value);
      }
      const pass = encoder.beginComputePass();
      plan.encode(pass, i);
      pass.end();
      for (const { name, value } of own) {
        const at = labels.push(`${dispatch.label}: ${name}`) - 1;
        const { buffer, offset } = plan.locate(value);
        encoder.copyBufferToBuffer(buffer, offset + byteLength(value), bands, at * BAND, BAND);
      }
    }
    return () => check(bands, labels);
  }

  #fill(encoder: GPUCommandEncoder, buffer: GPUBuffer, from: number, to: number): void {
    for (let at = from; at < to; at += POISON_BYTES) {
      encoder.copyBufferToBuffer(this.#poison, 0, buffer, at, Math.min(POISON_BYTES, to - at));
    }
  }
}

function writesOf({ bindings }: Dispatch): Binding[] {
  return bindings.filter(({ access }) => access !== "read");
}

async function check(bands: GPUBuffer, labels: readonly string[]): Promise<void> {
  await bands.mapAsync(1 /* READ */);
  const bytes = new Uint8Array(bands.getMappedRange(), 0, labels.length * BAND);
  const wanted = new Uint8Array(poison(BAND).buffer);
  const at = bytes.findIndex((byte, i) => byte !== wanted[i % BAND]);
  const found = at < 0
    ? null
    : `${labels[Math.floor(at / BAND)]} was written ${at % BAND} bytes beyond its end`;
  bands.destroy();
  if (found) throw new Error(`guard: ${found}`);
}
