/**
 * How fast a run goes.
 *
 * @module
 */

/** Steps that the rate is taken over. */
const WINDOW = 20;

/** Images a second over the last steps, pauses left out. */
export class Throughput {
  #arrivals: { readonly time: number; readonly images: number }[] = [];
  #images = 0;

  /** Starts to count, or counts anew after a pause. */
  reset(): void {
    this.#arrivals = [{ time: performance.now(), images: this.#images }];
  }

  /** Counts a step and gives the rate. */
  add(images: number): number {
    this.#images += images;
    const now = { time: performance.now(), images: this.#images };
    const first = this.#arrivals[0] ?? now;
    this.#arrivals.push(now);
    if (this.#arrivals.length > WINDOW) this.#arrivals.shift();
    // Clocks are coarse in browsers: never divide by nothing.
    return (now.images - first.images) / Math.max(1e-3, (now.time - first.time) / 1000);
  }
}
