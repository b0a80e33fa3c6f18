/**
 * The order of what reaches the device. Nearly always that is the order of the calls, at once; but while an evaluation
 * waits for its pipelines, all that comes after it waits behind it: evaluations, writes, and memory that is given back.
 *
 * @module
 */

/** One queue, of one device. */
export class Turns {
  #last: Promise<void> | null = null;

  /** Whether nothing waits. */
  get free(): boolean {
    return this.#last === null;
  }

  /** Does `work` in its turn, at once when nothing waits. It must not throw. */
  do(work: () => void): void {
    if (this.#last === null) work();
    else this.take(work);
  }

  /** Does `work` in its turn; what comes later waits until it has ended, well or not. */
  take<T>(work: () => T | Promise<T>): Promise<T> {
    const before = this.#last;
    const done = (async () => {
      await before;
      return await work();
    })();
    const last: Promise<void> = done.then(() => {}, () => {}).then(() => {
      if (this.#last === last) this.#last = null;
    });
    this.#last = last;
    return done;
  }
}
