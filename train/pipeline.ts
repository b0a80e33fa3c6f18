/**
 * Results that arrive later than the work was queued: kept in order, and not too many at once. It also lets the
 * runtime breathe, since a backend that computes on this thread would keep Ctrl-C waiting.
 *
 * @module
 */

/** How many evaluations may be on their way: two bursts, so that a GPU never waits for a loss to be read. */
export const IN_FLIGHT = 16;
/**
 * After so many, what has arrived is looked at. Deno begins to read only then, waits until the device has caught up, and
 * says so 10 ms later: meanwhile the next burst is on its way.
 */
const BURST = 8;
/** Milliseconds after which timers and signals get their turn, whatever was queued. */
const PATIENCE = 50;

/** Delivers results in the order in which they were queued, each as soon as it is there. */
export class Pipeline<T> {
  readonly #deliver: (result: T) => void;
  #tail: Promise<void> = Promise.resolve();
  readonly #pending: Promise<void>[] = [];
  #breathed: number = performance.now();
  #pushed = 0;

  /** What `deliver` throws is thrown by the next `push` or by `drain`. */
  constructor(deliver: (result: T) => void) {
    this.#deliver = deliver;
  }

  /** Queues a result, and waits while too many are on their way. */
  async push(arriving: Promise<T>): Promise<void> {
    const delivered = Promise.all([arriving, this.#tail]).then(([result]) => this.#deliver(result));
    // The failure is met where the promise is awaited, maybe some pushes later.
    delivered.catch(() => {});
    this.#tail = delivered;
    this.#pending.push(delivered);
    if (this.#pending.length > IN_FLIGHT) await this.#pending.shift();
    if (++this.#pushed % BURST === 0 || performance.now() - this.#breathed > PATIENCE) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#breathed = performance.now();
    }
  }

  /** Waits for everything that was queued. */
  async drain(): Promise<void> {
    this.#pending.length = 0;
    await this.#tail;
  }
}
