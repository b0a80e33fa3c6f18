/**
 * Turns what WebGPU reports later, or only to those who listen, into one exception that names the op.
 *
 * @module
 */

const SCOPES = ["validation", "out-of-memory", "internal"] as const;

/** The failures of one device. */
export class Failures {
  readonly #device: GPUDevice;
  readonly #pending: Set<Promise<void>> = new Set();
  #first: Error | null = null;
  #lost: Error | null = null;
  #destroyed = false;

  constructor(device: GPUDevice) {
    this.#device = device;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#record("an earlier command", (event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ message, reason }) => {
      if (!this.#destroyed) {
        this.#lost = new Error(`webgpu: the device was lost (${reason}): ${oneLine(message)}`);
      }
    });
  }

  /** The device is going to be destroyed on purpose: its loss is no failure. */
  expectLoss(): void {
    this.#destroyed = true;
  }

  /** Runs `work`; errors that WebGPU finds in it later are remembered with the op's name. */
  watch<T>(op: string, work: () => T): T {
    for (const scope of SCOPES) this.#device.pushErrorScope(scope);
    try {
      return work();
    } finally {
      for (const _ of SCOPES) {
        const scope = this.#device.popErrorScope().then((error) => {
          if (error) this.#record(op, error);
        }, () => {/* The device was lost meanwhile, which `lost` reports. */});
        const tracked = scope.finally(() => this.#pending.delete(tracked));
        this.#pending.add(tracked);
      }
    }
  }

  /** Waits for what is watched, and throws the first failure. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.check();
  }

  /** Throws the first failure, if one is known by now. A lost device stays lost; other errors are thrown once. */
  check(): void {
    const error = this.#lost ?? this.#first;
    if (error === null) return;
    this.#first = null;
    throw error;
  }

  #record(op: string, error: GPUError): void {
    const kind = error.constructor.name.replace(/^GPU|Error$/g, "").toLowerCase();
    this.#first ??= new Error(`${op}: webgpu ${kind} error: ${oneLine(error.message)}`);
  }
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, " ").trim();
}
