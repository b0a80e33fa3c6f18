/**
 * Turns what WebGPU reports later, or only to those who listen, into one exception that names the op.
 *
 * @module
 */

const SCOPES = ["validation", "out-of-memory", "internal"] as const;

/** The failures of one device. */
export class Failures {
  readonly #device: GPUDevice;
  /** What is watched for the evaluation that is being submitted. */
  #watched: Promise<Error | null>[] = [];
  #uncaptured: Error | null = null;
  #lost: Error | null = null;

  constructor(device: GPUDevice) {
    this.#device = device;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#uncaptured ??= describe("an earlier command", (event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ message, reason }) => {
      this.#lost ??= new Error(`webgpu: the device was lost (${reason}): ${oneLine(message)}`);
    });
  }

  /** The device is going to be destroyed on purpose: its loss is a failure only of what still wants it. */
  expectLoss(): void {
    this.#lost ??= new Error("webgpu: the device was destroyed");
  }

  /**
   * Runs `work`; errors that WebGPU finds in it later belong, with the op's name, to the evaluation that is being
   * submitted.
   */
  watch<T>(op: string, work: () => T): T {
    for (const scope of SCOPES) this.#device.pushErrorScope(scope);
    try {
      return work();
    } finally {
      for (const _ of SCOPES) {
        const found = this.#device.popErrorScope().then(
          (error) => error && describe(op, error),
          () => null, /* The device was lost meanwhile, which `lost` reports. */
        );
        this.#watched.push(found);
      }
    }
  }

  /** Runs `work`, and gives what was watched in it: resolves when all is well, rejects with the first failure. */
  collect<T>(work: () => T): { readonly result: T; readonly settled: Promise<void> } {
    const outer = this.#watched;
    const watched: Promise<Error | null>[] = this.#watched = [];
    try {
      const result = work();
      const settled = Promise.all(watched).then((errors) => {
        const first = errors.find((error) => error !== null);
        if (first) throw this.#lost ?? first;
        this.check();
      });
      // Whoever waits for the result meets the failure there.
      settled.catch(() => {});
      return { result, settled };
    } finally {
      this.#watched = outer;
    }
  }

  /** Runs `work`, whose promise rejects for what WebGPU would otherwise report to the next evaluation as well. */
  told<T>(work: () => Promise<T>): Promise<T> {
    this.#device.pushErrorScope("validation");
    try {
      return work();
    } finally {
      this.#device.popErrorScope().catch(() => {/* The device was lost meanwhile, which `lost` reports. */});
    }
  }

  /** Runs `work`, which asks for something of `op`'s that takes its time; rejects with the op's name. */
  async request<T>(op: string, work: () => Promise<T>): Promise<T> {
    const { result, settled } = this.collect(() => this.watch(op, work));
    const outcome = result.then((value) => ({ value }), (error: GPUPipelineError) => ({ error }));
    // What the scopes found comes first: it says what is wrong, and not only that something is.
    const [found] = await Promise.all([outcome, settled]);
    if ("error" in found) throw this.#lost ?? describe(op, found.error);
    return found.value;
  }

  /** Throws when the device is lost, and once for an error that nothing was watching for. */
  check(): void {
    const error = this.#lost ?? this.#uncaptured;
    if (error === null) return;
    this.#uncaptured = null;
    throw error;
  }
}

function describe(op: string, error: GPUError | GPUPipelineError): Error {
  const kind = "reason" in error
    ? error.reason
    : error.constructor.name.replace(/^GPU|Error$/g, "").replace(/(?!^)[A-Z]/g, "-$&").toLowerCase();
  return new Error(`${op}: webgpu ${kind} error: ${oneLine(error.message)}`);
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, " ").trim();
}
