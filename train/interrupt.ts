/**
 * Ctrl-C as an `AbortSignal`.
 *
 * @module
 */

/** A signal that the first Ctrl-C sets; the second one ends the process at once. */
export interface Interrupt {
  /** Set by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

/** Listens for Ctrl-C. */
export async function listenForInterrupt(): Promise<Interrupt> {
  const { default: process } = await import("node:process");
  const controller = new AbortController();
  const stop = () => {
    process.off("SIGINT", stop);
    controller.abort();
  };
  process.on("SIGINT", stop);
  return { signal: controller.signal, release: () => void process.off("SIGINT", stop) };
}
